// Windows are kept as the server counts: whatever the network does to requests on their way.
#include <headgate/async_limiter.hpp>
#include <headgate/testing/server_limit.hpp>

#include "support/run.hpp"

#include <algorithm>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using headgate::limit;
using headgate::testing::server_limit;
using headgate::testing::virtual_clock;
using std::chrono::nanoseconds;

namespace {

/// A network that delays each request by something in a range, and a server that then works.
struct world {
    std::mt19937_64 random;
    nanoseconds nearest;
    nanoseconds farthest;
    nanoseconds slowest;
    std::vector<std::pair<nanoseconds, std::size_t>> arrivals;
    nanoseconds round_trips{0};
    std::size_t sent = 0;

    nanoseconds between(nanoseconds least, nanoseconds most)
    {
        return nanoseconds{
            std::uniform_int_distribution<nanoseconds::rep>{least.count(), most.count()}(random)};
    }
};

asio::awaitable<void> worker(world& its, support::limiter& gate, std::size_t requests)
{
    while (its.sent < requests) {
        const std::size_t tokens = 1 + its.random() % std::min<std::size_t>(3, gate.max_tokens());
        its.sent += tokens;
        auto granted = co_await gate.async_acquire_permit(tokens, asio::use_awaitable);
        granted.commit();
        const auto since = virtual_clock::now();
        co_await support::pause(its.between(its.nearest, its.farthest));
        its.arrivals.emplace_back(virtual_clock::now().time_since_epoch(), tokens);
        co_await support::pause(its.between(0ns, its.slowest));
        co_await support::pause(its.between(its.nearest, its.farthest));
        its.round_trips += virtual_clock::now() - since;
    }
}

} // namespace

TEST_CASE("no delay on the way makes a server count more than it allows")
{
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        INFO("seed " << seed);
        world its{std::mt19937_64{seed}, {}, {}, {}, {}, {}};
        const std::size_t count = 1 + its.random() % 50;
        const nanoseconds period = its.between(1ms, 10s);
        its.nearest = its.between(0ns, period);
        its.farthest = its.nearest + its.between(0ns, seed % 3 == 0 ? period : period / 20);
        its.slowest = its.between(0ns, period);
        const nanoseconds slack = its.farthest - its.nearest;
        virtual_clock::reset();
        asio::io_context context;
        support::limiter gate{context, limit::window(count, period).with_slack(slack)};
        constexpr std::size_t requests = 600;
        for (std::size_t i = 0; i < 120; ++i)
            asio::co_spawn(context, worker(its, gate, requests), support::rethrow);
        virtual_clock::run(context);

        server_limit judge = server_limit::sliding_log(count, period);
        std::size_t refused = 0;
        for (const auto& [at, tokens] : its.arrivals) {
            for (std::size_t i = 0; i < tokens; ++i) {
                const bool allowed = judge.allows(at);
                judge.count(at, allowed);
                refused += allowed ? 0 : 1;
            }
        }
        REQUIRE(refused == 0);
    }
}

TEST_CASE("what arrives early costs no more than it can have been late")
{
    virtual_clock::reset();
    asio::io_context context;
    support::limiter gate{context, limit::window(2, 10s).with_slack(3s)};
    std::vector<headgate::permit> held;
    std::vector<double> granted;
    const auto ask = [&] {
        gate.async_acquire_permit(1, [&](headgate::error_code failed, headgate::permit got) {
            REQUIRE_FALSE(failed);
            got.commit();
            held.push_back(std::move(got));
            granted.push_back(support::seconds());
        });
    };
    for (int i = 0; i < 5; ++i)
        ask();
    virtual_clock::run_for(context, 1s);
    held.erase(held.begin()); // answered after a second: it has arrived by then
    virtual_clock::run(context);
    CHECK(granted == std::vector<double>{0, 0, 11, 13, 24});
}

TEST_CASE("slack that is learned costs what answers took longer than the fastest")
{
    virtual_clock::reset();
    asio::io_context context;
    support::limiter gate{context, limit::window(1, 10s).with_learned_slack(1s)};
    std::vector<double> granted;
    const auto work = [&]() -> asio::awaitable<void> {
        for (int i = 0; i < 20; ++i) {
            auto mine = co_await gate.async_acquire_permit(1, asio::use_awaitable);
            mine.commit();
            granted.push_back(support::seconds());
            co_await support::pause(i == 18 ? 5500ms : 5s);
        }
    };
    asio::co_spawn(context, work(), support::rethrow);
    virtual_clock::run(context);
    CHECK(granted[1] == 11); // nothing is known yet: all of the slack
    CHECK(granted[17] - granted[16] == 10);
    CHECK(granted[19] - granted[18] == 10.5);
}

TEST_CASE("paced limits spread over the slack")
{
    virtual_clock::reset();
    asio::io_context context;
    support::limiter gate{context, limit::paced(10, 10s).with_slack(1s)};
    std::vector<support::noted> asked(11);
    for (auto& each : asked)
        gate.async_acquire(each);
    virtual_clock::run(context);
    CHECK(asked[10].at() == 11);
}
