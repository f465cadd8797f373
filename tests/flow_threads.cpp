// Limiter, queue, channel and pool shared by four threads, with cancellations; meant for
// ThreadSanitizer.
#include <headgate/async_limiter.hpp>
#include <headgate/detail/asio.hpp>
#include <headgate/result_channel.hpp>
#include <headgate/work_queue.hpp>
#include <headgate/worker_pool.hpp>

#include "support/run.hpp"

#include <asio/bind_executor.hpp>
#include <asio/post.hpp>
#include <asio/strand.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <atomic>
#include <memory>
#include <numeric>
#include <vector>

using namespace std::chrono_literals;

namespace {

constexpr int items = 4000;

struct shared {
    explicit shared(asio::thread_pool& threads)
        : limiter{threads, headgate::limit::bucket(1'000'000, 1s, 50)},
          queue{threads, 8},
          results{threads, 8},
          pool{threads, 16}
    {
    }

    headgate::async_limiter limiter;
    headgate::work_queue<int> queue;
    headgate::result_channel<int> results;
    headgate::worker_pool pool;
};

asio::awaitable<void> work(headgate::worker_pool::worker me, shared& my)
{
    while (auto item = co_await my.queue.async_pop(asio::use_awaitable)) {
        auto place = co_await my.results.async_reserve(asio::use_awaitable);
        co_await my.limiter.async_acquire(asio::use_awaitable);
        const auto busy = me.in_flight();
        co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
        place.send(std::move(*item));
        my.queue.task_done();
    }
}

asio::awaitable<void> push(shared& my)
{
    for (int i = 0; i < items; ++i)
        co_await my.queue.async_push(i, asio::use_awaitable);
    co_await my.queue.async_join(asio::use_awaitable);
    my.queue.close();
}

asio::awaitable<long> receive(shared& my)
{
    long sum = 0;
    while (auto item = co_await my.results.async_receive(asio::use_awaitable))
        sum += *item;
    co_return sum;
}

/// Waits that are cancelled while others are served, each on a strand of its own as Asio demands.
void cancel_some(asio::thread_pool& threads, shared& my, std::atomic<int>& completed)
{
    struct attempt {
        explicit attempt(asio::thread_pool& where) : strand{asio::make_strand(where)} {}
        asio::strand<asio::thread_pool::executor_type> strand;
        asio::cancellation_signal signal;
    };
    for (int i = 0; i < 500; ++i) {
        auto one = std::make_shared<attempt>(threads);
        asio::post(one->strand, [one, &my, &completed] {
            my.limiter.async_acquire(
                40, asio::bind_cancellation_slot(
                        one->signal.slot(),
                        asio::bind_executor(one->strand, [one, &completed](headgate::error_code) {
                            ++completed;
                        })));
        });
        asio::post(one->strand, [one] { one->signal.emit(asio::cancellation_type::total); });
    }
}

} // namespace

TEST_CASE("shared between threads nothing is lost")
{
    asio::thread_pool threads{4};
    shared my{threads};
    std::atomic<int> cancelled{0};
    auto worker = [&my](headgate::worker_pool::worker me) { return work(me, my); };
    my.pool.async_run(worker, [&my](std::exception_ptr failure) { my.results.close(failure); });
    auto pushed = asio::co_spawn(threads, push(my), asio::use_future);
    auto sum = asio::co_spawn(threads, receive(my), asio::use_future);
    cancel_some(threads, my, cancelled);
    pushed.get();
    CHECK(sum.get() == long{items} * (items - 1) / 2);
    threads.join();
    CHECK(cancelled == 500);
    CHECK_FALSE(*my.results.outcome());
    CHECK(my.pool.statistics().live == 0);
}
