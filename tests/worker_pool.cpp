#include <headgate/worker_pool.hpp>

#include "support/run.hpp"

#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using headgate::worker_pool;
using headgate::testing::virtual_clock;

namespace {

/// Work of fixed latency at a fixed rate: `total` pieces, then the end.
struct load {
    support::limiter limiter;
    std::chrono::nanoseconds latency;
    int total;
    int begun = 0;
};

asio::awaitable<void> work(worker_pool::worker me, load& my)
{
    while (my.begun < my.total) {
        co_await my.limiter.async_acquire(asio::use_awaitable);
        const auto busy = me.in_flight();
        ++my.begun;
        co_await support::pause(my.latency);
    }
}

std::string reason(std::exception_ptr failure)
{
    try {
        support::rethrow(failure);
    } catch (const std::exception& e) {
        return e.what();
    }
    return "none";
}

struct ended {
    bool called = false;
    std::string why;

    auto handler()
    {
        return [this](std::exception_ptr failure) {
            called = true;
            why = reason(failure);
        };
    }
};

} // namespace

TEST_CASE("a pool has as many workers as the limit can feed")
{
    virtual_clock::reset();
    asio::io_context context;
    load my{support::limiter{context, headgate::limit::paced(100, 60s)}, 30s, 300};
    worker_pool pool{context, 64};
    ended end;
    auto worker = [&my](worker_pool::worker me) { return work(me, my); };
    pool.async_run(worker, end.handler());
    virtual_clock::run(context);
    CHECK(end.why == "none");
    const auto seen = pool.statistics();
    CHECK(seen.peak_in_flight == 50); // rate times latency
    CHECK(seen.peak_live <= 51);      // and one that waits
    CHECK(seen.live == 0);
    CHECK(seen.in_flight == 0);
}

TEST_CASE("a pool keeps its ceiling")
{
    virtual_clock::reset();
    asio::io_context context;
    load my{support::limiter{context, headgate::limit::paced(100, 60s)}, 30s, 50};
    worker_pool pool{context, 7};
    ended end;
    auto worker = [&my](worker_pool::worker me) { return work(me, my); };
    pool.async_run(worker, end.handler());
    virtual_clock::run(context);
    CHECK(pool.statistics().peak_live == 7);
    CHECK(end.called);
}

TEST_CASE("the first error is kept and ends the others")
{
    virtual_clock::reset();
    asio::io_context context;
    worker_pool pool{context, 4, 4};
    int number = 0, unwound = 0;
    auto worker = [&](worker_pool::worker) -> asio::awaitable<void> {
        const std::shared_ptr<void> guard{nullptr, [&](void*) { ++unwound; }};
        const int mine = ++number;
        co_await support::pause(mine * 1s);
        throw std::runtime_error{"worker " + std::to_string(mine)};
    };
    ended end;
    pool.async_run(worker, end.handler());
    virtual_clock::run(context);
    CHECK(end.why == "worker 1");
    CHECK(unwound == 4);
    CHECK(support::seconds() == 1);

    auto no_coroutine = [](worker_pool::worker) -> asio::awaitable<void> {
        throw std::runtime_error{"no coroutine"};
    };
    ended again;
    pool.async_run(no_coroutine, again.handler());
    virtual_clock::run(context);
    CHECK(again.why == "no coroutine");
}

TEST_CASE("a pool is cancelled by itself, its operation's slot or its end")
{
    const int how = GENERATE(0, 1, 2);
    virtual_clock::reset();
    asio::io_context context;
    auto pool = std::make_unique<worker_pool>(context, 3, 3);
    auto worker = [](worker_pool::worker) { return support::pause(1h); };
    ended end;
    asio::cancellation_signal signal;
    pool->async_run(worker, asio::bind_cancellation_slot(signal.slot(), end.handler()));
    virtual_clock::run_for(context, 1s);
    signal.emit(asio::cancellation_type::total); // too late for a cancellation without traces
    virtual_clock::run_for(context, 1s);
    CHECK_FALSE(end.called);
    if (how == 0)
        pool->cancel();
    else if (how == 1)
        signal.emit(asio::cancellation_type::terminal);
    else
        pool.reset();
    virtual_clock::run_for(context, 1s);
    CHECK(end.called);
    CHECK(end.why == headgate::system_error{asio::error::operation_aborted}.what());
}

TEST_CASE("a pool runs one job at a time and then another")
{
    virtual_clock::reset();
    asio::io_context context;
    worker_pool pool{context, 2};
    auto worker = [](worker_pool::worker) { return support::pause(1s); };
    ended first, second, third;
    pool.async_run(worker, first.handler());
    asio::cancellation_signal signal;
    pool.async_run(worker, asio::bind_cancellation_slot(signal.slot(), second.handler()));
    signal.emit(asio::cancellation_type::terminal); // of what was refused, not of what runs
    virtual_clock::run(context);
    CHECK(first.why == "none");
    CHECK(second.why.find("runs already") != std::string::npos);
    pool.async_run(worker, third.handler());
    virtual_clock::run(context);
    CHECK(third.why == "none");
    CHECK_THROWS_WITH((worker_pool{context, 0}), Catch::Contains("ceiling is 0"));
    CHECK_THROWS_WITH((worker_pool{context, 2, 3}), Catch::Contains("1 to 2"));
}

TEST_CASE("a pool that runs when the context goes leaves nothing behind")
{
    virtual_clock::reset();
    auto alive = std::make_shared<int>();
    std::weak_ptr<int> watched = alive;
    {
        asio::io_context context;
        auto pool = std::make_shared<worker_pool>(context, 3, 3);
        auto worker = [pool, alive](worker_pool::worker) { return support::pause(1h); };
        pool->async_run(worker, [pool](std::exception_ptr) {});
        virtual_clock::run_for(context, 1s);
        alive.reset();
        CHECK_FALSE(watched.expired());
    }
    CHECK(watched.expired());
}

TEST_CASE("workers run on all threads of a thread pool")
{
    asio::thread_pool threads{4};
    worker_pool pool{threads, 8, 8};
    std::atomic<int> done{0};
    auto worker = [&](worker_pool::worker me) -> asio::awaitable<void> {
        for (int i = 0; i < 500; ++i) {
            const auto busy = me.in_flight();
            co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
            ++done;
        }
    };
    pool.async_run(worker, asio::use_future).get();
    CHECK(done == 8 * 500);
    threads.join();
}
