// The whole job in virtual time, judged by a sliding window: is all of it used, and never more?
#include <headgate/async_limiter.hpp>
#include <headgate/result_channel.hpp>
#include <headgate/work_queue.hpp>
#include <headgate/worker_pool.hpp>

#include "support/run.hpp"

#include <algorithm>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using headgate::testing::virtual_clock;

namespace {

struct job {
    job(asio::io_context& context, double seconds)
        : limiter{context, 100, 60s},
          pages{context, 400},
          results{context, 400},
          pool{context, 400},
          latency{seconds}
    {
    }

    support::limiter limiter;
    headgate::work_queue<int> pages;
    headgate::result_channel<int> results;
    headgate::worker_pool pool;
    double latency;
    std::mt19937_64 random{42};
    std::vector<double> sent;
    int received = 0;
};

asio::awaitable<void> work(headgate::worker_pool::worker me, job& my)
{
    while (auto page = co_await my.pages.async_pop(asio::use_awaitable)) {
        auto place = co_await my.results.async_reserve(asio::use_awaitable);
        co_await my.limiter.async_acquire(asio::use_awaitable);
        const auto busy = me.in_flight();
        my.sent.push_back(support::seconds());
        std::uniform_real_distribution<double> jitter{0.7, 1.3};
        const std::chrono::duration<double> taken{my.latency * jitter(my.random)};
        co_await support::pause(std::chrono::duration_cast<std::chrono::nanoseconds>(taken));
        place.send(std::move(*page));
    }
}

asio::awaitable<void> plan(job& my, int pages)
{
    for (int page = 0; page < pages; ++page)
        co_await my.pages.async_push(page, asio::use_awaitable);
    my.pages.close();
}

asio::awaitable<void> receive(job& my)
{
    while (auto page = co_await my.results.async_receive(asio::use_awaitable))
        ++my.received;
}

} // namespace

TEST_CASE("a window is used to the last token at every latency")
{
    const double latency = GENERATE(0.1, 0.5, 8.0, 30.0);
    constexpr int windows = 10;
    virtual_clock::reset();
    asio::io_context context;
    job my{context, latency};
    asio::co_spawn(context, plan(my, 100 * windows), support::rethrow);
    asio::co_spawn(context, receive(my), support::rethrow);
    auto worker = [&my](headgate::worker_pool::worker me) { return work(me, my); };
    my.pool.async_run(worker, [&](std::exception_ptr failure) {
        support::rethrow(failure);
        my.results.close();
    });
    virtual_clock::run(context);

    REQUIRE(my.sent.size() == 100 * windows);
    CHECK(my.received == 100 * windows);
    for (std::size_t i = 0; i < my.sent.size(); ++i) {
        // The best a sliding window allows: each hundred together, one period after the last.
        CHECK(my.sent[i] == 60.0 * static_cast<double>(i / 100));
        if (i >= 100)
            CHECK(my.sent[i] - my.sent[i - 100] >= 60.0);
    }
    CHECK(my.pool.statistics().peak_in_flight <= 200);
}
