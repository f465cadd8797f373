#include <headgate/async_limiter.hpp>
#include <headgate/detail/asio.hpp>

#include "support/run.hpp"

#include <asio/bind_executor.hpp>
#include <asio/detached.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/strand.hpp>
#include <asio/use_future.hpp>

#include <memory>
#include <vector>

using namespace std::chrono_literals;
using headgate::limit;
using headgate::testing::virtual_clock;
using support::limiter;
using support::noted;
using namespace asio::experimental::awaitable_operators;

namespace {

/// When each of `count` acquires of one token is granted.
std::vector<double> grants(const limit& allowed, int count)
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, allowed};
    std::vector<noted> asked(static_cast<std::size_t>(count));
    for (auto& each : asked)
        gate.async_acquire(1, each);
    virtual_clock::run(context);
    std::vector<double> result;
    for (const auto& each : asked) {
        REQUIRE(each.ok());
        result.push_back(each.at());
    }
    return result;
}

} // namespace

TEST_CASE("a window lets its count through at once and the next one period later")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, 100, 60s};
    int at_once = 0;
    std::vector<noted> late(3);
    for (int i = 0; i < 100; ++i)
        gate.async_acquire([&](headgate::error_code) { at_once += support::seconds() == 0; });
    for (auto& each : late)
        gate.async_acquire(each);
    virtual_clock::run_for(context, 59'999ms);
    CHECK(at_once == 100);
    CHECK(late[0].calls() == 0);
    virtual_clock::run(context);
    CHECK(late[0].at() == 60);
    CHECK(late[2].at() == 60);
}

TEST_CASE("buckets and paced limits grant by their schedule")
{
    CHECK(grants(limit::paced(2, 1s), 4) == std::vector<double>{0, 0.5, 1, 1.5});
    CHECK(grants(limit::bucket(2, 1s, 3), 5) == std::vector<double>{0, 0, 0, 0.5, 1});
}

TEST_CASE("an interval that is no whole number of nanoseconds does not drift")
{
    const auto when = grants(limit::paced(3, 1s), 30'001);
    CHECK(when.back() >= 10'000);
    CHECK(when.back() < 10'000.01);
}

TEST_CASE("who waits is served in order and nobody barges in")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::bucket(10, 10s, 10)};
    REQUIRE(gate.try_acquire(10));
    noted large, small;
    gate.async_acquire(5, large);
    gate.async_acquire(1, small);
    virtual_clock::run_for(context, 3s);
    CHECK_FALSE(gate.try_acquire());
    CHECK(small.calls() == 0);
    virtual_clock::run(context);
    CHECK(large.at() == 5);
    CHECK(small.at() == 6);
}

TEST_CASE("several limits are charged all or nothing")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, std::vector{limit::window(2, 1s), limit::window(3, 10s)}};
    std::vector<noted> asked(4);
    for (auto& each : asked)
        gate.async_acquire(each);
    virtual_clock::run(context);
    CHECK(asked[1].at() == 0);
    CHECK(asked[2].at() == 1);
    CHECK(asked[3].at() == 10);
    CHECK(gate.max_tokens() == 2);
}

TEST_CASE("asking for more than can ever be granted fails at once, for nothing succeeds")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, 2, 60s};
    noted many, none, one;
    gate.async_acquire(3, many);
    gate.async_acquire(0, none);
    CHECK(many.calls() == 0); // never inside the initiating function
    virtual_clock::run(context);
    CHECK(many.result() == headgate::error::exceeds_limit);
    CHECK(none.ok());
    CHECK_FALSE(gate.try_acquire(3));
    CHECK(gate.try_acquire(2));
}

TEST_CASE("closing tells who waits and who comes later")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, 1, 60s};
    noted first, waiting, later;
    gate.async_acquire(first);
    gate.async_acquire(waiting);
    gate.close();
    gate.async_acquire(later);
    virtual_clock::run(context);
    CHECK(first.ok());
    CHECK(waiting.result() == headgate::error::closed);
    CHECK(later.result() == headgate::error::closed);
    CHECK_FALSE(gate.try_acquire());
    CHECK(support::seconds() == 0);
}

TEST_CASE("destroying a limiter completes who waits")
{
    virtual_clock::reset();
    asio::io_context context;
    noted waiting;
    {
        limiter gate{context, 1, 60s};
        REQUIRE(gate.try_acquire());
        limiter moved{std::move(gate)};
        moved.async_acquire(waiting);
        moved.share().share();
        virtual_clock::run_for(context, 1s);
        CHECK(waiting.calls() == 0);
    }
    virtual_clock::run(context);
    CHECK(waiting.aborted());
}

TEST_CASE("a cancelled wait takes nothing and the next is served when due")
{
    const auto type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                               asio::cancellation_type::total);
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::bucket(1, 1s, 5)};
    REQUIRE(gate.try_acquire(5));
    asio::cancellation_signal signal;
    noted head, next;
    gate.async_acquire(5, asio::bind_cancellation_slot(signal.slot(), head));
    gate.async_acquire(1, next);
    virtual_clock::run_for(context, 2500ms);
    signal.emit(type);
    virtual_clock::run_for(context, 0s);
    CHECK(head.aborted());
    CHECK(next.ok());
    CHECK(next.at() == 2.5);
    CHECK(gate.statistics().cancelled == 1);
    CHECK(gate.statistics().tokens == 6);
    virtual_clock::run_for(context, 500ms);
    CHECK(gate.try_acquire(2));
    CHECK_FALSE(gate.try_acquire(1));
}

TEST_CASE("a grant that was decided before the cancellation stands")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, 1, 60s};
    asio::cancellation_signal signal;
    noted asked;
    gate.async_acquire(asio::bind_cancellation_slot(signal.slot(), asked));
    signal.emit(asio::cancellation_type::all);
    virtual_clock::run(context);
    CHECK(asked.ok());
    CHECK(gate.statistics().cancelled == 0);
}

TEST_CASE("lateness up to the credit costs no throughput, a stall brings no burst")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::paced(1000, 1s), 5ms};
    std::vector<noted> asked(30);
    for (auto& each : asked)
        gate.async_acquire(each);
    virtual_clock::run_for(context, 10ms);
    virtual_clock::advance(8ms); // the loop is away
    virtual_clock::run_for(context, 0s);
    int at_18 = 0;
    for (const auto& each : asked)
        at_18 += each.calls() > 0 && each.at() == 0.018;
    CHECK(at_18 == 6); // the one that is due and five within the credit
}

TEST_CASE("a clock that goes back gives nothing away")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, 1, 10s};
    REQUIRE(gate.try_acquire());
    virtual_clock::advance(9s);
    CHECK_FALSE(gate.try_acquire());
    virtual_clock::advance(-8s);
    CHECK_FALSE(gate.try_acquire());
    virtual_clock::advance(9s);
    CHECK(gate.try_acquire());
    CHECK_FALSE(gate.try_acquire());
}

TEST_CASE("every kind of completion token works")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, 100, 60s};
    auto future = gate.async_acquire(1, asio::use_future);
    auto deferred = gate.async_acquire(2, headgate::detail::deferred);
    noted later, bound;
    std::move(deferred)(later);
    gate.async_acquire(bind_executor(context.get_executor(), bound));
    using tuple_token = asio::use_awaitable_t<>;
    auto gate2 =
        limiter::rebind_executor<tuple_token::executor_with_default<asio::any_io_executor>>::other{
            context, 1, 60s};
    bool timed_out = false;
    auto coroutine = [&]() -> asio::awaitable<void> {
        co_await gate.async_acquire(asio::use_awaitable);
        auto result =
            co_await gate.async_acquire(1, headgate::detail::as_tuple(asio::use_awaitable));
        CHECK_FALSE(std::get<0>(result));
        co_await gate2.async_acquire();
        auto race = co_await (gate2.async_acquire(1, asio::use_awaitable) || support::pause(5s));
        timed_out = race.index() == 1;
    };
    asio::co_spawn(context, coroutine, support::rethrow);
    virtual_clock::run(context);
    future.get();
    CHECK(later.ok());
    CHECK(bound.ok());
    CHECK(timed_out);
    CHECK(gate2.statistics().granted == 1);
}

TEST_CASE("what waits when the context goes is destroyed with it")
{
    virtual_clock::reset();
    auto alive = std::make_shared<int>();
    std::weak_ptr<int> watched = alive;
    {
        asio::io_context context;
        auto owner = [](std::shared_ptr<int>) -> asio::awaitable<void> {
            limiter own{co_await asio::this_coro::executor, 1, 60s};
            for (;;)
                co_await own.async_acquire(asio::use_awaitable);
        };
        asio::co_spawn(context, owner(std::move(alive)), asio::detached);
        virtual_clock::run_for(context, 90s);
        CHECK_FALSE(watched.expired());
    }
    CHECK(watched.expired());
}

TEST_CASE("a wrong credit is refused")
{
    asio::io_context context;
    CHECK_THROWS_WITH((limiter{context, limit::paced(1, 1s), -1ns}), Catch::Contains("credit"));
}

TEST_CASE("a cancellation signal may outlive limiter and context, in either order")
{
    virtual_clock::reset();
    asio::cancellation_signal signal;
    const noted waiting;
    const auto wait = [&](limiter& gate) {
        REQUIRE(gate.try_acquire());
        gate.async_acquire(asio::bind_cancellation_slot(signal.slot(), waiting));
    };
    auto context = std::make_unique<asio::io_context>();
    {
        limiter gate{*context, 1, 60s};
        wait(gate);
        context.reset();
        signal.emit(asio::cancellation_type::terminal);
    }
    signal.emit(asio::cancellation_type::terminal);
    context = std::make_unique<asio::io_context>();
    {
        limiter gate{asio::make_strand(*context), 1, 60s};
        wait(gate);
        virtual_clock::run_for(*context, 1s);
    }
    signal.emit(asio::cancellation_type::terminal);
    context.reset();
    signal.emit(asio::cancellation_type::terminal);
    CHECK(waiting.calls() == 0);
}
