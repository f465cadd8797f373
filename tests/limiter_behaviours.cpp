// What the test suites of other limiters ask of them (aiolimiter, governor, leaky-bucket, p-queue,
// uber-go, Guava, resilience4j, folly, userver, redis-cell, tower), asked of this one. Where
// another has it that a late, small acquire overtakes, or that a wait that was given up has cost
// something, the opposite is asserted.
#include <headgate/async_limiter.hpp>

#include "support/run.hpp"

#include <asio/thread_pool.hpp>

#include <atomic>
#include <deque>
#include <memory>
#include <set>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using headgate::limit;
using headgate::permit;
using headgate::testing::virtual_clock;
using support::limiter;
using support::noted;

namespace {

struct scene {
    template <class... Limits>
    explicit scene(Limits... limits) : gate{context, std::vector<limit>{limits...}}
    {
    }

    noted ask(std::size_t tokens = 1)
    {
        noted asked;
        gate.async_acquire(tokens, asked);
        return asked;
    }
    std::vector<noted> ask_times(std::size_t times)
    {
        std::vector<noted> all;
        for (std::size_t i = 0; i < times; ++i)
            all.push_back(ask());
        return all;
    }
    void wait(virtual_clock::duration span) { virtual_clock::run_for(context, span); }
    void finish() { virtual_clock::run(context); }

    /// How many of these have been granted by now.
    static int done(const std::vector<noted>& all)
    {
        int count = 0;
        for (const noted& each : all)
            count += each.ok() ? 1 : 0;
        return count;
    }

    /// How many single tokens are there now.
    int drain()
    {
        int count = 0;
        while (gate.try_acquire())
            ++count;
        return count;
    }

    struct fresh_time {
        fresh_time() { virtual_clock::reset(); }
    } fresh;
    asio::io_context context;
    limiter gate;
};

} // namespace

TEST_CASE("aiolimiter: capacity")
{
    scene its{limit::bucket(1, 60s, 1)};
    CHECK(its.gate.max_tokens() == 1);
    CHECK(its.gate.limits() == std::vector{limit::bucket(1, 60s, 1)});
    CHECK_FALSE(its.gate.try_acquire(42));
    const noted much = its.ask(42);
    CHECK(its.gate.try_acquire());
    CHECK_FALSE(its.gate.try_acquire());
    its.wait(0s);
    CHECK(much.result() == headgate::error::exceeds_limit);
}

TEST_CASE("aiolimiter: waiters go at the rate")
{
    scene its{limit::bucket(5, 10s, 5)};
    const auto asked = its.ask_times(10);
    its.wait(0s);
    CHECK(its.done(asked) == 5);
    its.wait(3s);
    CHECK(its.done(asked) == 6);
    its.wait(4s);
    CHECK(its.done(asked) == 8);
    its.wait(4s);
    CHECK(its.done(asked) == 10);
}

TEST_CASE("aiolimiter: one waits for what is missing, not for all it wants")
{
    scene its{limit::bucket(3, 3s, 3)};
    CHECK(its.gate.try_acquire());
    const noted three = its.ask(3);
    const noted one = its.ask(1); // theirs passes, and pushes the first back
    its.wait(500ms);
    CHECK(one.calls() == 0);
    its.finish();
    CHECK(three.at() == 1);
    CHECK(one.at() == 2);
}

TEST_CASE("aiolimiter: who gave up has cost nothing")
{
    scene its{limit::bucket(3, 3s, 3)};
    CHECK(its.gate.try_acquire());
    asio::cancellation_signal signal;
    noted first;
    its.gate.async_acquire(3, asio::bind_cancellation_slot(signal.slot(), first));
    const noted second = its.ask(3);
    its.wait(500ms);
    signal.emit(asio::cancellation_type::total);
    its.finish();
    CHECK(first.aborted());
    CHECK(second.at() == 1);
}

TEST_CASE("governor: steps")
{
    scene two{limit::bucket(2, 1s, 2)};
    CHECK(two.gate.try_acquire());
    two.wait(1ms);
    CHECK(two.gate.try_acquire());
    two.wait(1ms);
    CHECK_FALSE(two.gate.try_acquire());
    two.wait(1s);
    CHECK(two.gate.try_acquire());
    two.wait(1ms);
    CHECK(two.gate.try_acquire());
    two.wait(1ms);
    CHECK_FALSE(two.gate.try_acquire());

    scene five{limit::bucket(5, 1s, 5)};
    CHECK(five.drain() == 5);
    five.wait(2s);
    CHECK(five.drain() == 5); // no extra cell after a long idle time

    scene four{limit::bucket(4, 1s, 4)};
    CHECK(four.gate.try_acquire(2));
    CHECK(four.gate.try_acquire(2));
    CHECK_FALSE(four.gate.try_acquire(2));
    four.wait(1s);
    CHECK(four.gate.try_acquire(2));
    CHECK(four.gate.try_acquire(2));
    four.wait(1ms);
    CHECK_FALSE(four.gate.try_acquire(2));
}

TEST_CASE("governor: what can never be granted is never granted, and takes nothing")
{
    scene its{limit::bucket(5, 1s, 5)};
    for (const auto pause : {0s, 3s, 20s}) {
        its.wait(pause);
        for (const std::size_t n : {15U, 7U, 6U}) {
            CHECK_FALSE(its.gate.try_acquire(n));
            const noted asked = its.ask(n);
            its.wait(0s);
            CHECK(asked.result() == headgate::error::exceeds_limit);
        }
    }
    CHECK(its.gate.try_acquire(5));
}

TEST_CASE("governor: each is granted at the first instant at which it can be, never before")
{
    for (const std::size_t count : {1U, 2U, 3U, 7U, 10U, 99U, 1000U}) {
        scene its{limit::bucket(count, 1s, count)};
        CHECK(its.drain() == static_cast<int>(count));
        const auto start = virtual_clock::now();
        const auto asked = its.ask_times(20);
        its.finish();
        for (std::size_t i = 0; i < asked.size(); ++i) {
            const double exact = static_cast<double>(i + 1) / static_cast<double>(count);
            REQUIRE(asked[i].at() >= exact - 1e-9);
            REQUIRE(asked[i].at() <= exact + 1e-6);
        }
        CHECK(virtual_clock::now() > start);
    }
}

TEST_CASE("at high rates those of half the credit are granted together, none early, none lost")
{
    scene its{limit::bucket(9999, 1s, 1)};
    CHECK(its.drain() == 1);
    const auto asked = its.ask_times(1000);
    its.finish();
    std::set<double> wake_ups;
    for (std::size_t i = 0; i < asked.size(); ++i) {
        const double exact = static_cast<double>(i + 1) / 9999;
        REQUIRE(asked[i].at() >= exact - 1e-9);
        REQUIRE(asked[i].at() <= exact + 1e-3);
        wake_ups.insert(asked[i].at());
    }
    CHECK(wake_ups.size() <= 1000 / 9 + 64); // the last 64 are woken one by one
    CHECK(asked.back().at() <= 1000.0 / 9999 + 1e-6);
}

TEST_CASE("without a credit, for a window, and behind a pause, each is granted when it is due")
{
    struct way {
        std::vector<limit> limits;
        virtual_clock::duration credit;
        bool pauses;
    };
    for (const way& each :
         {way{{limit::bucket(9999, 1s, 1)}, 0ms, false}, way{{limit::window(1, 100us)}, 2ms, false},
          way{{limit::bucket(9999, 1s, 1)}, 2ms, true}}) {
        asio::io_context context;
        headgate::basic_async_limiter<virtual_clock> gate{context, each.limits, each.credit};
        if (each.pauses)
            gate.pause_until(virtual_clock::now() + 1ms);
        std::set<virtual_clock::time_point> wake_ups;
        for (int i = 0; i < 50; ++i)
            gate.async_acquire(
                [&](headgate::error_code) { wake_ups.insert(virtual_clock::now()); });
        virtual_clock::run(context);
        CHECK(wake_ups.size() == 50);
    }
}

TEST_CASE("governor, leaky-bucket: threads")
{
    scene its{limit::bucket(20, 1s, 20)};
    std::atomic<int> granted = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 20; ++i)
        threads.emplace_back([&] { granted += its.gate.try_acquire() ? 1 : 0; });
    for (auto& each : threads)
        each.join();
    CHECK(granted == 20);
    its.wait(2ms);
    CHECK_FALSE(its.gate.try_acquire());
    its.wait(998ms);
    CHECK(its.drain() == 20);
}

TEST_CASE("governor: a huge rate refuses nobody")
{
    scene its{limit::bucket(limit::max_count, 1s, limit::max_count)};
    int granted = 0;
    for (int i = 0; i < 100'000; ++i)
        granted += its.gate.try_acquire() ? 1 : 0;
    CHECK(granted == 100'000);
}

TEST_CASE("governor, Guava: what makes no sense is refused at construction")
{
    CHECK_THROWS_AS(limit::bucket(5, 0s, 5), std::invalid_argument);
    CHECK_THROWS_AS(limit::bucket(0, 1s, 5), std::invalid_argument);
    CHECK_THROWS_AS(limit::bucket(5, 1s, 0), std::invalid_argument);
    CHECK_THROWS_AS(limit::paced(5, -1s), std::invalid_argument);
    CHECK_THROWS_AS(limit::window(limit::max_count + 1, 1s), std::invalid_argument);
    scene hour{limit::paced(3600, 1h)};
    const auto asked = hour.ask_times(61);
    hour.finish();
    CHECK(asked[60].at() == 60); // per hour / 60 is per minute
}

TEST_CASE("leaky-bucket: intervals")
{
    scene fast{limit::paced(1, 100ms)};
    CHECK(fast.gate.try_acquire());
    auto asked = fast.ask_times(10);
    fast.finish();
    CHECK(asked.back().at() == 1);

    scene idle{limit::bucket(1, 2s, 5)};
    CHECK(idle.drain() == 5);
    idle.wait(10s);
    asked = idle.ask_times(7);
    idle.finish();
    CHECK(asked[4].at() == 10);
    CHECK(asked[5].at() == 12);
    CHECK(asked[6].at() == 14);

    scene partial{limit::paced(1, 2s)};
    CHECK(partial.gate.try_acquire());
    partial.wait(1900ms);
    const noted next = partial.ask();
    partial.finish();
    CHECK(next.at() == 2); // what had passed of the period is kept
}

TEST_CASE("leaky-bucket: a hundred times a thousand tokens come at the rate")
{
    scene its{limit::bucket(50'000, 1s, 1000)};
    std::vector<noted> asked;
    for (int i = 0; i < 101; ++i)
        asked.push_back(its.ask(1000));
    its.finish();
    CHECK(asked.back().at() == Approx(2.0).margin(1e-6));
}

TEST_CASE("leaky-bucket: nobody passes who waits")
{
    scene its{limit::bucket(10, 10s, 10)};
    CHECK(its.gate.try_acquire(5));
    asio::cancellation_signal signal;
    noted giant;
    its.gate.async_acquire(10, asio::bind_cancellation_slot(signal.slot(), giant));
    CHECK_FALSE(its.gate.try_acquire());
    const auto others = its.ask_times(5);
    signal.emit(asio::cancellation_type::total);
    its.wait(0s);
    CHECK(giant.aborted());
    CHECK(its.done(others) == 5); // at once: they had never been in need
    CHECK_FALSE(its.gate.try_acquire());
}

TEST_CASE("leaky-bucket: nothing and too much")
{
    scene its{limit::bucket(1, 1s, 1)};
    CHECK(its.gate.try_acquire());
    const noted none = its.ask(0);
    const noted all = its.ask(static_cast<std::size_t>(-1));
    its.wait(0s);
    CHECK(none.ok());
    CHECK(all.result() == headgate::error::exceeds_limit);
    CHECK_FALSE(its.gate.try_acquire(2));
}

TEST_CASE("tower: in flight")
{
    scene its{limit::in_flight(1)};
    std::deque<permit> held;
    std::vector<int> order;
    for (int i = 0; i < 4; ++i)
        its.gate.async_acquire_permit(1, [&, i](headgate::error_code, permit got) {
            order.push_back(i);
            held.push_back(std::move(got));
        });
    its.wait(1s);
    CHECK(order == std::vector{0}); // reserved and not used blocks the others
    held.front().commit();
    held.pop_front(); // answered
    its.wait(1s);
    CHECK(order == std::vector{0, 1}); // one for each that ends
    held.clear();                      // dropped
    its.wait(1s);
    CHECK(order == std::vector{0, 1, 2});
}

TEST_CASE("p-queue: a strict window")
{
    scene its{limit::window(5, 1s)};
    std::vector<noted> asked;
    for (int i = 0; i < 40; ++i) {
        asked.push_back(its.ask());
        its.wait(std::chrono::milliseconds{37 * (i % 7)});
    }
    its.finish();
    for (std::size_t i = 5; i < asked.size(); ++i)
        CHECK(asked[i].at() - asked[i - 5].at() >= 0.999999999);
}

TEST_CASE("p-queue: a slot comes back when its own grant is old")
{
    scene its{limit::window(2, 1s)};
    CHECK(its.gate.try_acquire());
    its.wait(600ms);
    CHECK(its.gate.try_acquire());
    its.wait(399ms);
    const noted third = its.ask(); // before the edge it waits
    const noted fourth = its.ask();
    its.finish();
    CHECK(third.at() == 1);
    CHECK(fourth.at() == 1.6);
    its.wait(10s);
    CHECK(its.drain() == 2); // after idle time all of it, and no more
}

TEST_CASE("p-queue: who gave up before the start leaves the slot to others")
{
    scene its{limit::window(1, 1s)};
    CHECK(its.gate.try_acquire());
    asio::cancellation_signal signal;
    noted aborted;
    its.gate.async_acquire(1, asio::bind_cancellation_slot(signal.slot(), aborted));
    const noted next = its.ask();
    signal.emit(asio::cancellation_type::total);
    its.finish();
    CHECK(next.at() == 1);
}

TEST_CASE("uber: takers together are held to the rate")
{
    scene its{limit::paced(100, 1s)};
    int granted = 0;
    const auto taker = [&]() -> asio::awaitable<void> {
        for (;;) {
            co_await its.gate.async_acquire(asio::use_awaitable);
            ++granted;
        }
    };
    for (int i = 0; i < 4; ++i)
        asio::co_spawn(its.context, taker(), [](std::exception_ptr) {});
    its.wait(999ms);
    CHECK(granted == 100);
    its.wait(1s);
    CHECK(granted == 200);
    its.gate.close();
    its.wait(0s);
}

TEST_CASE("uber: seven a minute, and idle time within the burst")
{
    scene minute{limit::paced(7, 60s)};
    const auto asked = minute.ask_times(15);
    minute.wait(0s);
    CHECK(minute.done(asked) == 1);
    minute.wait(60s + 1us);
    CHECK(minute.done(asked) == 8);
    minute.wait(60s + 1us);
    CHECK(minute.done(asked) == 15);

    for (const std::size_t burst : {10U, 20U, 150U}) {
        scene idle{limit::bucket(100, 1s, burst)};
        CHECK(idle.drain() == static_cast<int>(burst));
        idle.wait(10s);
        CHECK(idle.drain() == static_cast<int>(burst));
    }
}

TEST_CASE("uber: of a slow and a fast limit the slow one counts")
{
    scene its{limit::paced(10, 1s), limit::paced(100, 1s)};
    const auto asked = its.ask_times(11);
    its.finish();
    CHECK(asked[10].at() == 1);
}

TEST_CASE("Guava: sequences")
{
    scene its{limit::paced(5, 1s)};
    const auto asked = its.ask_times(3);
    its.finish();
    CHECK(asked[0].at() == 0);
    CHECK(asked[1].at() == Approx(0.2));
    CHECK(asked[2].at() == Approx(0.4));

    scene weights{limit::bucket(1, 1s, 8)};
    CHECK(weights.gate.try_acquire(8));
    std::vector<noted> weighted;
    for (const std::size_t n : {1U, 1U, 2U, 4U, 8U, 1U})
        weighted.push_back(weights.ask(n));
    weights.finish();
    // Each pays for itself, where Guava has the next one pay.
    const std::vector<double> expected{1, 2, 4, 8, 16, 17};
    for (std::size_t i = 0; i < expected.size(); ++i)
        CHECK(weighted[i].at() == expected[i]);
}

TEST_CASE("Guava, Netflix, resilience4j: a changed rate re-times those who wait")
{
    scene its{limit::paced(1, 10s)};
    const auto asked = its.ask_times(4);
    its.wait(1s);
    its.gate.set_limits({limit::paced(1, 1s)});
    its.finish();
    CHECK(asked[1].at() <= 10);
    CHECK(asked[3].at() - asked[2].at() == 1);

    scene slower{limit::paced(1, 1s)};
    const auto later = slower.ask_times(4);
    slower.wait(500ms);
    slower.gate.set_limits({limit::paced(1, 10s)});
    slower.finish();
    CHECK(later[3].at() - later[2].at() == 10);

    scene raised{limit::in_flight(1)};
    std::vector<permit> held;
    for (int i = 0; i < 3; ++i)
        raised.gate.async_acquire_permit(
            1, [&](headgate::error_code, permit got) { held.push_back(std::move(got)); });
    raised.wait(1s);
    CHECK(held.size() == 1);
    raised.gate.set_limits({limit::in_flight(3)});
    raised.wait(0s);
    CHECK(held.size() == 3);
}

TEST_CASE("Guava: after no change more than one period's worth at once")
{
    scene its{limit::bucket(10, 1s, 10)};
    its.wait(100s);
    its.gate.set_limits({limit::bucket(5, 1s, 5)});
    CHECK(its.drain() == 5);
    its.gate.set_limits({limit::bucket(1000, 1s, 1000)});
    CHECK(its.drain() <= 1000);
}

TEST_CASE("resilience4j: a deadline that cannot be met fails at once and takes nothing")
{
    scene its{limit::window(3, 10ms)};
    const auto deadline = virtual_clock::now() + 12ms;
    std::vector<noted> asked(9);
    for (auto& each : asked)
        its.gate.async_acquire_until(1, deadline, each);
    its.wait(0s);
    CHECK(its.done(asked) == 3);
    for (std::size_t i = 6; i < 9; ++i)
        CHECK(asked[i].result() == asio::error::timed_out);
    its.wait(10ms);
    CHECK(its.done(asked) == 6);
    its.wait(10ms);
    CHECK(its.drain() == 3);
}

TEST_CASE("resilience4j: a waiter that is interrupted leaves no debt")
{
    scene its{limit::window(1, 1s)};
    CHECK(its.gate.try_acquire());
    for (int i = 0; i < 10; ++i) {
        asio::cancellation_signal signal;
        noted interrupted;
        its.gate.async_acquire(1, asio::bind_cancellation_slot(signal.slot(), interrupted));
        its.wait(1ms);
        signal.emit(asio::cancellation_type::terminal);
        its.wait(0s);
        CHECK(interrupted.aborted());
    }
    its.wait(1s);
    CHECK(its.drain() == 1);
}

TEST_CASE("folly: a clock that goes back gives nothing")
{
    scene its{limit::bucket(10, 1s, 10)};
    its.wait(5s);
    CHECK(its.drain() == 10);
    virtual_clock::advance(-5s);
    CHECK(its.drain() == 0);
    virtual_clock::advance(5s);
    CHECK(its.drain() == 0);
    its.wait(100ms);
    CHECK(its.drain() == 1);
}

TEST_CASE("folly: what is consumed is within one token of the rate")
{
    const struct {
        std::size_t rate;
        std::size_t burst;
    } all[] = {{100, 1}, {1000, 1}, {10, 50}, {400, 90}};
    for (const auto& [rate, burst] : all) {
        scene its{limit::bucket(rate, 1s, burst)};
        CHECK_FALSE(its.gate.try_acquire(burst + 1));
        CHECK(its.drain() == static_cast<int>(burst));
        int consumed = 0;
        for (int step = 0; step < 2000; ++step) {
            its.wait(1ms);
            consumed += its.drain();
        }
        CHECK(consumed <= static_cast<int>(2 * rate));
        CHECK(consumed >= static_cast<int>(2 * rate) - 1);
    }
}

TEST_CASE("folly: tokens that come back beyond the burst are lost")
{
    scene its{limit::bucket(1, 1h, 5)};
    std::vector<permit> held;
    its.gate.async_acquire_permit(
        5, [&](headgate::error_code, permit got) { held.push_back(std::move(got)); });
    its.wait(10h);
    held.clear();
    CHECK(its.drain() == 5);
}

TEST_CASE("userver: fractions, long sleeps and shrinking")
{
    scene fraction{limit::bucket(2, 3s, 2)};
    CHECK(fraction.drain() == 2);
    fraction.wait(1s);
    CHECK(fraction.drain() == 0);
    fraction.wait(500ms);
    CHECK(fraction.drain() == 1);
    fraction.wait(24h);
    CHECK(fraction.drain() == 2);

    scene shrunk{limit::bucket(10, 1s, 10)};
    shrunk.gate.set_limits({limit::bucket(10, 1s, 3)});
    CHECK(shrunk.drain() == 3);
    shrunk.gate.set_limits({limit::bucket(10, 1s, 100)});
    CHECK(shrunk.drain() <= 100);
}

TEST_CASE("redis-cell: what a wait is told to be is enough")
{
    scene its{limit::bucket(3, 10s, 3)};
    CHECK(its.drain() == 3);
    for (int i = 0; i < 20; ++i) {
        const noted next = its.ask();
        its.finish();
        CHECK(next.ok()); // woken once, and granted then
    }
    CHECK(its.gate.statistics().granted == 23);
}
