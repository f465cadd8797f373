#include <headgate/async_limiter.hpp>
#include <headgate/detail/token_bucket.hpp>
#include <headgate/permit.hpp>

#include "support/run.hpp"

#include <algorithm>
#include <deque>
#include <optional>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using headgate::limit;
using headgate::permit;
using headgate::testing::virtual_clock;
using support::limiter;
using support::noted;

namespace {

/// A permit's handler that keeps what it got.
struct holder {
    noted end;
    std::shared_ptr<permit> held = std::make_shared<permit>();

    void operator()(headgate::error_code result, permit got) const
    {
        end(result);
        *held = std::move(got);
    }
};

std::vector<holder> ask(limiter& gate, std::size_t count, std::size_t tokens = 1)
{
    std::vector<holder> asked(count);
    for (auto& each : asked)
        gate.async_acquire_permit(tokens, each);
    return asked;
}

} // namespace

TEST_CASE("a permit that is dropped gives its tokens back, one that is committed does not")
{
    const auto kind = GENERATE(limit::kind::window, limit::kind::bucket);
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context,
                 kind == limit::kind::window ? limit::window(2, 10s) : limit::bucket(2, 10s, 2)};
    auto asked = ask(gate, 4);
    virtual_clock::run_for(context, 1s);
    REQUIRE(asked[1].end.ok());
    CHECK(asked[1].held->tokens() == 1);
    asked[0].held->commit();
    *asked[0].held = permit{};
    virtual_clock::run_for(context, 1s);
    CHECK(asked[2].end.calls() == 0);
    *asked[1].held = permit{};
    virtual_clock::run_for(context, 0s);
    CHECK(asked[2].end.ok());
    CHECK(asked[2].end.at() == 2);
    CHECK(asked[3].end.calls() == 0);
    asked[2].held->commit();
    virtual_clock::run(context);
    CHECK(asked[3].end.at() == (kind == limit::kind::window ? 10 : 5));
}

TEST_CASE("a cost that is known only afterwards is settled")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::bucket(10, 10s, 10)};
    auto cheap = ask(gate, 1, 6);
    virtual_clock::run_for(context, 0s);
    cheap[0].held->settle(2);
    *cheap[0].held = permit{};
    CHECK(gate.try_acquire(8));
    CHECK_FALSE(gate.try_acquire());
    virtual_clock::run_for(context, 10s);
    auto dear = ask(gate, 1, 5);
    virtual_clock::run_for(context, 0s);
    dear[0].held->settle(13);
    *dear[0].held = permit{};
    noted next;
    gate.async_acquire(1, next);
    virtual_clock::run(context);
    CHECK(next.at() == 14); // three owed and one for itself
}

TEST_CASE("what is in flight is limited, together with a rate")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, std::vector{limit::in_flight(2), limit::window(3, 10s)}};
    auto asked = ask(gate, 4);
    virtual_clock::run_for(context, 1s);
    CHECK(asked[1].end.at() == 0);
    CHECK(asked[2].end.calls() == 0);
    for (auto& each : asked)
        each.held->commit();
    *asked[0].held = permit{};
    virtual_clock::run_for(context, 1s);
    CHECK(asked[2].end.at() == 1);
    *asked[1].held = permit{};
    virtual_clock::run(context);
    CHECK(asked[3].end.at() == 10); // a place is free, the window is not

    noted plain;
    gate.async_acquire(plain);
    CHECK_FALSE(gate.try_acquire());
    virtual_clock::run(context);
    CHECK(plain.result() == headgate::error::needs_permit);
}

TEST_CASE("a permit may outlive its limiter, move and be cancelled for")
{
    virtual_clock::reset();
    asio::io_context context;
    std::optional<limiter> gate{std::in_place, context, limit::in_flight(1)};
    auto asked = ask(*gate, 1);
    asio::cancellation_signal signal;
    holder cancelled;
    gate->async_acquire_permit(1, asio::bind_cancellation_slot(signal.slot(), cancelled));
    virtual_clock::run_for(context, 1s);
    signal.emit(asio::cancellation_type::total);
    virtual_clock::run_for(context, 1s);
    CHECK(cancelled.end.aborted());
    CHECK_FALSE(*cancelled.held);
    permit moved{std::move(*asked[0].held)};
    CHECK(moved);
    CHECK_FALSE(*asked[0].held);
    auto next = ask(*gate, 1);
    moved = permit{};
    virtual_clock::run_for(context, 0s);
    CHECK(next[0].end.ok());
    gate.reset();
    *next[0].held = permit{};
}

TEST_CASE("what comes back late does not come back twice")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::bucket(10, 1s, 10)};
    auto old = ask(gate, 1, 10);
    virtual_clock::run_for(context, 1s);
    CHECK(gate.try_acquire(10)); // it is full again
    *old[0].held = permit{};
    CHECK_FALSE(gate.try_acquire());

    limiter paced{context, limit::paced(10, 1s)};
    auto many = ask(paced, 51);
    virtual_clock::run_for(context, 10s);
    std::vector<noted> waiting(30);
    for (auto& each : waiting)
        paced.async_acquire(each);
    virtual_clock::run_for(context, 500ms);
    for (auto& each : many)
        *each.held = permit{};
    virtual_clock::run_for(context, 0s);
    const auto granted = [&] {
        return std::count_if(waiting.begin(), waiting.end(), [](auto& each) { return each.ok(); });
    };
    CHECK(granted() == 6);
    virtual_clock::run_for(context, 1s);
    CHECK(granted() <= 16);
}

TEST_CASE("a bucket is as if what came back had never been taken, in whatever order it does")
{
    using headgate::detail::token_bucket;
    using std::chrono::nanoseconds;
    struct taken {
        nanoseconds at;
        std::size_t tokens;
        bool waited;
        bool back = false;
    };
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        INFO("seed " << seed);
        std::mt19937_64 random{seed};
        const std::size_t burst = 1 + random() % 20;
        const limit allowed = limit::bucket(1 + random() % 20, 1s, burst);
        const nanoseconds credit = 1ms * (random() % 3);
        token_bucket bucket{allowed, credit};
        std::vector<taken> all;
        nanoseconds now{0};
        for (int step = 0; step < 200; ++step) {
            now += nanoseconds{static_cast<std::int64_t>(random() % 200'000'000)};
            const std::size_t n = 1 + random() % burst;
            if (random() % 2 == 0) {
                const bool waited = random() % 2 == 0;
                now = std::max(now, bucket.due(n));
                all.push_back({now, n, waited});
                bucket.charge(n, now, waited, all.size(), true);
            } else if (!all.empty()) {
                const std::size_t which =
                    all.size() - 1 - random() % std::min<std::size_t>(10, all.size());
                taken& each = all[which];
                if (!std::exchange(each.back, true))
                    bucket.finish(each.tokens, 0, now, which + 1, all.size());
            }
            token_bucket never{allowed, credit};
            for (std::size_t i = 0; i < all.size(); ++i)
                if (!all[i].back)
                    never.charge(all[i].tokens, all[i].at, all[i].waited, i + 1, true);
            // At the time at which something comes back no credit is given.
            REQUIRE(std::max(now, bucket.due(1)) >= std::max(now, never.due(1)));
            REQUIRE(bucket.due(1) <= std::max(now, never.due(1)) + credit);
        }
    }
}

TEST_CASE("a debt beyond all bounds is kept")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::bucket(100, 60s, 100)};
    auto asked = ask(gate, 1);
    virtual_clock::run_for(context, 0s);
    asked[0].held->settle(1'000'000'000);
    *asked[0].held = permit{};
    virtual_clock::run_for(context, 24h * 366);
    CHECK_FALSE(gate.try_acquire());
}

TEST_CASE("what is in flight before there is a limit to it counts under the limit")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, std::vector{limit::in_flight(2)}};
    auto first = ask(gate, 2);
    virtual_clock::run_for(context, 0s);
    gate.set_limits({});
    auto more = ask(gate, 3);
    virtual_clock::run_for(context, 0s);
    gate.set_limits({limit::in_flight(2)});
    auto next = ask(gate, 2);
    for (auto& each : first)
        *each.held = permit{};
    *more[0].held = permit{};
    virtual_clock::run_for(context, 1s);
    CHECK(next[0].end.calls() == 0); // two of five are left
    *more[1].held = permit{};
    virtual_clock::run_for(context, 1s);
    CHECK(next[0].end.ok());
    CHECK(next[1].end.calls() == 0);
    gate.close();
    virtual_clock::run(context);
}

TEST_CASE("a permit can be had at once or not at all")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, {limit::window(3, 10s), limit::in_flight(2)}};
    CHECK_FALSE(gate.try_acquire()); // needs a permit
    std::optional<permit> first = gate.try_acquire_permit();
    std::optional<permit> second = gate.try_acquire_permit();
    REQUIRE(first);
    REQUIRE(second);
    CHECK(second->tokens() == 1);
    CHECK_FALSE(gate.try_acquire_permit()); // two are in flight
    first->commit();
    first.reset();
    CHECK_FALSE(gate.try_acquire_permit(3)); // more than there can ever be
    std::optional<permit> third = gate.try_acquire_permit();
    REQUIRE(third);
    third->commit();
    third.reset();
    second.reset(); // given back
    std::optional<permit> fourth = gate.try_acquire_permit();
    REQUIRE(fourth);
    fourth->commit();
    fourth.reset();
    CHECK_FALSE(gate.try_acquire_permit()); // the window is full
    holder waiting;
    gate.async_acquire_permit(1, waiting);
    virtual_clock::run_for(context, 9s);
    CHECK_FALSE(gate.try_acquire_permit()); // somebody waits
    virtual_clock::run_for(context, 1s);
    CHECK(waiting.end.ok());
    gate.close();
    CHECK_FALSE(gate.try_acquire_permit());
}
