#include <headgate/limit.hpp>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using headgate::limit;

TEST_CASE("a limit says what was asked for")
{
    const limit window = limit::window(100, 60s);
    CHECK(window.type() == limit::kind::window);
    CHECK(window.count() == 100);
    CHECK(window.period() == 60s);
    CHECK(window.burst() == 100);
    CHECK(limit::bucket(100, 60s, 7).burst() == 7);
    CHECK(limit::paced(100, 60s).burst() == 1);
    CHECK(limit::paced(100, 60s) == limit::paced(100, 60'000ms));
    CHECK_FALSE(limit::paced(100, 60s) == limit::window(100, 60s));
}

TEST_CASE("a limit that cannot be kept is refused with its value")
{
    CHECK_THROWS_WITH(limit::window(0, 1s), Catch::Contains("count is 0"));
    CHECK_THROWS_WITH(limit::window(limit::max_count + 1, 1s), Catch::Contains("1000000001"));
    CHECK_THROWS_WITH(limit::window(1, 0s), Catch::Contains("period is 0 ns"));
    CHECK_THROWS_AS(limit::paced(1, -1s), std::invalid_argument);
    CHECK_THROWS_AS(limit::paced(1, limit::max_period + 1ns), std::invalid_argument);
    CHECK_THROWS_WITH(limit::bucket(1, 1s, 0), Catch::Contains("burst is 0"));
    CHECK_THROWS_WITH(limit::bucket(1, 24h * 366, 1000), Catch::Contains("refill"));
}

TEST_CASE("slack and a lower rate leave a limit that can be kept")
{
    const limit slow = limit::bucket(10, 24h, 4000);
    CHECK_THROWS_WITH(limit::bucket(1, 1s, 90'000'000).with_slack(24h), Catch::Contains("refill"));
    CHECK_NOTHROW(limit::bucket(1, 1s, 90'000'000).with_slack(10ms));
    CHECK(slow.slowed(0.5).period() == 48h);
    const limit slowest = slow.slowed(1e-9);
    CHECK(slowest.period() > 48h);
    CHECK(slowest.slowed(0.5) == slowest);
    CHECK_NOTHROW(limit::bucket(10, slowest.period(), 4000));
    CHECK_THROWS_AS(limit::bucket(10, slowest.period() + 1us, 4000), std::invalid_argument);
    CHECK_NOTHROW(slow.with_slack(1h).slowed(1e-9).with_slack(1h));
    CHECK(limit::paced(1, 1s).slowed(1e-12).period() == limit::max_period);
}
