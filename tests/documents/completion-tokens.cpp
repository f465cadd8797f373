// What the snippets of docs/completion-tokens.md are compiled in.
#include <headgate/headgate.hpp>

#include "api.hpp"
#include "support/catch.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <chrono>
#include <future>
#include <iostream>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace tokens = headgate::detail; // as_tuple and deferred of any Asio

using namespace std::literals;

namespace {

asio::awaitable<void> read_all(headgate::page_stream& stream)
{
    while (auto page = co_await stream.next())
        CHECK_FALSE(page->records().empty());
}

// snippet: fast_path

// snippet: use_awaitable

// snippet: as_tuple

// snippet: default_token

// snippet: use_future

// snippet: callback

// snippet: deferred

// snippet: bind_cancellation_slot

// snippet: until

// snippet: operators

using documents::run;

} // namespace

TEST_CASE("tokens, with and without waiting")
{
    asio::io_context context;
    headgate::async_limiter limiter{context, headgate::limit::bucket(1, 10ms, 1)};
    run(context, acquire(limiter));
    run(context, acquire(limiter));
    CHECK(limiter.statistics().granted == 2);

    limiter_for_coroutines other{context, headgate::limit::bucket(1, 10ms, 1)};
    run(context, acquire_two(other));
    CHECK(other.statistics().granted == 2);

    asio::steady_timer timer{context, 10ms};
    run(context, acquire_after(limiter, timer));
    CHECK(limiter.statistics().granted == 3);
}

TEST_CASE("a queue is popped, with exceptions and without")
{
    asio::io_context context;
    headgate::async_limiter limiter{context, 10, 1s};
    headgate::work_queue<std::string> names{context, 4};
    names.try_push("one");
    names.try_push("three");
    CHECK(run(context, pop_or(names, "none")) == "one");
    CHECK(run(context, pop_soon(names)) == "three");
    CHECK(run(context, pop_soon(names)) == std::nullopt);
    names.try_push("four");
    names.close();
    CHECK(run(context, drain(names, limiter)) == 4);
    CHECK(run(context, pop_or(names, "none")) == "none");
}

TEST_CASE("a thread blocks on a token")
{
    asio::io_context context;
    auto work = asio::make_work_guard(context);
    std::thread runs{[&] { context.run(); }};
    headgate::async_limiter limiter{context, 10, 1s};
    acquire_and_block(limiter);
    CHECK(limiter.statistics().granted == 1);
    limiter.close();
    CHECK_THROWS_AS(acquire_and_block(limiter), headgate::system_error);
    work.reset();
    runs.join();
}

TEST_CASE("a callback prints a status, and why there is none")
{
    const documents::api api;
    asio::io_context context;
    headgate::http::client client{context};
    print_status(client, api.url());
    print_status(client, "http://127.0.0.1:1/");
    context.run();
    CHECK(api.requests() == 1);
}

TEST_CASE("a cancelled wait has taken nothing")
{
    asio::io_context context;
    headgate::async_limiter limiter{context, 1, 1h};
    limiter.try_acquire();
    waiting_caller caller;
    caller.wait(limiter);
    caller.leave();
    context.run();
    CHECK(caller.result == asio::error::operation_aborted);
    CHECK(limiter.statistics().cancelled == 1);
    CHECK_FALSE(run(context, acquire_soon(limiter)));
    limiter.set_limits({});
    CHECK(run(context, acquire_soon(limiter)));
}

TEST_CASE("a stream is read within a time, or left as it is")
{
    const documents::api api;
    asio::io_context context;
    headgate::http::client client{context};
    headgate::async_limiter limiter{context, 100, 1s};
    const headgate::paging::offset list{headgate::http::request{api.url()}};
    auto stream = headgate::extract(client, limiter, list);
    CHECK(run(context, read_within(stream, 1min)));
    CHECK(stream.outcome().complete());

    headgate::async_limiter closed_for_long{context, 1, 1h};
    closed_for_long.try_acquire();
    auto late = headgate::extract(client, closed_for_long, list);
    bool in_time = true;
    auto watch = [&]() -> asio::awaitable<void> {
        in_time = co_await read_within(late, 50ms);
        late.cancel();
        co_await read_all(late);
    };
    run(context, watch());
    CHECK_FALSE(in_time);
    CHECK(late.outcome().code() == headgate::outcome_code::cancelled);
}
