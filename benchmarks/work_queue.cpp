// What it costs to hand over an item, against Asio's channels: `channel`, which is for one thread,
// and `concurrent_channel`, which like the queue is for any number.
#include <headgate/work_queue.hpp>

#include "channels.hpp"

#include <asio/experimental/channel.hpp>
#include <asio/experimental/concurrent_channel.hpp>

using channels::how;
using channels::one_thread;
using channels::two_threads;

namespace {

class work_queue {
public:
    work_queue(asio::io_context& context, std::size_t capacity) : queue_{context, capacity} {}

    bool try_put(std::int64_t number) { return queue_.try_push(number); }
    asio::awaitable<void> put(std::int64_t number)
    {
        return queue_.async_push(number, asio::use_awaitable);
    }
    std::optional<std::int64_t> try_take() { return queue_.try_pop(); }
    asio::awaitable<std::optional<std::int64_t>> take()
    {
        return queue_.async_pop(asio::use_awaitable);
    }

private:
    headgate::work_queue<std::int64_t> queue_;
};

using signature = void(std::error_code, std::int64_t);
using channel = channels::asio_channel<asio::experimental::channel<signature>>;
using concurrent_channel =
    channels::asio_channel<asio::experimental::concurrent_channel<signature>>;

void capacities(benchmark::internal::Benchmark* all)
{
    all->Arg(1)->Arg(64)->Arg(1024);
}

void capacities_of_threads(benchmark::internal::Benchmark* all)
{
    all->Arg(64)->Arg(1024)->Unit(benchmark::kMillisecond)->MeasureProcessCPUTime()->UseRealTime();
}

BENCHMARK_TEMPLATE(one_thread, work_queue, how::async)->Apply(capacities);
BENCHMARK_TEMPLATE(one_thread, channel, how::async)->Apply(capacities);
BENCHMARK_TEMPLATE(one_thread, concurrent_channel, how::async)->Apply(capacities);
BENCHMARK_TEMPLATE(one_thread, work_queue, how::try_first)->Apply(capacities);
BENCHMARK_TEMPLATE(one_thread, channel, how::try_first)->Apply(capacities);
BENCHMARK_TEMPLATE(one_thread, concurrent_channel, how::try_first)->Apply(capacities);
BENCHMARK_TEMPLATE(two_threads, work_queue, how::async)->Apply(capacities_of_threads);
BENCHMARK_TEMPLATE(two_threads, concurrent_channel, how::async)->Apply(capacities_of_threads);
BENCHMARK_TEMPLATE(two_threads, work_queue, how::try_first)->Apply(capacities_of_threads);
BENCHMARK_TEMPLATE(two_threads, concurrent_channel, how::try_first)->Apply(capacities_of_threads);

} // namespace
