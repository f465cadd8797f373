// What the snippets of docs/going-on.md are compiled in.
#include <headgate/headgate.hpp>
#include <headgate/sqlite/checkpoint.hpp>

#include "api.hpp"
#include "support/catch.hpp"
#include "support/files.hpp"

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::literals;

namespace {

std::vector<std::string> stored;
int pages_until_it_fails = 0;

void store(const headgate::page& page)
{
    if (--pages_until_it_fails == 0)
        throw std::runtime_error{"killed"};
    for (const auto& record : page.records())
        stored.push_back(record.at("name").get<std::string>());
}

void store_all(const std::vector<headgate::page>& pages)
{
    for (const headgate::page& each : pages)
        store(each);
}

// snippet: checkpoint

// snippet: by_hand

// snippet: own_pager

using documents::run;

std::size_t how_many_stored()
{
    return std::set<std::string>(stored.begin(), stored.end()).size();
}

} // namespace

TEST_CASE("a run that fails goes on, also one that was complete")
{
    const support::temporary_directory directory;
    const documents::api api;
    const headgate::http::request list{api.url()};
    const std::string file = directory / "items.checkpoint";
    const auto pull_once = [&] {
        asio::io_context context;
        return run(context, pull(context, list, file));
    };
    stored.clear();
    pages_until_it_fails = 3;
    CHECK_THROWS_WITH(pull_once(), "killed");
    CHECK(stored.size() == 20);
    pages_until_it_fails = 0;
    CHECK(pull_once().complete());
    CHECK(stored.size() == 35);
    CHECK(how_many_stored() == 35);
    CHECK(pull_once().complete());
    CHECK(stored.size() == 35);

    asio::io_context context;
    const headgate::http::request other{api.url("/others")};
    CHECK_THROWS_AS(run(context, pull(context, other, file)), headgate::sqlite::checkpoint_error);
}

TEST_CASE("pages are done with by hand")
{
    const support::temporary_directory directory;
    const documents::api api{65};
    stored.clear();
    for (const int fails_at : {4, 0}) {
        asio::io_context context;
        headgate::http::client client{context};
        headgate::async_limiter limiter{context, 100, 1s};
        headgate::extract_options options;
        options.checkpoint(std::make_shared<headgate::sqlite::checkpoint>(directory / "c", "job"),
                           true);
        const headgate::paging::offset pages{headgate::http::request{api.url()}};
        auto stream = headgate::extract(client, limiter, pages, options);
        pages_until_it_fails = fails_at;
        if (fails_at > 0)
            CHECK_THROWS_WITH(run(context, in_batches(stream)), "killed");
        else
            run(context, in_batches(stream));
        CHECK(stored.size() == (fails_at > 0 ? 30 : 65));
    }
    CHECK(how_many_stored() == 65);
}

TEST_CASE("a pager of one's own goes on")
{
    const support::temporary_directory directory;
    std::vector<std::string> asked;
    const documents::api api{[&](const documents::request& request) {
        asked.push_back(request.query("day"));
        return documents::response{200, R"({"results": [{"name": ")" + asked.back() + "\"}]}"};
    }};
    const std::vector<std::string> days{"2026-01-01", "2026-01-02", "2026-01-03"};
    stored.clear();
    for (const int fails_at : {2, 0, 0}) {
        asio::io_context context;
        headgate::http::client client{context};
        headgate::async_limiter limiter{context, 100, 1s};
        headgate::extract_options options;
        options.checkpoint(std::make_shared<headgate::sqlite::checkpoint>(directory / "c", "job"),
                           true);
        const by_day pages{headgate::http::request{api.url()}, days};
        auto stream = headgate::extract(client, limiter, pages, options);
        pages_until_it_fails = fails_at;
        const auto read = [](headgate::page_stream& from) -> asio::awaitable<void> {
            while (auto page = co_await from.next()) {
                store(*page);
                from.acknowledge(*page);
            }
        };
        if (fails_at > 0) {
            CHECK_THROWS_WITH(run(context, read(stream)), "killed");
            CHECK(stored.size() == 1);
            continue;
        }
        run(context, read(stream));
        CHECK(stream.outcome().reason() == "every day came");
        CHECK(stored.size() == 3);
    }
    CHECK(how_many_stored() == 3);
    CHECK(asked.size() <= 5);
}
