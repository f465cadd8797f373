#include <headgate/paging/keyset.hpp>

#include "support/catch.hpp"
#include "support/paged.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
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
    support::paged<keyset> reader{
        pager, [](const http::request&) {
            return http::response{200, {}, R"({"results":[{"id":1},{"id":2},{"id":3}]})"};
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

TEST_CASE("a list that is sorted the other way round is told before anything comes twice")
{
    // Newest first, of what is newer than `since`; with a field that keeps pages from being copies.
    const auto [high, low] = GENERATE(table<std::string, std::string>({
        {"46", "37"},
        {"-37", "-46"},
        {"5", "-4"},
        {"18446744073709551615", "18446744073709551606"},
    }));
    CAPTURE(high);
    const std::string first = R"({"id":)" + high + R"(,"at":)";
    const std::string last = R"({"id":)" + low + R"(,"at":)";
    keyset pager{http::request{"http://h/list"}, "/id", "since"};
    int nonce = 0;
    support::paged<keyset> reader{
        pager, [&](const http::request&) {
            const std::string at = std::to_string(++nonce) + '}';
            return http::response{200, {}, R"({"results":[)" + first + at + ',' + last + at + "]}"};
        }};
    const auto end = reader.run();
    CHECK(end->code() == outcome_code::loop);
    CHECK(end->reason() == "page 2 begins with /id = " + high + ", but the one before ended with " +
                               low +
                               ": the list is sorted the other way, or not by that key; 2 records "
                               "received");
    CHECK(reader.got.size() == 2);
}

TEST_CASE("a list that falls is read with a parameter for what lies below")
{
    const bool is_inclusive = GENERATE(false, true);
    keyset pager{http::request{"http://h/list"}, "/id", "max_id"};
    support::paged<keyset> reader{
        pager, [is_inclusive](const http::request& asked) {
            const std::string most = support::parameter(asked, "max_id");
            nlohmann::json body{{"results", nlohmann::json::array()}};
            for (int id = 3; id >= -7; --id)
                if (body["results"].size() < 3 &&
                    (most.empty() || id < std::stoi(most) + (is_inclusive ? 1 : 0)))
                    body["results"].push_back({{"id", id}});
            return http::response{200, {}, body.dump()};
        }};
    const auto end = reader.run();
    INFO(end->reason());
    CHECK(end->code() == outcome_code::complete);
    CHECK(reader.got.size() == 11);
}

TEST_CASE("an empty page behind a full one is asked for again")
{
    const int slip_at = GENERATE(0, 4, 8); // behind how many records
    keyset pager{http::request{"http://h/list"}, "/id", "since"};
    bool is_first = true;
    support::paged<keyset> reader{
        pager, [&](const http::request& asked) {
            const std::string since = support::parameter(asked, "since");
            const int begin = since.empty() ? 0 : std::stoi(since) + 1;
            nlohmann::json body{{"results", nlohmann::json::array()}};
            const bool slips = begin > 0 && begin == slip_at && std::exchange(is_first, false);
            for (int id = begin; id < std::min(begin + 4, 12) && !slips; ++id)
                body["results"].push_back({{"id", id}});
            return http::response{200, {}, body.dump()};
        }};
    CHECK(reader.run()->code() == outcome_code::complete);
    CHECK(reader.got.size() == 12);
}

TEST_CASE("the order of keys is judged only where it is known")
{
    const auto [first, second] = GENERATE(table<std::string, std::string>({
        {R"([{"id":"b"},{"id":"a"}])", R"([{"id":"c"}])"}, // strings
        {R"([{"id":3.5},{"id":2.5}])", R"([{"id":4.5}])"},
        {R"([{"id":18446744073709551617},{"id":18446744073709551616}])",
         R"([{"id":18446744073709551618}])"},
        {R"([{"id":3},{"id":1},{"id":2}])", R"([{"id":1,"x":1}])"}, // no order
        {R"([{"id":3},{"id":3,"x":1},{"id":4}])", R"([{"id":1}])"}, // not strictly
        {R"([{"id":3}])", R"([{"id":1}])"},
        {R"([{"id":3},{"id":2}])", R"([{"x":1},{"id":4}])"},
    }));
    CAPTURE(first);
    keyset pager{http::request{"http://h/list"}, "/id", "since"};
    std::vector<std::string> pages{first, second, "[]"};
    support::paged<keyset> reader{pager, [&](const http::request&) {
                                      const std::string page = pages.front();
                                      if (pages.size() > 1) // the last again and again
                                          pages.erase(pages.begin());
                                      return http::response{200, {}, R"({"results":)" + page + "}"};
                                  }};
    CHECK(reader.run()->code() == outcome_code::complete);
    CHECK(pages.size() == 1);

    keyset two{http::request{"http://h/list"}, "/id", "since"};
    two.then_by("/x", "x");
    pages = {R"([{"id":1,"x":1},{"id":2,"x":2}])", R"([{"id":1,"x":3}])", "[]"};
    support::paged<keyset> several{
        two, [&](const http::request&) {
            const std::string page = pages.front();
            if (pages.size() > 1)
                pages.erase(pages.begin());
            return http::response{200, {}, R"({"results":)" + page + "}"};
        }};
    CHECK(several.run()->code() == outcome_code::complete);
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

TEST_CASE("keyset: records that only share a hash are read once, and none is dropped")
{
    // Members of the same name are both hashed, but only the last one counts.
    constexpr std::size_t count = 10'000;
    const auto page = [](const std::string& one) {
        std::string body = R"({"results":[)" + one;
        for (std::size_t i = 1; i < count; ++i)
            body += ',' + one;
        return http::response{200, {}, body + "]}"};
    };
    keyset pager{http::request{"http://h/list"}, "/id", "since"};
    support::paged<keyset> reader{pager, [&](const http::request& asked) {
                                      return page(support::parameter(asked, "since").empty()
                                                      ? R"({"id":1,"a":1,"a":2})"
                                                      : R"({"id":1,"a":2,"a":1})");
                                  }};
    CHECK(reader.run()->code() == outcome_code::loop);
    CHECK(reader.got.size() == 2 * count);
}

TEST_CASE("keyset: a boundary record that is written otherwise is known")
{
    const std::string again = GENERATE(R"({"id":2,"a":[1,{"b":2.50,"c":"d"}]})",
                                       R"({"a" : [1, {"c":"d", "b":2.50}], "id": 2})",
                                       R"({"id":2,"a":[1,{"b":2.50,"c":"\u0064"}]})");
    const std::string first = R"({"id":2,"a":[1,{"b":2.50,"c":"d"}]})";
    const std::string other = R"({"id":2,"a":[1,{"b":2.51,"c":"d"}]})";
    keyset pager{http::request{"http://h/list"}, "/id", "since"};
    support::paged<keyset> reader{
        pager, [&](const http::request& asked) {
            const std::string since = support::parameter(asked, "since");
            if (since == "3")
                return http::response{200, {}, R"({"results":[{"id":3}]})"};
            return http::response{200,
                                  {},
                                  R"({"results":[)" +
                                      (since.empty() ? R"({"id":1},)" + first
                                                     : again + ',' + other + R"(,{"id":3})") +
                                      "]}"};
        }};
    CHECK(reader.run()->code() == outcome_code::complete);
    REQUIRE(reader.got.size() == 4);
    CHECK(reader.got[2] == nlohmann::json::parse(other));
}
