// What the snippets of docs/choosing-a-limit.md are compiled in.
#include <headgate/headgate.hpp>

#include "api.hpp"
#include "support/catch.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

using namespace std::literals;

namespace {

// snippet: several

// snippet: github

// snippet: stripe

// snippet: shopify

// snippet: slack

// snippet: keyed

// snippet: discord

// snippet: ietf

// snippet: trust_server

using documents::request;
using documents::response;
using documents::run;

asio::awaitable<std::size_t> count(headgate::page_stream& stream)
{
    std::size_t records = 0;
    while (auto page = co_await stream.next())
        records += page->records().size();
    co_return records;
}

/// A list of three records, two to a page. What asks for the second page has `second` in its query.
documents::api::handler two_pages(std::string second, std::string first_body,
                                  std::string second_body, std::string link = {})
{
    return [=](const request& asked) {
        if (asked.header("authorization").empty() && asked.header("x-shopify-access-token").empty())
            return response{401};
        if (asked.target.find(second + "&") != std::string::npos || asked.target.ends_with(second))
            return response{200, second_body};
        if (asked.target.find("=3") != std::string::npos) // behind the last record
            return response{200, first_body.front() == '[' ? "[]" : R"({"data":[]})"};
        response result{200, first_body};
        if (!link.empty())
            result.header("Link", link);
        return result;
    };
}

/// That all three come, with the limits at hand or not.
template <class Extract>
void check(Extract extract, documents::api::handler answer)
{
    const documents::api api{std::move(answer)};
    asio::io_context context;
    headgate::http::client client{context};
    headgate::async_limiter limiter{context, 100, 1s};
    auto stream = extract(client, limiter, api.url());
    CHECK(run(context, count(stream)) == 3);
    INFO(stream.outcome().reason());
    CHECK(stream.outcome().complete());
}

} // namespace

TEST_CASE("the limits are ones that a limiter takes")
{
    asio::io_context context;
    for (const auto& limits : {ten_a_second_and_a_thousand_an_hour(), github_limits(),
                               stripe_limits(), shopify_limits(), slack_tier_2()}) {
        headgate::async_limiter limiter{context, limits};
        CHECK(limiter.try_acquire_permit());
    }
    auto routes = discord_limiter(context);
    CHECK(routes.try_acquire("/channels/1/messages"));
    run(context, call(routes, "/users/1"));
    CHECK(routes.statistics().granted == 2);
}

TEST_CASE("each list is read to its end")
{
    check(github, two_pages("page=2", R"([{"id":1},{"id":2}])", R"([{"id":3}])",
                            R"(<?page=2>; rel="next")"));
    check(stripe, two_pages("starting_after=b", R"({"data":[{"id":"a"},{"id":"b"}]})",
                            R"({"data":[{"id":"3"}]})"));
    check(shopify, two_pages("page_info=2", R"({"products":[{"id":1},{"id":2}]})",
                             R"({"products":[{"id":3}]})", R"(<?page_info=2>; rel="next")"));
    check(slack, two_pages("cursor=dXNl",
                           R"({"ok":true,"members":[{"id":"a"},{"id":"b"}],)"
                           R"("response_metadata":{"next_cursor":"dXNl"}})",
                           R"({"ok":true,"members":[{"id":"c"}],)"
                           R"("response_metadata":{"next_cursor":""}})"));
    check(discord, two_pages("before=4", R"([{"id":"5"},{"id":"4"}])", R"([{"id":"3"}])"));
}

TEST_CASE("what Slack says inside a 200 is a refusal")
{
    std::atomic<int> asked = 0;
    const documents::api api{[&](const request&) {
        if (++asked == 1)
            return response{200, R"({"ok":false,"error":"ratelimited"})"}.header("Retry-After",
                                                                                 "1");
        return response{200, R"({"ok":true,"members":[{"id":"a"}],)"
                             R"("response_metadata":{"next_cursor":""}})"};
    }};
    asio::io_context context;
    headgate::http::client client{context};
    headgate::async_limiter limiter{context, 100, 1s};
    auto stream = slack(client, limiter, api.url());
    CHECK(run(context, count(stream)) == 1);
    CHECK(stream.statistics().refused == 1);
    CHECK(stream.outcome().complete());
}

TEST_CASE("what an answer says of its limit makes a limiter wait")
{
    const std::vector<std::pair<std::string, std::string>> fields{
        {"RateLimit", R"("default";r=0;t=3600)"}, {"Retry-After", "3600"}};
    for (const auto& each : fields) {
        const documents::api api{
            [each](const request&) { return response{200}.header(each.first, each.second); }};
        asio::io_context context;
        headgate::http::client client{context};
        headgate::async_limiter limiter{context, 100, 1s};
        run(context, send_and_heed(client, limiter, api.url()));
        CHECK_FALSE(limiter.try_acquire());
    }
}

TEST_CASE("a limit that the server tells takes the place of the caller's")
{
    const documents::api api{[](const request& asked) {
        const bool first = asked.query("offset") == "0";
        return response{200, first ? R"({"count":1,"results":[{"id":1}]})"
                                   : R"({"count":1,"results":[]})"}
            .header("RateLimit-Policy", R"("default";q=5000;w=1)");
    }};
    asio::io_context context;
    headgate::http::client client{context};
    headgate::async_limiter limiter{context, headgate::limit::paced(1, 1s)};
    auto stream = headgate::extract(client, limiter,
                                    headgate::paging::offset{headgate::http::request{api.url()}},
                                    as_the_server_says());
    CHECK(run(context, count(stream)) == 1);
    CHECK(stream.outcome().complete());
    CHECK(stream.statistics().server.limit == 5000);
}
