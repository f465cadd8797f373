#include <headgate/detail/retry_policy.hpp>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using headgate::detail::retry_policy;
namespace http = headgate::http;

TEST_CASE("many refusals of one moment are one event")
{
    retry_policy policy{5};
    const http::response refusal{429};
    CHECK(policy.throttled(refusal, 0s, 10s) == 1s);
    for (int i = 1; i < 20; ++i) // sent before the first refusal was known
        CHECK(policy.throttled(refusal, 1s * i / 2, 10s) == 1s);
    CHECK(policy.events() == 1);
    CHECK(policy.throttled(refusal, 11s, 12s) == 2s);
    CHECK(policy.throttled(refusal, 14s, 15s) == 4s);
    policy.succeeded(16s);
    CHECK(policy.throttled(refusal, 17s, 18s) == 1s);
    CHECK(policy.throttled(http::response{429, {{"Retry-After", "3"}}}, 19s, 20s) == 3s);
    for (int i = 0; i < 20; ++i)
        CHECK(policy.throttled(refusal, 30s + 1s * i, 30s + 1s * i) <= 64s);
}

TEST_CASE("retries have a limit for each page and a budget for all")
{
    retry_policy policy{3};
    CHECK(policy.take(2));
    CHECK_FALSE(policy.take(3));
    for (int i = 0; i < 5; ++i)
        CHECK(policy.take(0));
    CHECK_FALSE(policy.take(0));
    for (int i = 0; i < 11; ++i)
        policy.succeeded(0s);
    CHECK(policy.take(0));
    CHECK_FALSE(policy.take(0));
    CHECK_FALSE(retry_policy{0}.take(0));
    CHECK(policy.may_repeat(2));
    CHECK_FALSE(policy.may_repeat(3));
}

TEST_CASE("what may pass and what will not")
{
    CHECK(retry_policy::may_pass(http::response{500}));
    CHECK_FALSE(retry_policy::may_pass(http::response{404}));
    CHECK_FALSE(retry_policy::may_pass(http::response{200}));
    CHECK(retry_policy::is_throttled(http::response{429}));
    CHECK_FALSE(retry_policy::is_throttled(http::response{503}));
    CHECK(retry_policy::is_throttled(http::response{503, {{"Retry-After", "1"}}}));
    retry_policy policy{5};
    CHECK(policy.may_pass(http::error::timed_out));
    CHECK_FALSE(policy.may_pass(http::error::tls_failed));
    CHECK_FALSE(policy.may_pass(http::error::connect_failed));
    policy.succeeded(0s);
    CHECK(policy.may_pass(http::error::connect_failed));
}

TEST_CASE("one page waits longer each time, and not all pages alike")
{
    retry_policy policy{5};
    for (unsigned tries = 0; tries < 4; ++tries) {
        const auto most = 200ms * (1 << tries);
        for (int i = 0; i < 100; ++i) {
            const auto wait = policy.backoff(tries);
            REQUIRE(wait >= most / 2);
            REQUIRE(wait <= most);
        }
    }
}
