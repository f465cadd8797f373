// Pauses, deadlines and limits that change at run time.
#include <headgate/async_limiter.hpp>

#include "support/run.hpp"

#include <vector>

using namespace std::chrono_literals;
using headgate::limit;
using headgate::permit;
using headgate::testing::virtual_clock;
using support::limiter;
using support::noted;

namespace {

std::vector<noted> ask(limiter& gate, std::size_t count)
{
    std::vector<noted> asked(count);
    for (auto& each : asked)
        gate.async_acquire(each);
    return asked;
}

} // namespace

TEST_CASE("a pause stops everyone, then one goes, then the rest at the rate")
{
    const limit allowed =
        GENERATE(limit::window(10, 10s), limit::bucket(10, 10s, 10), limit::paced(10, 10s));
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, allowed};
    gate.pause_until(virtual_clock::now() + 3s);
    gate.pause_until(virtual_clock::now() + 1s); // never shortens
    CHECK_FALSE(gate.try_acquire());
    auto asked = ask(gate, 5);
    virtual_clock::run(context);
    for (std::size_t i = 0; i < asked.size(); ++i)
        CHECK(asked[i].at() == 3.0 + static_cast<double>(i));
}

TEST_CASE("the rest waits for the probe's permit, and for the next if it pauses again")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::window(10, 10s)};
    gate.pause_until(virtual_clock::now() + 3s);
    int probes = 0;
    auto probe = [&]() -> asio::awaitable<void> {
        permit held = co_await gate.async_acquire_permit(1, asio::use_awaitable);
        ++probes;
        held.commit();
        co_await support::pause(2s);
        if (probes == 1)
            gate.pause_until(virtual_clock::now() + 5s); // refused again
    };
    asio::co_spawn(context, probe, support::rethrow);
    asio::co_spawn(context, probe, support::rethrow);
    virtual_clock::run_for(context, 0s);
    auto asked = ask(gate, 2);
    virtual_clock::run_for(context, 9s);
    CHECK(probes == 1);
    virtual_clock::run(context);
    CHECK(probes == 2); // at 10 s, answered at 12 s
    CHECK(asked[0].at() == 12);
    CHECK(asked[1].at() == 13);
}

TEST_CASE("after the recovery a burst is a burst again")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::bucket(10, 10s, 10)};
    gate.pause_until(virtual_clock::now() + 1s);
    ask(gate, 1);
    virtual_clock::run_for(context, 30s);
    auto first = ask(gate, 1);
    auto burst = ask(gate, 5);
    virtual_clock::run(context);
    CHECK(first[0].at() == 30);
    CHECK(burst[4].at() == 30);
}

TEST_CASE("a deadline that cannot be met fails at once and takes nothing")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::paced(1, 1s)};
    auto waiting = ask(gate, 3); // 0, 1, 2
    noted impossible, exact, after;
    gate.async_acquire_until(1, virtual_clock::now() + 2999ms, impossible);
    gate.async_acquire_until(1, virtual_clock::now() + 3s, exact);
    gate.async_acquire(after);
    virtual_clock::run(context);
    CHECK(impossible.result() == asio::error::timed_out);
    CHECK(impossible.at() == 0);
    CHECK(exact.ok());
    CHECK(exact.at() == 3);
    CHECK(after.at() == 4);
    gate.pause_until(virtual_clock::now() + 1min);
    noted paused;
    gate.async_acquire_until(1, virtual_clock::now() + 59s, paused);
    virtual_clock::run_for(context, 0s);
    CHECK(paused.result() == asio::error::timed_out);
}

TEST_CASE("a deadline that looked possible passes when a pause comes")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::paced(1, 1s)};
    REQUIRE(gate.try_acquire());
    noted hopeful, patient;
    gate.async_acquire_until(1, virtual_clock::now() + 2s, hopeful);
    gate.async_acquire(patient);
    gate.pause_until(virtual_clock::now() + 10s);
    virtual_clock::run(context);
    CHECK(hopeful.result() == asio::error::timed_out);
    CHECK(hopeful.at() == 2);
    CHECK(patient.at() == 10);
}

TEST_CASE("limits that change re-time those who wait")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::paced(1, 10s)};
    auto asked = ask(gate, 4); // 0, 10, 20, 30
    virtual_clock::run_for(context, 5s);
    gate.set_limits({limit::paced(1, 1s)});
    virtual_clock::run(context);
    CHECK(asked[1].at() == 5.5); // half a token was missing, at the new rate
    CHECK(asked[3].at() == 7.5);
}

TEST_CASE("limits that change remember what was granted")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::window(10, 10s)};
    REQUIRE(gate.try_acquire(8));
    noted many;
    gate.async_acquire(9, many);
    gate.set_limits({limit::window(5, 10s)});
    virtual_clock::run_for(context, 0s);
    CHECK(many.result() == headgate::error::exceeds_limit);
    CHECK(gate.max_tokens() == 5);
    auto asked = ask(gate, 6);
    virtual_clock::run_for(context, 9s);
    CHECK(asked[0].calls() == 0);
    virtual_clock::run(context);
    CHECK(asked[4].at() == 10);
    CHECK(asked[5].at() == 20);
}

TEST_CASE("a probe without a permit is over at once, however it was granted")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::window(10, 10s)};
    gate.pause_until(virtual_clock::now() + 1s);
    virtual_clock::advance(2s);
    CHECK(gate.try_acquire());
    auto asked = ask(gate, 2);
    virtual_clock::run_for(context, 1min);
    CHECK(asked[0].at() == 3);
    CHECK(asked[1].at() == 4);
}

TEST_CASE("the end of an earlier pause's probe does not end a later pause's")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::window(10, 10s)};
    std::vector<permit> held;
    const auto probe = [&] {
        gate.async_acquire_permit(1, [&](headgate::error_code failed, permit got) {
            REQUIRE_FALSE(failed);
            got.commit();
            held.push_back(std::move(got));
        });
    };
    gate.pause_until(virtual_clock::now() + 1s);
    probe();
    virtual_clock::run_for(context, 1s);
    gate.pause_until(virtual_clock::now() + 1s);
    probe();
    auto asked = ask(gate, 1);
    virtual_clock::run_for(context, 2s);
    REQUIRE(held.size() == 2);
    held[0] = permit{};
    virtual_clock::run_for(context, 5s);
    CHECK(asked[0].calls() == 0);
    held[1] = permit{};
    virtual_clock::run(context);
    CHECK(asked[0].at() == 8);
}

TEST_CASE("after a pause many tokens are followed by as many intervals")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::window(10, 10s)};
    gate.pause_until(virtual_clock::now() + 1s);
    noted many;
    gate.async_acquire(4, many);
    auto next = ask(gate, 1);
    virtual_clock::run(context);
    CHECK(many.at() == 1);
    CHECK(next[0].at() == 5);
}

TEST_CASE("a loop that was late for long grants nothing whose deadline is over")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::paced(1, 1s)};
    REQUIRE(gate.try_acquire());
    noted too_late, paused, patient;
    gate.async_acquire_until(1, virtual_clock::now() + 1500ms, paused);
    gate.async_acquire_until(1, virtual_clock::now() + 5s, too_late);
    gate.async_acquire_until(1, virtual_clock::now() + 20s, patient);
    gate.pause_until(virtual_clock::now() + 2s);
    virtual_clock::advance(10s);
    virtual_clock::run(context);
    CHECK(paused.result() == asio::error::timed_out);   // could not have been met
    CHECK(too_late.result() == asio::error::timed_out); // could have been
    CHECK(patient.ok());
    CHECK(patient.at() == 10);
}

TEST_CASE("a loop that is late by the credit is in time")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::paced(1, 1s), 5ms};
    REQUIRE(gate.try_acquire());
    noted exact;
    gate.async_acquire_until(1, virtual_clock::now() + 1s, exact);
    virtual_clock::advance(1005ms);
    virtual_clock::run(context);
    CHECK(exact.ok());
    CHECK(exact.at() == 1.005);
}

TEST_CASE("times beyond all bounds are taken for what they mean")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::bucket(1, 1s, 1)};
    REQUIRE(gate.try_acquire());
    noted past, future;
    gate.async_acquire_until(1, virtual_clock::time_point::min(), past);
    gate.async_acquire_until(1, virtual_clock::time_point::max(), future);
    virtual_clock::run_for(context, 2s);
    CHECK(past.result() == asio::error::timed_out);
    CHECK(past.at() == 0);
    CHECK(future.at() == 1);
    gate.pause_until(virtual_clock::time_point::max());
    noted hopeless, never;
    gate.async_acquire_until(1, virtual_clock::now() + 1h, hopeless);
    gate.async_acquire(never);
    virtual_clock::run_for(context, 24h * 365);
    CHECK(hopeless.result() == asio::error::timed_out);
    CHECK(never.calls() == 0);
}

TEST_CASE("setting the same limits again changes nothing, however often")
{
    const std::chrono::microseconds every = GENERATE(100'000us, 900'000us, 70'001us);
    const limit allowed = GENERATE(limit::paced(100, 60s), limit::bucket(100, 60s, 5));
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, allowed};
    REQUIRE(gate.try_acquire(allowed.burst()));
    auto asked = ask(gate, 25);
    while (gate.statistics().waiting > 0 && support::seconds() < 30) {
        virtual_clock::run_for(context, every);
        gate.set_limits({allowed});
    }
    virtual_clock::run(context);
    CHECK(asked[24].at() == Approx(15.0).margin(1e-6));
}

TEST_CASE("debt outlives a change of limits, also to a smaller bucket")
{
    const std::size_t burst = GENERATE(3U, 10U, 20U);
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::bucket(10, 10s, 10)};
    gate.async_acquire_permit(10, [](headgate::error_code, permit got) { got.settle(30); });
    virtual_clock::run_for(context, 0s);
    gate.set_limits({limit::bucket(20, 10s, burst)}); // twice as fast
    auto asked = ask(gate, 1);
    virtual_clock::run(context);
    // What is more room than there was is there at once.
    const double owed = burst == 20 ? 20 - 10 : 20;
    CHECK(asked[0].at() == (owed + 1) / 2);
}

TEST_CASE("a change from very fast to very slow stays within the numbers")
{
    virtual_clock::reset();
    asio::io_context context;
    limiter gate{context, limit::bucket(100'000, 1s, 100'000)};
    REQUIRE(gate.try_acquire(100'000));
    gate.set_limits({limit::bucket(1, 24h, 10)});
    CHECK_FALSE(gate.try_acquire());
    auto asked = ask(gate, 1);
    virtual_clock::run(context);
    CHECK(asked[0].at() == 86'400);
}
