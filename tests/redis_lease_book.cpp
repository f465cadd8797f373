#include <headgate/redis/detail/lease_book.hpp>

#include "support/catch.hpp"
#include "support/lease_fleet.hpp"
#include "support/redis_server.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

using headgate::limit;
using namespace std::chrono_literals;

namespace {

support::redis_server& server()
{
    static support::redis_server one;
    return one;
}

struct range {
    std::size_t least;
    std::size_t most;
};

range granted(support::lease_fleet& fleet)
{
    range result{fleet[0].granted, fleet[0].granted};
    for (std::size_t i = 1; i < fleet.size(); ++i) {
        result.least = std::min(result.least, fleet[i].granted);
        result.most = std::max(result.most, fleet[i].granted);
    }
    return result;
}

} // namespace

TEST_CASE("Four busy clients keep a window strictly, use it and share it")
{
    for (const auto& allowed :
         {limit::window(100, 1s), limit::window(50, 10s), limit::window(1'000, 1s)}) {
        CAPTURE(allowed.count(), allowed.period().count());
        support::lease_fleet fleet{server(), {allowed}};
        for (int i = 0; i < 4; ++i)
            fleet.add(30);
        const auto period = allowed.period();
        fleet.run_until(period * 10);
        CHECK(fleet.most_in(period) <= allowed.count());
        CHECK(fleet.granted_between(0s, period * 10) >= allowed.count() * 97 / 10);
        const auto by = granted(fleet);
        CHECK(by.least * 4 * 2 >= fleet.granted_between(0s, period * 10));
        if (allowed.count() == 1'000)
            CHECK(fleet.asked() <= fleet.grants.size() / 10);
    }
}

TEST_CASE("A paced limit is evenly spaced over all clients")
{
    const auto allowed = limit::paced(1'000, 1s);
    support::lease_fleet fleet{server(), {allowed}};
    for (int i = 0; i < 4; ++i)
        fleet.add(30);
    fleet.run_until(10s);
    CHECK(fleet.granted_between(0s, 10s) >= 9'700);
    CHECK(fleet.most_in(1s) <= 1'000 + 6); // the credit
    CHECK(fleet.most_in(10ms) <= 10 + 6 + 1);
    CHECK(fleet.asked() <= fleet.grants.size() / 10);
    CHECK(granted(fleet).least >= 10'000 / 4 / 2);
}

TEST_CASE("A fast limit is used in full however many clients there are")
{
    for (const int clients : {1, 10, 100})
        for (const auto& allowed : {limit::paced(10'000, 1s), limit::window(10'000, 1s)}) {
            CAPTURE(clients, allowed.type());
            support::lease_fleet fleet{server(), {allowed}};
            for (int i = 0; i < clients; ++i) // as many as are needed until the next answer
                fleet.add(static_cast<std::size_t>(2'000 / clients));
            fleet.run_until(4s);
            CHECK(fleet.granted_between(1s, 4s) >= 3 * 9'700);
            CHECK(fleet.most_in(1s) <= 10'000 + 61); // the credit
        }
}

TEST_CASE("A schedule is kept where Redis is further away than its credit")
{
    const auto allowed = limit::paced(1'000, 1s);
    for (const auto& limits :
         {std::vector{allowed}, std::vector{allowed, limit::window(1'000, 1s)}}) {
        CAPTURE(limits.size());
        support::lease_fleet fleet{server(), limits};
        fleet.delay_least = 10ms;
        fleet.delay_most = 11ms;
        fleet.add(200);
        fleet.add(200);
        fleet.run_until(4s);
        CHECK(fleet.granted_between(1s, 4s) >= 2'700);
        CHECK(fleet.most_in(1s) <= 1'000 + 5 + 22 + 1);
    }
}

TEST_CASE("What was leased and not used in time is not used later")
{
    support::lease_fleet fleet{server(), {limit::paced(1'000, 1s)}};
    fleet.add(50);
    fleet.run_until(1s);
    const auto before = fleet[0].granted;
    fleet[0].waiting = 0; // the line is empty, but what was asked for comes
    fleet.run_until(2s);
    CHECK(fleet[0].granted == before);
    fleet[0].waiting = 50;
    fleet.serve(0);
    CHECK(fleet[0].granted <= before + 6);
}

TEST_CASE("A bucket gives its burst and then its rate")
{
    support::lease_fleet fleet{server(), {limit::bucket(100, 1s, 20)}};
    fleet.add(50);
    fleet.add(50);
    fleet.run_until(10s);
    CHECK(fleet.granted_between(0s, 500ms) >= 65);
    CHECK(fleet.most_in(10ms) <= 22);
    CHECK(fleet.most_in(1s) <= 121);
    CHECK(fleet.granted_between(0s, 10s) >= 970);
}

TEST_CASE("Several limits are kept at once, and what the tighter holds back is not lost")
{
    support::lease_fleet fleet{
        server(), {limit::window(10, 100ms), limit::window(50, 1s), limit::paced(200, 1s)}};
    for (int i = 0; i < 3; ++i)
        fleet.add(20);
    fleet.run_until(10s);
    CHECK(fleet.most_in(100ms) <= 10);
    CHECK(fleet.most_in(1s) <= 50);
    CHECK(fleet.granted_between(0s, 10s) >= 485);
}

TEST_CASE("Without limits everything is granted")
{
    support::lease_fleet fleet{server(), {}};
    fleet.add(30);
    fleet.run_until(1s);
    CHECK(fleet.grants.size() > 100);
}

TEST_CASE("Several tokens at once come together or not at all")
{
    support::lease_fleet fleet{server(), {limit::window(30, 1s)}};
    fleet.add(10, 7);
    fleet.add(10, 1);
    fleet.run_until(20s);
    CHECK(fleet.most_in(1s) <= 30);
    CHECK(fleet[0].granted >= 100);
    CHECK(fleet[1].granted >= 100);
    CHECK(fleet[0].granted + fleet[1].granted >= 30 * 20 * 9 / 10);
}

TEST_CASE("Questions and answers that are lost cost tokens, never more than the limit")
{
    for (const std::uint64_t seed : {1u, 2u, 3u}) {
        support::lease_fleet fleet{server(), {limit::window(100, 1s)}, seed};
        fleet.loss = 0.2;
        for (int i = 0; i < 4; ++i)
            fleet.add(30);
        fleet.run_until(20s);
        CHECK(fleet.most_in(1s) <= 100);
        CHECK(fleet.granted_between(0s, 20s) >= 1'000);
    }
}

TEST_CASE("A slow and uneven network does not break the limit")
{
    support::lease_fleet fleet{server(), {limit::window(100, 1s)}};
    fleet.delay_least = 1ms;
    fleet.delay_most = 40ms;
    for (int i = 0; i < 4; ++i)
        fleet.add(30);
    fleet.run_until(10s);
    CHECK(fleet.most_in(1s) <= 100);
    CHECK(fleet.granted_between(0s, 10s) >= 900);
}

TEST_CASE("Clients that come, pause and go leave the limit kept and used")
{
    for (const std::uint64_t seed : {1u, 2u, 3u, 4u}) {
        support::lease_fleet fleet{server(), {limit::window(60, 1s)}, seed};
        std::mt19937_64 random{seed};
        for (std::size_t i = 0; i < 6; ++i)
            fleet.add(0);
        for (int i = 0; i < 200; ++i)
            fleet.after(std::chrono::milliseconds{random() % 10'000},
                        [&, n = random() % 6, r = random()] {
                            fleet[n].waiting = r % 5 == 0 ? 0 : r % 40;
                            fleet[n].unit = r % 7 == 0 ? 3 : 1;
                            fleet.serve(n);
                        });
        fleet.run_until(12s);
        CHECK(fleet.most_in(1s) <= 60);
    }
}

TEST_CASE("A client that dies gives back what it had leased, and its turn")
{
    support::lease_fleet fleet{server(), {limit::window(100, 1s)}};
    for (int i = 0; i < 4; ++i)
        fleet.add(40);
    fleet.after(5s, [&] { fleet[0].alive = false; });
    fleet.run_until(20s);
    CHECK(fleet.most_in(1s) <= 100);
    CHECK(fleet.granted_between(7s, 20s) >= 13 * 97);
}

TEST_CASE("Redis that is killed and started again breaks no limit, whatever it has kept")
{
    for (const bool persistent : {true, false})
        for (const auto down : {0ms, 50ms, 700ms, 3'000ms})
            for (const auto& allowed : {limit::window(100, 1s), limit::window(20, 5s)}) {
                CAPTURE(persistent, down.count(), allowed.count());
                support::lease_fleet fleet{server(), {allowed}};
                for (int i = 0; i < 4; ++i)
                    fleet.add(40);
                fleet.after(7'300ms, [&] { fleet.restart(persistent, down); });
                fleet.run_until(40s);
                CHECK(fleet.most_in(allowed.period()) <= allowed.count());
                // One period is taken for spent.
                const auto counted = 40s - down - 2 * allowed.period() - 2s;
                CHECK(fleet.granted_between(0s, 40s) >=
                      allowed.count() * static_cast<std::size_t>(counted / 1ms) /
                          static_cast<std::size_t>(allowed.period() / 1ms));
            }
}

TEST_CASE("A Redis that has lost its state without being restarted breaks no limit")
{
    support::lease_fleet fleet{server(), {limit::window(100, 2s)}};
    for (int i = 0; i < 4; ++i)
        fleet.add(40);
    for (const auto when : {2'100ms, 5'500ms, 5'600ms})
        fleet.after(when, [&] { fleet.flush(); });
    fleet.run_until(15s);
    CHECK(fleet.most_in(2s) <= 100);
    CHECK(fleet.granted_between(9s, 15s) >= 290);
}

TEST_CASE("A young Redis waits for those who know what was spent")
{
    // Client 0 has spent all and cannot reach the new Redis at first; client 1 has never had any.
    support::lease_fleet fleet{server(), {limit::window(50, 3s)}};
    fleet.add(60);
    fleet.run_until(1s);
    CHECK(fleet[0].granted == 50);
    fleet[0].reachable = false;
    fleet.after(0s, [&] { fleet.restart(false, 100ms); });
    fleet.after(200ms, [&] { fleet.add(60); });
    fleet.after(1'500ms, [&] { fleet[0].reachable = true; });
    fleet.run_until(10s);
    CHECK(fleet.most_in(3s) <= 50);
    CHECK(fleet[1].granted > 0);
}

TEST_CASE("A new Redis serves those who know of nothing before after its first two seconds")
{
    support::lease_fleet fleet{server(), {limit::window(50, 60s)}};
    fleet.started = 0s;
    fleet.add(60);
    fleet.run_until(1'900ms);
    CHECK(fleet.grants.empty());
    fleet.run_until(4s);
    CHECK(fleet.grants.size() == 50);
}

TEST_CASE("A pause stops all, then one goes first, then the others evenly")
{
    support::lease_fleet fleet{server(), {limit::window(100, 1s)}};
    for (int i = 0; i < 3; ++i) {
        fleet.add(40);
        fleet[static_cast<std::size_t>(i)].holds = 200ms;
    }
    fleet.run_until(5s);
    fleet.after(0s, [&] {
        fleet[1].leases.pause(fleet.own(fleet[1]) + 3s, fleet.own(fleet[1]));
        fleet.serve(1);
    });
    fleet.run_until(20s);
    CHECK(fleet.granted_between(5'150ms, 8s) == 0);
    // The probe, and nothing until it is over.
    CHECK(fleet.granted_between(8s, 8'200ms) == 1);
    const auto after = fleet.granted_between(8'200ms, 9'300ms);
    CHECK(after >= 60);
    CHECK(after <= 110);
    std::vector<support::lease_fleet::time> at;
    for (const auto& each : fleet.grants)
        if (each.at > 8'200ms && each.at < 9s)
            at.push_back(each.at);
    std::sort(at.begin(), at.end());
    for (std::size_t i = 10; i < at.size(); ++i)
        CHECK(at[i] - at[i - 10] >= 50ms); // 100 would be even; a token may be used late
    CHECK(fleet.most_in(1s) <= 100);
    CHECK(fleet.granted_between(15s, 20s) >= 480);
}

TEST_CASE("The client that goes first after a pause may die")
{
    support::lease_fleet fleet{server(), {limit::window(100, 1s)}};
    for (int i = 0; i < 2; ++i) {
        fleet.add(40);
        fleet[static_cast<std::size_t>(i)].holds = 100s;
    }
    fleet.settings.ttl = 10s;
    fleet.run_until(1s);
    fleet[0].leases.pause(fleet.own(fleet[0]) + 1s, fleet.own(fleet[0]));
    fleet.serve(0);
    fleet.run_until(2'500ms);
    REQUIRE(fleet.granted_between(2s, 2'500ms) == 1);
    const std::size_t first = fleet.grants.back().client;
    fleet[first].alive = false;
    fleet[1 - first].holds = 0s;
    fleet.run_until(30s);
    CHECK(fleet.granted_between(20s, 30s) >= 900);
}

TEST_CASE("Other limits hold for all, and what was granted still counts")
{
    support::lease_fleet fleet{server(), {limit::window(100, 1s)}};
    for (int i = 0; i < 3; ++i)
        fleet.add(40);
    fleet.run_until(5s);
    fleet[2].leases.change({limit::window(20, 1s)});
    fleet.serve(2);
    fleet.run_until(10s);
    CHECK(fleet[0].leases.limits() == std::vector{limit::window(20, 1s)});
    CHECK(fleet.most_in(1s) <= 100);
    CHECK(fleet.granted_between(6'200ms, 10s) <= 20 * 4);
    CHECK(fleet.granted_between(6'200ms, 10s) >= 20 * 3);
    fleet[0].leases.change({limit::window(40, 2s), limit::paced(100, 1s)});
    fleet.serve(0);
    fleet.run_until(20s);
    CHECK(fleet[1].leases.limits().size() == 2);
    CHECK(fleet.granted_between(12s, 20s) <= 160 + 40);
    CHECK(fleet.granted_between(12s, 20s) >= 155);
}

TEST_CASE("Places in flight are kept, and those of a client that dies come back")
{
    support::lease_fleet fleet{server(), {limit::in_flight(8)}};
    for (std::size_t i = 0; i < 3; ++i) {
        fleet.add(10);
        fleet[i].holds = 700ms;
    }
    fleet.run_until(10s);
    CHECK(fleet.most_in_flight <= 8);
    CHECK(fleet.granted_between(0s, 10s) >= 80); // 114 if a place were never empty
    fleet[0].alive = false;                      // its permits are never over for Redis
    fleet.run_until(40s);
    CHECK(fleet.granted_between(22s, 40s) >= 150);
}

TEST_CASE("The slack of a window is kept")
{
    support::lease_fleet fleet{server(), {limit::window(100, 1s).with_slack(50ms)}};
    for (std::size_t i = 0; i < 3; ++i) {
        fleet.add(40);
        fleet[i].holds = i == 0 ? 5ms : 500ms;
    }
    fleet.run_until(10s);
    CHECK(fleet.most_in(1s) <= 100);
    CHECK(fleet.granted_between(0s, 10s) >= 920);
}

TEST_CASE("What Redis keeps stays small and goes when nobody needs it")
{
    support::lease_fleet fleet{server(), {limit::window(100'000, 1s)}};
    for (int i = 0; i < 4; ++i)
        fleet.add(30'000);
    fleet.run_until(3s);
    CHECK(fleet.most_in(1s) <= 100'000);
    CHECK(fleet.granted_between(0s, 3s) >= 290'000);
    CHECK(fleet.command({"MEMORY", "USAGE", "{k}:limit"}).integer() < 200'000);
    const auto keys = fleet.command({"KEYS", "*"});
    for (const auto& key : keys.elements())
        CHECK(fleet.command({"PTTL", key.text()}).integer() > 0);
    CHECK(fleet.asked() < 1'000);
}
