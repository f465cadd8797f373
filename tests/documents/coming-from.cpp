// What the snippets of docs/coming-from.md are compiled in.
#include <headgate/async_limiter.hpp>
#include <headgate/http/client.hpp>
#include <headgate/limit.hpp>
#include <headgate/permit.hpp>

#include "api.hpp"
#include "support/catch.hpp"

#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

using namespace std::literals;

namespace {

// snippet: aiolimiter

// snippet: x_time_rate

// snippet: bottleneck

using documents::run;

} // namespace

TEST_CASE("a request is sent behind a limiter")
{
    const documents::api api;
    asio::io_context context;
    headgate::http::client client{context};
    headgate::async_limiter limiter{context, 100, 60s};
    run(context, fetch_like_aiolimiter(limiter, client, api.url()));
    CHECK(api.requests() == 1);
    CHECK(limiter.statistics().granted == 1);
}

TEST_CASE("a bucket is waited for until a deadline")
{
    asio::io_context context;
    headgate::async_limiter limiter{context, headgate::limit::bucket(10, 1s, 20)};
    const auto soon = std::chrono::steady_clock::now() + 10ms;
    CHECK(run(context, wait_like_x_time_rate(limiter, 20, soon)));
    CHECK_FALSE(run(context, wait_like_x_time_rate(limiter, 1, soon)));
    CHECK_FALSE(run(context, wait_like_x_time_rate(limiter, 21, soon + 1h)));
}

TEST_CASE("jobs are scheduled, so many at a time")
{
    asio::io_context context;
    auto limiter = like_bottleneck(context);
    int running = 0, most = 0, done = 0;
    auto job = [&]() -> asio::awaitable<void> {
        most = std::max(most, ++running);
        asio::steady_timer timer{co_await asio::this_coro::executor, 200ms};
        co_await timer.async_wait(asio::use_awaitable);
        --running;
        ++done;
    };
    for (int i = 0; i < 12; ++i)
        asio::co_spawn(context, schedule(limiter, job), asio::detached);
    context.run();
    CHECK(done == 12);
    CHECK(most > 1);
    CHECK(most <= 5);
}

TEST_CASE("what the tables say of the limits")
{
    asio::io_context context;
    const auto at_once = [&](const headgate::limit& one) {
        headgate::async_limiter limiter{context, one};
        int granted = 0;
        while (granted < 1000 && limiter.try_acquire())
            ++granted;
        return granted;
    };
    CHECK(at_once(headgate::limit::bucket(100, 60s, 100)) == 100);
    CHECK(at_once(headgate::limit::bucket(10, 60s, 20)) == 20);
    CHECK(at_once(headgate::limit::paced(1, 200s)) == 1);
    CHECK(at_once(headgate::limit::window(100, 60s)) == 100);
    headgate::async_limiter unlimited{context, std::vector<headgate::limit>{}};
    CHECK(unlimited.try_acquire(1'000'000));
}
