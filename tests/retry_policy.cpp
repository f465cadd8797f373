#include <headgate/detail/retry_policy.hpp>

#include "support/catch.hpp"

#include <vector>

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

TEST_CASE("a refusal that comes when all is well again is one like the first")
{
    retry_policy policy{5};
    const http::response refusal{429};
    CHECK(policy.throttled(refusal, 1s, 2s) == 1s);
    policy.succeeded(3s);
    CHECK(policy.throttled(refusal, 1s, 4s) == 1s);
    CHECK(policy.events() == 1);
}

TEST_CASE("while no page comes one is tried again at a time, and all have a budget")
{
    using verdict = retry_policy::verdict;
    retry_policy policy{3};
    CHECK(policy.has_tries(2));
    CHECK_FALSE(policy.has_tries(3));
    CHECK_FALSE(retry_policy{0}.has_tries(0));
    retry_policy::page first, second;
    first.failed(1s);
    second.failed(2s);
    CHECK(policy.retry(first) == verdict::try_again);
    CHECK(policy.retry(second) == verdict::wait_longer);
    first.failed(3s);
    CHECK(policy.retry(second) == verdict::wait_longer);
    for (int i = 1; i < 6; ++i)
        CHECK(policy.retry(first) == verdict::try_again);
    CHECK(policy.retry(first) == verdict::give_up);
    policy.done(first);
    CHECK(policy.retry(second) == verdict::give_up);
    CHECK(policy.may_repeat(2));
    CHECK_FALSE(policy.may_repeat(3));
}

TEST_CASE("what failed beside pages that came is tried again at no cost")
{
    using verdict = retry_policy::verdict;
    retry_policy policy{1};
    std::vector<retry_policy::page> pages(40);
    for (auto& each : pages)
        each.failed(1s);
    policy.succeeded(1s); // sent at the same time: says nothing of what came after
    CHECK(policy.retry(pages[0]) == verdict::try_again);
    CHECK(policy.retry(pages[1]) == verdict::wait_longer);
    policy.succeeded(2s);
    for (auto& each : pages)
        CHECK(policy.retry(each) == verdict::try_again);
    policy.done(pages[0]);
    pages[2].failed(3s);
    CHECK(policy.retry(pages[2]) == verdict::try_again);
    pages[2].failed(4s);
    policy.done(pages[2]);
    for (int i = 0; i < 20; ++i)
        policy.succeeded(0s);
    CHECK(policy.retry(pages[2]) == verdict::try_again);
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
