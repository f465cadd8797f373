// What the snippets of docs/tuning.md are compiled in.
#include <headgate/headgate.hpp>

#include "api.hpp"
#include "support/catch.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <chrono>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

using namespace std::literals;

namespace {

std::size_t stored = 0;

void store(const headgate::page& page)
{
    stored += page.records().size();
}

// snippet: options

// snippet: outcome

// snippet: statistics

// snippet: observer

int run(asio::io_context& context, headgate::page_stream& stream)
{
    stored = 0;
    return documents::run(context, read(stream));
}

} // namespace

TEST_CASE("a list is read, and the outcome and the statistics say how that went")
{
    const documents::api api;
    asio::io_context context;
    headgate::http::client client{context, for_slow_pages()};
    headgate::async_limiter limiter{context, 100, 1s};
    const headgate::paging::offset list{headgate::http::request{api.url()}};
    const auto options = patient();
    auto stream = headgate::extract(client, limiter, list, options);
    CHECK(run(context, stream) == 0);
    CHECK(stored == 35);
    CHECK(stream.outcome().reason() == "total of 35 records reached");
    CHECK(advice(stream, options) == "the limit is what decides");

    auto narrow = options;
    narrow.max_in_flight(1);
    auto slower = headgate::extract(client, limiter, list, narrow);
    CHECK(run(context, slower) == 0);
    CHECK(advice(slower, narrow) == "raise max_in_flight");
}

TEST_CASE("an observer sees a run")
{
    const documents::api api;
    asio::io_context context;
    headgate::http::client client{context};
    headgate::async_limiter limiter{context, 100, 1s};
    // snippet: observe
    const headgate::paging::offset list{headgate::http::request{api.url()}};
    auto stream = headgate::extract(client, limiter, list, options);
    CHECK(watched->summary().empty());
    CHECK(run(context, stream) == 0);
    CHECK(watched->summary().find("complete: longest offset ") == 0);
    CHECK(watched->summary().find(" s, 0 repeated") != std::string::npos);
}

TEST_CASE("a wait that is too long, and a page that cannot be had")
{
    asio::io_context context;
    headgate::http::client client{context};
    headgate::async_limiter limiter{context, 100, 1s};
    const auto outcome_of = [&](documents::response answer) {
        const documents::api api{[&](const documents::request&) { return answer; }};
        const headgate::paging::offset list{headgate::http::request{api.url()}};
        auto stream = headgate::extract(client, limiter, list, patient());
        return run(context, stream);
    };
    CHECK(outcome_of(documents::response{429}.header("Retry-After", "7200")) == 2);
    CHECK(outcome_of(documents::response{404}) == 1);
}

TEST_CASE("the page has every outcome, by its name")
{
    std::ifstream in{HEADGATE_SOURCE_DIR "/docs/tuning.md"};
    const std::string page{std::istreambuf_iterator<char>{in}, {}};
    int outcomes = 0;
    for (int i = 0; headgate::to_string(headgate::outcome_code{i}) != "unknown"; ++i, ++outcomes) {
        const std::string_view name = headgate::to_string(headgate::outcome_code{i});
        INFO(name);
        CHECK(page.find("\n| `" + std::string{name} + "` |") != std::string::npos);
    }
    CHECK(outcomes == 16);
}
