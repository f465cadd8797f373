// What it costs to reserve a place and send a result into it, against Asio's channel, which has no
// places.
#include <headgate/result_channel.hpp>

#include "channels.hpp"

#include <asio/experimental/channel.hpp>

using channels::how;
using channels::one_thread;

namespace {

class result_channel {
public:
    result_channel(asio::io_context& context, std::size_t capacity) : channel_{context, capacity} {}

    bool try_put(std::int64_t number)
    {
        auto place = channel_.try_reserve();
        return place && place.send(std::move(number));
    }
    asio::awaitable<headgate::result_channel<std::int64_t>::place> reserve()
    {
        return channel_.async_reserve(asio::use_awaitable);
    }
    std::optional<std::int64_t> try_take() { return channel_.try_receive(); }
    asio::awaitable<std::optional<std::int64_t>> take()
    {
        return channel_.async_receive(asio::use_awaitable);
    }

private:
    headgate::result_channel<std::int64_t> channel_;
};

using channel =
    channels::asio_channel<asio::experimental::channel<void(std::error_code, std::int64_t)>>;

BENCHMARK_TEMPLATE(one_thread, result_channel, how::async)->Arg(64);
BENCHMARK_TEMPLATE(one_thread, channel, how::async)->Arg(64);
BENCHMARK_TEMPLATE(one_thread, result_channel, how::try_first)->Arg(64);
BENCHMARK_TEMPLATE(one_thread, channel, how::try_first)->Arg(64);

} // namespace
