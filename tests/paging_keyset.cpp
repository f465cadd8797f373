#include <headgate/paging/keyset.hpp>

#include "support/catch.hpp"
#include "support/paged.hpp"

#include <string>
#include <vector>

using headgate::outcome_code;
using headgate::paging::keyset;
namespace http = headgate::http;

namespace {

/// Rows of a time and an id, sorted by both; gives those not before (or behind) `since`.
struct table_api {
    std::vector<std::pair<int, int>> rows;
    std::size_t size = 3;
    bool inclusive = true;

    http::response operator()(const http::request& asked) const
    {
        const std::string since = support::parameter(asked, "since");
        nlohmann::json body{{"results", nlohmann::json::array()}};
        for (const auto& [time, id] : rows)
            if (body["results"].size() < size && (since.empty() || time > std::stoi(since) ||
                                                  (inclusive && time == std::stoi(since))))
                body["results"].push_back({{"time", time}, {"id", id}});
        return http::response{200, {}, body.dump()};
    }
};

} // namespace

TEST_CASE("a list is read by its last key, ties at the boundary once")
{
    const table_api with_ties{{{1, 1}, {2, 2}, {2, 3}, {3, 4}, {3, 5}, {4, 6}, {4, 7}}};
    const table_api unique{{{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 5}, {6, 6}, {7, 7}}, 3, false};
    keyset pager{http::request{"http://h/list"}, "/time", "since"};
    pager.page_size(3);
    support::paged<keyset> reader{pager, GENERATE_COPY(with_ties, unique)};
    const auto end = reader.run();
    REQUIRE(end);
    INFO(end->reason());
    CHECK(end->code() == outcome_code::complete);
    REQUIRE(reader.got.size() == 7);
    for (int i = 0; i < 7; ++i)
        CHECK(reader.got[static_cast<std::size_t>(i)].at("id") == i + 1);
}

TEST_CASE("more ties than come on one page cannot be read on, and that is told")
{
    keyset pager{http::request{"http://h/list"}, "/time", "since"};
    support::paged<keyset> reader{pager,
                                  table_api{{{1, 1}, {2, 2}, {2, 3}, {2, 4}, {2, 5}, {3, 6}}}};
    const auto end = reader.run();
    CHECK(end->code() == outcome_code::loop);
    CHECK(end->reason().find("/time = 2") != std::string::npos);
    CHECK(reader.got.size() == 4);
}

TEST_CASE("a server that does not know the parameter gives its first page again, which is a loop")
{
    keyset pager{http::request{"http://h/list"}, "/id", "since_id"};
    support::paged<keyset> reader{pager, [](const http::request&) {
                                      return http::response{
                                          200, {}, R"({"results":[{"id":1},{"id":2},{"id":3}]})"};
                                  }};
    const auto end = reader.run();
    CHECK(end->code() == outcome_code::loop);
    CHECK(end->reason().find("page 2 repeats page 1") == 0);
    CHECK(reader.got.size() == 3);
}

TEST_CASE("ties at the end of a list are the end of it where pages are filled, else it is told")
{
    keyset pager{http::request{"http://h/list"}, "/time", "since"};
    const bool filled = GENERATE(true, false);
    if (filled)
        pager.page_size(3);
    support::paged<keyset> reader{pager, table_api{{{1, 1}, {2, 2}, {3, 3}, {3, 4}}}};
    CHECK(reader.run()->code() == (filled ? outcome_code::complete : outcome_code::loop));
    CHECK(reader.got.size() == 4);
    keyset one{http::request{"http://h/list"}, "/time", "since"};
    one.page_size(3);
    support::paged<keyset> single{one, table_api{{{1, 1}}}};
    CHECK(single.run()->code() == outcome_code::complete);
    CHECK(single.got.size() == 1);
}

TEST_CASE("one record a page, again and again, is not taken for the whole list")
{
    keyset pager{http::request{"http://h/list"}, "/time", "since"};
    support::paged<keyset> reader{pager, table_api{{{1, 1}, {2, 2}}, 1}};
    CHECK(reader.run()->code() == outcome_code::loop);
    CHECK(reader.got.size() == 1);
}

TEST_CASE("keyset: keys of any length, and several")
{
    keyset pager{http::request{"http://h/list"}, "/id", "after"};
    pager.page_size(2, "n").then_by("/meta/at", "at");
    std::vector<std::string> asked;
    support::paged<keyset> reader{
        pager, [&](const http::request& request) {
            asked.push_back(request.url().query());
            return http::response{
                200,
                {},
                asked.size() > 1
                    ? R"({"results":[]})"
                    : R"({"results":[{"id":18446744073709551617,"meta":{"at":"x/y"}}]})"};
        }};
    CHECK(reader.run()->code() == outcome_code::complete);
    CHECK(asked.back() == "n=2&after=18446744073709551617&at=x%2Fy");
}

TEST_CASE("keyset: a record without its key is an error")
{
    keyset pager{http::request{"http://h/list"}, "/id", "after"};
    support::paged<keyset> reader{
        pager, [](const http::request&) {
            return http::response{200, {}, R"({"results":[{"name":"x"}]})"};
        }};
    CHECK_THROWS_WITH(reader.run(), "the last record has no /id");
    CHECK_THROWS_AS(keyset(http::request{"http://h/"}, "id", "after"), std::invalid_argument);
}
