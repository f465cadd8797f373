#include <headgate/http/rate_hint.hpp>

#include "support/catch.hpp"

#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using headgate::http::rate_hint;
using headgate::http::response;

namespace {

rate_hint read(response::fields fields)
{
    fields.emplace_back("Date", "Wed, 17 Nov 2021 12:30:54 GMT"); // 1637152254
    return read_rate_hint(response{200, std::move(fields)});
}

} // namespace

TEST_CASE("resets in seconds, as points in time and in milliseconds are told apart")
{
    for (const char* reset : {"30", "30.0", "1637152284", "1637152284000"}) {
        const auto hint = read({{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset", reset}});
        INFO(reset);
        CHECK(hint.remaining == 0.0);
        CHECK(hint.reset == 30s);
        CHECK(hint.exhausted());
    }
    CHECK(read({{"ratelimit-reset", "1637152000"}}).reset == 0s); // past
    CHECK_FALSE(
        read({{"RateLimit-Remaining", "0"}, {"RateLimit-Reset", "1637152000"}}).exhausted());
    CHECK_FALSE(read({{"RateLimit-Remaining", "3"}, {"RateLimit-Reset", "30"}}).exhausted());
}

TEST_CASE("the RateLimit field of the IETF draft, old and new")
{
    const auto one = read({{"RateLimit", "\"default\";r=50;t=30"}});
    CHECK(one.remaining == 50.0);
    CHECK(one.reset == 30s);
    const auto tightest = read({{"RateLimit", "\"burst\";r=0;t=5, \"da,i;ly\";r=0;t=3600"},
                                {"RateLimit", "\"other\";r=10;t=9"}});
    CHECK(tightest.exhausted());
    CHECK(tightest.reset == 3600s);
    const auto old = read({{"RateLimit", "limit=100, remaining=7, reset=12"}});
    CHECK(old.remaining == 7.0);
    CHECK(old.reset == 12s);
}

TEST_CASE("a bucket says how full it is")
{
    CHECK(read({{"X-Shopify-Shop-Api-Call-Limit", "32/40"}}).remaining == 8.0);
    CHECK_FALSE(read({{"X-Shopify-Shop-Api-Call-Limit", "32"}}).remaining);
    CHECK_FALSE(read({{"X-Shopify-Shop-Api-Call-Limit", "50/40"}}).remaining);
}

TEST_CASE("what is malformed or absurd is ignored")
{
    for (const char* value : {"", "soon", "-1", "1e9", "\"", "\"default\"", "r", ";;;,,,",
                              "r=;t=", "\"a;r=0;t=5", "=0"}) {
        const auto hint = read(
            {{"RateLimit", value}, {"X-RateLimit-Remaining", value}, {"X-RateLimit-Reset", value}});
        INFO(value);
        CHECK_FALSE(hint.exhausted());
    }
    CHECK_FALSE(read({{"X-RateLimit-Reset", "400000000"}}).reset); // in twelve years
    for (const char* value : {"0/0.5", "0/0", "0.5/0.5"}) {
        INFO(value);
        const auto hint = read({{"X-Shopify-Shop-Api-Call-Limit", value},
                                {"RateLimit-Policy", "\"default\";q=100;w=60"}});
        CHECK(hint.limit == 100.0);
        CHECK(hint.window == 60s);
        CHECK_FALSE(hint.remaining);
    }
    CHECK_FALSE(read({}).remaining);
}
