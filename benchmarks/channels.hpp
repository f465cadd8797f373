#ifndef HEADGATE_BENCHMARKS_CHANNELS_HPP
#define HEADGATE_BENCHMARKS_CHANNELS_HPP

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <optional>
#include <system_error>
#include <thread>

/// The same two coroutines, one that puts numbers in and one that takes them out, for whatever has
/// this interface:
///
///     bool try_put(std::int64_t);
///     asio::awaitable<void> put(std::int64_t); // or: asio::awaitable<place> reserve();
///     std::optional<std::int64_t> try_take();
///     asio::awaitable<std::int64_t> take(); // or of an optional
///
/// None of them is a coroutine itself, which would cost as much as what is measured.
namespace channels {

/// The number that ends it.
constexpr std::int64_t end = -1;

/// How many numbers go from thread to thread in one iteration.
constexpr std::int64_t batch = 100'000;

enum class how {
    async,     ///< always waits, as the text of most programs does
    try_first, ///< waits only if it has to
};

inline void rethrow(std::exception_ptr failure)
{
    if (failure)
        std::rethrow_exception(failure);
}

template <how How, class Channel>
asio::awaitable<void> take_all(Channel& channel)
{
    for (;;) {
        std::optional<std::int64_t> number;
        if constexpr (How == how::try_first)
            number = channel.try_take();
        if (!number)
            number = co_await channel.take();
        benchmark::DoNotOptimize(*number);
        if (*number == end)
            break;
    }
}

template <class Channel>
asio::awaitable<void> put_end(Channel& channel)
{
    if constexpr (requires { channel.reserve(); }) {
        auto place = co_await channel.reserve();
        place.send(std::int64_t{end});
    } else {
        co_await channel.put(end);
    }
}

template <how How, class Channel>
asio::awaitable<void> put_while_running(benchmark::State& state, Channel& channel)
{
    std::int64_t number = 0;
    for (auto _ : state) {
        const bool done = How == how::try_first && channel.try_put(number);
        if (!done) {
            if constexpr (requires { channel.reserve(); }) {
                auto place = co_await channel.reserve();
                place.send(std::int64_t{number});
            } else {
                co_await channel.put(number);
            }
        }
        ++number;
    }
    co_await put_end(channel);
}

/// One item from coroutine to coroutine on one thread is one iteration. The argument is the
/// capacity.
template <class Channel, how How>
void one_thread(benchmark::State& state)
{
    asio::io_context context;
    Channel channel{context, static_cast<std::size_t>(state.range(0))};
    asio::co_spawn(context, take_all<How>(channel), rethrow);
    asio::co_spawn(context, put_while_running<How>(state, channel), rethrow);
    context.run();
}

template <how How, class Channel>
asio::awaitable<void> put_batch(Channel& channel)
{
    for (std::int64_t number = 0; number < batch; ++number) {
        const bool done = How == how::try_first && channel.try_put(number);
        if (!done)
            co_await channel.put(number);
    }
    co_await put_end(channel);
}

/// A batch of items from a thread with its own context to another is one iteration.
template <class Channel, how How>
void two_threads(benchmark::State& state)
{
    for (auto _ : state) {
        asio::io_context here;
        asio::io_context there;
        Channel channel{here, static_cast<std::size_t>(state.range(0))};
        asio::co_spawn(here, take_all<How>(channel), rethrow);
        asio::co_spawn(there, put_batch<How>(channel), rethrow);
        std::thread other{[&there] { there.run(); }};
        here.run();
        other.join();
    }
    state.counters["items"] = static_cast<double>(batch);
}

/// One of Asio's channels, with the interface above.
template <class Channel>
class asio_channel {
public:
    asio_channel(asio::io_context& context, std::size_t capacity) : channel_{context, capacity} {}

    bool try_put(std::int64_t number) { return channel_.try_send(std::error_code{}, number); }
    asio::awaitable<void> put(std::int64_t number)
    {
        return channel_.async_send(std::error_code{}, number, asio::use_awaitable);
    }
    std::optional<std::int64_t> try_take()
    {
        std::optional<std::int64_t> result;
        channel_.try_receive([&result](std::error_code, std::int64_t number) { result = number; });
        return result;
    }
    asio::awaitable<std::int64_t> take() { return channel_.async_receive(asio::use_awaitable); }

private:
    Channel channel_;
};

} // namespace channels

#endif
