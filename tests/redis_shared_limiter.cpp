#include <headgate/redis/shared_limiter.hpp>

#include "support/catch.hpp"
#include "support/limiter_processes.hpp"
#include "support/redis_server.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace redis = headgate::redis;
using namespace std::chrono_literals;
using headgate::error_code;
using headgate::limit;

namespace {

/// One Redis that is old enough to be believed from the start, for tests that leave it running.
support::redis_server& old_server()
{
    static support::redis_server one;
    return one;
}

std::string some_key()
{
    static int last = 0;
    return "key" + std::to_string(++last);
}

redis::client_options quick(const support::redis_server& server)
{
    redis::client_options options{server.url()};
    options.reconnect_backoff(5ms, 50ms);
    return options;
}

struct fixture {
    asio::io_context context;
    std::string key = some_key();

    redis::shared_limiter make(std::vector<limit> limits,
                               redis::shared_limiter_options options = {})
    {
        return redis::shared_limiter{context, quick(old_server()), key, std::move(limits), options};
    }

    /// Runs until that is so; false if it does not get so in a long time.
    bool run_until(const std::function<bool()>& done, std::chrono::seconds most = 20s)
    {
        const auto end = std::chrono::steady_clock::now() + most;
        context.restart();
        while (!done() && std::chrono::steady_clock::now() < end) {
            if (context.stopped())
                context.restart();
            context.run_one_for(20ms);
        }
        return done();
    }
};

struct counted {
    int calls = 0;
    error_code last;
    auto operator()()
    {
        return [this](error_code code) {
            ++calls;
            last = code;
        };
    }
};

} // namespace

TEST_CASE_METHOD(fixture, "A shared limiter has the interface of a limiter")
{
    auto limiter = make({limit::window(5, 60s), limit::paced(1'000, 1s)});
    static_assert(std::is_same_v<decltype(limiter)::clock_type, std::chrono::steady_clock>);
    CHECK(limiter.get_executor() == asio::any_io_executor{context.get_executor()});
    CHECK(limiter.max_tokens() == 1);
    CHECK(limiter.limits().size() == 2);
    std::optional<headgate::permit> taken;
    limiter.async_acquire_permit(1, [&](error_code code, headgate::permit permit) {
        CHECK_FALSE(code);
        taken.emplace(std::move(permit));
    });
    auto other = limiter.share();
    REQUIRE(run_until([&] { return taken.has_value(); }));
    CHECK(taken->tokens() == 1);
    taken->commit();
    taken.reset();
    counted refused;
    limiter.async_acquire(2, refused());
    REQUIRE(run_until([&] { return refused.calls == 1; }));
    CHECK(refused.last == headgate::error::exceeds_limit);
    CHECK(limiter.statistics().granted == 1);
    CHECK(limiter.statistics().round_trips >= 1);
    limiter.close();
    counted closed;
    other.async_acquire(closed());
    REQUIRE(run_until([&] { return closed.calls == 1; }));
    CHECK(closed.last == headgate::error::closed);
}

TEST_CASE_METHOD(fixture, "The window is exact, also over two limiters of one key")
{
    auto one = make({limit::window(5, 60s)});
    auto two = make({limit::window(5, 60s)});
    int granted = 0;
    for (int i = 0; i < 4; ++i) {
        one.async_acquire([&](error_code code) { granted += code ? 0 : 1; });
        two.async_acquire([&](error_code code) { granted += code ? 0 : 1; });
    }
    REQUIRE(run_until([&] { return granted == 5; }));
    run_until([&] { return granted > 5; }, 1s);
    CHECK(granted == 5);
    CHECK(one.statistics().waiting + two.statistics().waiting == 3);
}

TEST_CASE_METHOD(fixture, "try_acquire takes what is leased, and leases for who tries again")
{
    auto limiter = make({limit::window(3, 60s)});
    int taken = 0;
    REQUIRE(run_until([&] { return (taken += limiter.try_acquire() ? 1 : 0) == 3; }));
    run_until([&] { return limiter.try_acquire(); }, 1s);
    CHECK(limiter.statistics().granted == 3);
    CHECK_FALSE(limiter.try_acquire(4));
}

TEST_CASE_METHOD(fixture, "A wait can be cancelled, has a deadline, and takes nothing then")
{
    auto limiter = make({limit::window(2, 60s)});
    counted first;
    limiter.async_acquire(2, first());
    REQUIRE(run_until([&] { return first.calls == 1; }));
    counted cancelled;
    counted late;
    asio::cancellation_signal signal;
    limiter.async_acquire(1, asio::bind_cancellation_slot(signal.slot(), cancelled()));
    limiter.async_acquire_until(1, std::chrono::steady_clock::now() + 50ms, late());
    signal.emit(asio::cancellation_type::total);
    REQUIRE(run_until([&] { return cancelled.calls + late.calls == 2; }));
    CHECK(cancelled.last == asio::error::operation_aborted);
    CHECK(late.last == asio::error::timed_out);
    CHECK(limiter.statistics().tokens == 2);
    CHECK(limiter.statistics().cancelled == 1);
}

TEST_CASE_METHOD(fixture, "Waiters are served in order")
{
    auto limiter = make({limit::paced(500, 1s)});
    std::vector<int> order;
    for (int i = 0; i < 100; ++i)
        limiter.async_acquire([&order, i](error_code) { order.push_back(i); });
    REQUIRE(run_until([&] { return order.size() == 100; }));
    CHECK(std::is_sorted(order.begin(), order.end()));
}

TEST_CASE_METHOD(fixture, "What a permit did not use can be granted again")
{
    auto limiter = make({limit::window(1, 60s)});
    int granted = 0;
    for (int i = 0; i < 5; ++i) { // none commits
        limiter.async_acquire_permit(
            1, [&](error_code code, const headgate::permit&) { granted += code ? 0 : 1; });
        REQUIRE(run_until([&] { return granted == i + 1; }));
    }
}

TEST_CASE_METHOD(fixture, "Places in flight are given back when a permit ends")
{
    auto one = make({limit::in_flight(2)});
    auto two = make({limit::in_flight(2)});
    counted refused;
    one.async_acquire(refused());
    std::vector<headgate::permit> held;
    const auto hold = [&](error_code code, headgate::permit permit) {
        CHECK_FALSE(code);
        held.push_back(std::move(permit));
    };
    one.async_acquire_permit(1, hold);
    one.async_acquire_permit(1, hold);
    REQUIRE(run_until([&] { return held.size() == 2; }));
    CHECK(refused.last == headgate::error::needs_permit);
    two.async_acquire_permit(1, hold);
    run_until([&] { return held.size() > 2; }, 1s);
    CHECK(held.size() == 2);
    held.erase(held.begin());
    REQUIRE(run_until([&] { return held.size() == 2; }));
}

TEST_CASE_METHOD(fixture, "Pauses and limits of one are those of all")
{
    auto one = make({limit::window(1'000, 1s)});
    auto two = make({limit::window(1'000, 1s)});
    int granted = 0;
    const auto count = [&](error_code code) { granted += code ? 0 : 1; };
    one.async_acquire(count);
    two.async_acquire(count);
    REQUIRE(run_until([&] { return granted == 2; }));
    const auto until = std::chrono::steady_clock::now() + 1s;
    one.pause_until(until);
    for (const auto end = std::chrono::steady_clock::now() + 100ms;
         std::chrono::steady_clock::now() < end;)
        context.run_one_for(5ms);
    std::optional<std::chrono::steady_clock::time_point> at;
    two.async_acquire([&](error_code) { at = std::chrono::steady_clock::now(); });
    REQUIRE(run_until([&] { return at.has_value(); }));
    CHECK(*at >= until);

    one.set_limits({limit::window(7, 60s)});
    CHECK(one.limits() == std::vector{limit::window(7, 60s)});
    counted next;
    two.async_acquire(next());
    REQUIRE(run_until([&] {
        two.try_acquire();
        return two.limits() == std::vector{limit::window(7, 60s)};
    }));
}

TEST_CASE_METHOD(fixture, "At 1,000 requests a second there is at most one round trip to ten")
{
    for (const auto& allowed : {limit::window(1'000, 1s), limit::paced(1'000, 1s)}) {
        key = some_key();
        std::vector<redis::shared_limiter> limiters;
        for (int i = 0; i < 4; ++i)
            limiters.push_back(make({allowed}));
        int ready = 0;
        for (auto& each : limiters)
            each.async_acquire([&](error_code) { ++ready; });
        REQUIRE(run_until([&] { return ready == 4; })); // a new Redis takes its time
        const auto end = std::chrono::steady_clock::now() + 2s;
        auto job = [&](redis::shared_limiter& which) -> asio::awaitable<void> {
            while (std::chrono::steady_clock::now() < end)
                co_await which.async_acquire(1, asio::use_awaitable);
        };
        int running = 0;
        for (auto& each : limiters)
            for (int i = 0; i < 25; ++i, ++running)
                asio::co_spawn(context, job(each), [&](std::exception_ptr failed) {
                    CHECK_FALSE(failed);
                    --running;
                });
        REQUIRE(run_until([&] { return running == 0; }));
        std::uint64_t granted = 0;
        std::uint64_t trips = 0;
        for (const auto& each : limiters) {
            granted += each.statistics().granted;
            trips += each.statistics().round_trips;
        }
        INFO(granted << " granted, " << trips << " round trips");
        CHECK(granted >= 1'500);
        CHECK(trips * 10 <= granted);
    }
}

TEST_CASE("Four processes keep one window strictly, use it and share it")
{
    const auto period = 1s;
    support::limiter_processes run{old_server().url(),
                                   {limit::window(50, period).with_slack(100ms)}};
    run.run(4, 5s);
    INFO(run.grants.size() << " grants, use " << run.use_of(50, period));
    CHECK(run.most_in(period) <= 50);
    CHECK(run.use_of(50, period) >= 0.97);
    for (std::size_t i = 0; i < 4; ++i)
        CHECK(run.granted(i) * 8 >= run.grants.size());
}

TEST_CASE("A process that is killed takes no quota with it")
{
    support::redis_server server;
    support::limiter_processes run{server.url(), {limit::window(100, 1s).with_slack(100ms)}};
    run.at(3s, [&] { run.kill(0); });
    run.run(3, 6'500ms);
    CHECK(run.most_in(1s) <= 100);
    CHECK(run.granted(0) > 0);
    CHECK(run.granted_between(4'500ms, 6'500ms) >= 180);
}

TEST_CASE("Redis that is killed and started again in the middle breaks no limit")
{
    for (const bool persistent : {false, true}) {
        CAPTURE(persistent);
        support::redis_server server{
            support::redis_server::options{}.persistent(persistent).password("secret")};
        support::limiter_processes run{server.url(), {limit::window(50, 1s).with_slack(100ms)}};
        run.at(3'500ms, [&] { server.kill(); });
        run.at(3'700ms, [&] { server.start(); });
        run.run(4, 7s);
        CHECK(run.most_in(1s) <= 50);
        for (std::size_t i = 0; i < 4; ++i) {
            CHECK(run.granted(i, 0s, 3'500ms) > 0);
            CHECK(run.granted(i, 4s, 7s) > 0);
        }
        CHECK(run.granted_between(5'200ms, 7s) >= 50);
    }
}

TEST_CASE("Places of a process that is killed are given to others")
{
    support::redis_server server;
    redis::shared_limiter_options options;
    options.in_flight_ttl(600ms);
    support::limiter_processes run{server.url(), {limit::in_flight(4)}, options};
    run.holds = 60s; // until it is killed
    run.workers = 4;
    run.at(3s, [&] { run.kill(0); });
    run.at(5s, [&] { run.kill(1); });
    run.run(2, 60s);
    // Both had two places, or one had all four; in the end the second has what the first had.
    CHECK(run.granted(0) + run.granted(1) >= 4);
    CHECK(run.granted_between(0s, 3s) == 4);
    CHECK(run.granted(1) == 4);
}

TEST_CASE_METHOD(fixture, "Without Redis it waits, fails, or keeps to its share, and comes back")
{
    support::redis_server server;
    std::this_thread::sleep_for(2'100ms); // until it is believed
    const auto with = [&](redis::when_away away) {
        redis::shared_limiter_options options;
        options.away(away).away_after(100ms);
        return redis::shared_limiter{context, quick(server), key, {limit::paced(100, 1s)}, options};
    };
    auto waits = with(redis::when_away::wait());
    auto fails = with(redis::when_away::fail());
    auto shares = with(redis::when_away::share(0.2));
    const auto take = [&](redis::shared_limiter& from) {
        auto result = std::make_shared<counted>();
        from.async_acquire([result](error_code code) {
            ++result->calls;
            result->last = code;
        });
        return result;
    };
    for (auto* each : {&waits, &fails, &shares}) {
        const auto first = take(*each);
        REQUIRE(run_until([&] { return first->calls == 1; }));
        CHECK_FALSE(first->last);
    }
    server.kill();
    // What is leased is used up first.
    std::shared_ptr<counted> waiting;
    std::shared_ptr<counted> failed;
    REQUIRE(run_until([&] {
        if (!failed || (failed->calls == 1 && !failed->last))
            failed = take(fails);
        return failed->calls == 1 && failed->last;
    }));
    CHECK(failed->last == redis::error::unavailable);
    REQUIRE(run_until([&] {
        if (!waiting || waiting->calls == 1)
            waiting = take(waits);
        return waits.statistics().away;
    }));
    std::vector<std::shared_ptr<counted>> local;
    for (int i = 0; i < 20; ++i)
        local.push_back(take(shares));
    REQUIRE(run_until([&] { return local.back()->calls == 1; }));
    CHECK(shares.statistics().local >= 10);
    CHECK(waiting->calls == 0);
    server.start();
    REQUIRE(run_until([&] { return waiting->calls == 1; }));
    CHECK_FALSE(waiting->last);
    REQUIRE(run_until([&] {
        if (failed->calls == 1 && failed->last)
            failed = take(fails);
        return failed->calls == 1 && !failed->last;
    }));
    REQUIRE(run_until([&] {
        if (local.back()->calls == 1)
            local.push_back(take(shares));
        return !shares.statistics().away;
    }));
}

TEST_CASE_METHOD(fixture, "A Redis that refuses to serve is an error, not a wait")
{
    redis::client client{context, quick(old_server())};
    bool set = false;
    client.async_command({"SET", "{" + key + "}:limit", "not a hash"},
                         [&](error_code, const redis::reply&) { set = true; });
    REQUIRE(run_until([&] { return set; }));
    redis::shared_limiter limiter{client, key, {limit::window(5, 1s)}};
    counted refused;
    limiter.async_acquire(refused());
    REQUIRE(run_until([&] { return refused.calls == 1; }));
    CHECK(refused.last == redis::error::server_error);

    support::redis_server locked{support::redis_server::options{}.password("secret")};
    redis::shared_limiter outside{context,
                                  redis::client_options{}.host("127.0.0.1", locked.port()),
                                  key,
                                  {limit::window(5, 1s)}};
    counted unknown;
    outside.async_acquire(unknown());
    REQUIRE(run_until([&] { return unknown.calls == 1; }));
    CHECK(unknown.last == redis::error::authentication_failed);
}

TEST_CASE_METHOD(fixture,
                 "Destroying the limiter or its context completes or takes along who waits")
{
    counted aborted;
    const auto kept = std::make_shared<int>(0);
    {
        auto limiter = make({limit::window(1, 60s)});
        counted first;
        limiter.async_acquire(first());
        REQUIRE(run_until([&] { return first.calls == 1; }));
        limiter.async_acquire(aborted());
    }
    REQUIRE(run_until([&] { return aborted.calls == 1; }));
    CHECK(aborted.last == asio::error::operation_aborted);
    {
        asio::io_context gone;
        auto limiter = std::make_shared<redis::shared_limiter>(gone, quick(old_server()), key,
                                                               std::vector{limit::window(1, 60s)});
        limiter->async_acquire([kept, limiter](error_code) { FAIL(); });
        gone.poll();
    }
    CHECK(kept.use_count() == 1);
}

TEST_CASE("Many threads share a limiter")
{
    asio::thread_pool pool{3};
    std::atomic<int> granted{0};
    {
        redis::shared_limiter limiter{
            pool.get_executor(), quick(old_server()), some_key(), {limit::window(100'000, 1s)}};
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t)
            threads.emplace_back([&] {
                for (int i = 0; i < 300; ++i)
                    limiter.async_acquire_permit(1, [&](error_code code, headgate::permit permit) {
                        granted += code ? 0 : 1;
                        permit.commit();
                    });
            });
        for (auto& thread : threads)
            thread.join();
        limiter.async_acquire(1, asio::use_future).get();
    }
    pool.join();
    CHECK(granted == 900);
}

TEST_CASE_METHOD(fixture, "What cannot be is refused")
{
    CHECK_THROWS_AS(redis::shared_limiter(context, quick(old_server()), "", {}),
                    std::invalid_argument);
    CHECK_THROWS_AS(redis::shared_limiter(context, quick(old_server()), "a{b}", {}),
                    std::invalid_argument);
    CHECK_THROWS_AS(redis::when_away::share(0), std::invalid_argument);
    CHECK_THROWS_AS(redis::when_away::share(1.5), std::invalid_argument);
    CHECK_THROWS_AS(redis::shared_limiter_options{}.horizon(0ms), std::invalid_argument);
    CHECK_THROWS_AS(redis::shared_limiter_options{}.in_flight_ttl(1ms), std::invalid_argument);
}
