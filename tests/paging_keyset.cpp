#include <headgate/paging/keyset.hpp>

#include "support/catch.hpp"
#include "support/paged.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstddef>
#include <functional>
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

TEST_CASE("a page with only what is known behind a full one is asked for again")
{
    const std::size_t slip_at = GENERATE(2U, 5U); // the last record known
    table_api api;
    for (int i = 0; i < 8; ++i)
        api.rows.emplace_back(i, i);
    bool is_first = true;
    keyset pager{http::request{"http://h/list"}, "/time", "since"};
    support::paged<keyset> reader{pager, [&](const http::request& asked) {
                                      const std::string since = support::parameter(asked, "since");
                                      table_api here = api;
                                      if (!since.empty() && std::stoul(since) >= slip_at &&
                                          std::exchange(is_first, false))
                                          here.size = 1;
                                      return here(asked);
                                  }};
    CHECK(reader.run()->code() == outcome_code::complete);
    CHECK(reader.got.size() == 8);
}

TEST_CASE("a list whose order a server may know better is read to its end")
{
    const auto [first, second] = GENERATE(table<std::string, std::string>({
        {R"([{"id":"b"},{"id":"a"}])", R"([{"id":"c"}])"},
        {R"([{"id":"a"},{"id":"B"}])", R"([{"id":"c"},{"id":"b","x":1}])"},
        {R"([{"id":"1"},{"id":"10"}])", R"([{"id":"2"},{"id":"20"}])"},   // as texts
        {R"([{"id":"9"},{"id":"10"}])", R"([{"id":"11"},{"id":"100"}])"}, // as numbers
        {R"([{"id":"-1"},{"id":"-2"}])", R"([{"id":"1"},{"id":"0"}])"},
        {R"([{"id":5},{"id":"4"}])", R"([{"id":6},{"id":"5"}])"},
        {R"([{"id":1},{"id":1.0}])", R"([{"id":1.00},{"id":10e-1},{"id":2}])"},
        {R"([{"id":0},{"id":-0.0}])", R"([{"id":0.0},{"id":1}])"},
        {R"([{"id":1e-7},{"id":0.000001}])",
         R"([{"id":1},{"id":18446744073709551617},{"id":2e19}])"},
        {R"([{"id":3},{"id":3,"x":1},{"id":4}])", R"([{"id":4,"x":1},{"id":5}])"},
        {R"([{"id":3}])", R"([{"id":1}])"},
        {R"([{"x":9},{"id":2},{"id":null},{"id":3}])", R"([{"id":[1]},{"id":false},{"id":4}])"},
        // In zones, and where clocks are put back; by what they mean, and as texts.
        {R"([{"id":"2024-10-27T02:30:00+02:00"}])", R"([{"id":"2024-10-27T02:15:00+01:00"}])"},
        {R"([{"id":"2024-10-26"},{"id":"2024-10-27"}])", R"([{"id":"2024-10-28T00:00:00Z"}])"},
        {R"([{"id":"2024-10-26 01:00"},{"id":"2024-10-27 02:30"}])",
         R"([{"id":"2024-10-27 02:15"}])"},
        {R"([{"id":"2024-01-01 11:00 AM"},{"id":"2024-01-01 11:30 AM"}])",
         R"([{"id":"2024-01-01 01:00 PM"}])"},
        {R"([{"id":"2024-01-01T00:00:00Z"},{"id":"2024-01-01T00:00:01.5Z"}])",
         R"([{"id":"2024-01-01T00:00:01Z"}])"},
        {R"([{"id":"2024-01-01T00:00:00.9Z"},{"id":"2024-01-01T00:00:01Z"}])",
         R"([{"id":"2024-01-01T00:00:01.5Z"}])"},
        {R"([{"id":"30.12.2023"},{"id":"31.12.2023"}])", R"([{"id":"01.01.2024"}])"},
    }));
    CAPTURE(first, second);
    std::vector<std::string> pages{first, second, "[]"};
    const auto server = [&](const http::request&) {
        const std::string page = pages.front();
        if (pages.size() > 1) // the last again and again
            pages.erase(pages.begin());
        return http::response{200, {}, R"({"results":)" + page + "}"};
    };
    keyset pager{http::request{"http://h/list"}, "/id", "since"};
    support::paged<keyset> reader{pager, server};
    const auto end = reader.run();
    INFO(end->reason());
    CHECK(end->code() == outcome_code::complete);
    CHECK(pages.size() == 1);
    CHECK(reader.got.size() ==
          nlohmann::json::parse(first).size() + nlohmann::json::parse(second).size());
}

TEST_CASE("the order of several keys is not judged")
{
    keyset two{http::request{"http://h/list"}, "/id", "since"};
    two.then_by("/x", "x");
    std::vector<std::string> pages{R"([{"id":1,"x":1},{"id":2,"x":2}])", R"([{"id":1,"x":3}])",
                                   "[]"};
    support::paged<keyset> several{
        two, [&](const http::request&) {
            const std::string page = pages.front();
            if (pages.size() > 1)
                pages.erase(pages.begin());
            return http::response{200, {}, R"({"results":)" + page + "}"};
        }};
    CHECK(several.run()->code() == outcome_code::complete);
}

namespace {

/// What was sent as a parameter.
std::string decoded(const std::string& sent)
{
    std::string result;
    for (std::size_t i = 0; i < sent.size(); ++i) {
        const bool is_escaped = sent[i] == '%';
        result +=
            is_escaped ? static_cast<char>(std::stoi(sent.substr(i + 1, 2), nullptr, 16)) : sent[i];
        i += is_escaped ? 2 : 0;
    }
    return result;
}

/// A list that gives what lies behind a key, or also what has it, by the server's own idea of what
/// a key is worth: `rank`, of its JSON text or of what was sent. Pages may be kept from being
/// copies by a field that changes.
struct ranked_api {
    std::vector<std::string> keys; // in the order of the list, as JSON
    std::function<double(const std::string&)> rank;
    bool inclusive = false;
    bool changes = false;
    std::size_t size = 3;
    int asked = 0;

    http::response operator()(const http::request& request)
    {
        const std::string since = decoded(support::parameter(request, "since"));
        std::string body;
        std::size_t count = 0;
        ++asked;
        for (std::size_t i = 0; i < keys.size() && count < size; ++i) {
            if (!since.empty() && rank(keys[i]) < rank(since) + (inclusive ? 0 : 0.0001))
                continue;
            body += std::string{body.empty() ? "" : ","} + R"({"id":)" + keys[i] + R"(,"n":)" +
                    std::to_string(i) + R"(,"at":)" + std::to_string(changes ? asked : 0) + '}';
            ++count;
        }
        return http::response{200, {}, R"({"results":[)" + body + "]}"};
    }
};

std::vector<std::size_t> numbers(const std::vector<nlohmann::json>& got)
{
    std::vector<std::size_t> result;
    for (const nlohmann::json& each : got)
        result.push_back(each.at("n"));
    return result;
}

} // namespace

TEST_CASE("newest first, of what is later than a key: no record comes twice, and it is told")
{
    // Up to the last two digits all keys of a list are the same.
    const auto [before, behind] = GENERATE(table<std::string, std::string>({
        {"", ""},
        {"-0.", "e2"},
        {"", ".5"},
        {"100000000000000000000000000000", ""},
        {"\"", "\""},
        {"\"1000000000000000000000", "\""},
        {"\"2024-01-", "\""},
        {"\"2024-01-", "T00:00:00Z\""},
        {"\"2024-01-01 00:00:", ".123+02:00\""},
        {"\"2024-01-01 00:00:00.", " UTC\""},
        {"\"2024-01-", " 00:00:00\""},
        {"\"2024-01-01T00:00:", "\""}, // no zone: the same records are noticed
        {"\"k", "\""},
    }));
    CAPTURE(before, behind);
    const bool falls = before != "-0.";
    ranked_api api;
    for (int i = 20; i > 10; --i)
        api.keys.push_back(before + std::to_string(falls ? i : 30 - i) + behind);
    const std::size_t at = before.find_first_of('"') == 0 ? before.size() - 1 : before.size();
    const std::size_t from = before.size();
    api.rank = [=](const std::string& key) {
        const double digits = std::stod(key.substr(key.front() == '"' ? from : at, 2));
        return falls ? digits : -digits;
    };
    api.changes = behind != "\"" || (before != "\"k" && before != "\"2024-01-01T00:00:");
    const bool with_tie = GENERATE(false, true);
    if (with_tie)
        api.keys.insert(api.keys.begin(), api.keys.front());
    keyset pager{http::request{"http://h/list"}, "/id", "since"};
    support::paged<keyset> reader{pager,
                                  [&](const http::request& request) { return api(request); }};
    const auto end = reader.run();
    INFO(end->reason());
    CHECK(end->code() == outcome_code::loop);
    CHECK(numbers(reader.got) == std::vector<std::size_t>{0, 1, 2});
    if (api.changes) {
        const auto shown = [](std::string key) {
            key.erase(std::remove(key.begin(), key.end(), '"'), key.end());
            return key;
        };
        CHECK(end->reason().find("page 2 begins with /id = " + shown(api.keys[0]) +
                                 ", but the one before ended with " + shown(api.keys[2])) == 0);
    }
}

TEST_CASE("a list that is not sorted by the key is told, and what is new there is delivered")
{
    const auto [keys, delivered, reason] =
        GENERATE(table<std::vector<std::string>, std::size_t, std::string>({
            {{"5", "1", "9", "2", "3", "4"}, 3, "page 1 has /id = 9 behind 1, against"},
            {{"1", "2", "3", "4", "100", "5", "6"}, 6, "page 2 has /id = 5 behind 100, against"},
            {{"1", "2", "3.5", "4", "1e1", "9.99"}, 6, "page 2 has /id = 9.99 behind 1e1, against"},
        }));
    CAPTURE(reason);
    ranked_api api{keys, [](const std::string& key) { return std::stod(key); }};
    api.changes = true;
    keyset pager{http::request{"http://h/list"}, "/id", "since"};
    support::paged<keyset> reader{pager,
                                  [&](const http::request& request) { return api(request); }};
    const auto end = reader.run();
    CAPTURE(end->reason());
    CHECK(end->code() == outcome_code::loop);
    CHECK(end->reason().find(reason) == 0);
    CHECK(reader.got.size() == delivered);
}

TEST_CASE("on a page out of order, what may have come before is not delivered")
{
    keyset pager{http::request{"http://h/list"}, "/id", "since"};
    std::vector<std::string> pages{
        R"([{"id":1},{"id":2},{"id":3}])",
        R"([{"id":3},{"x":1},{"id":4},{"id":2,"y":1},{"id":5},{"x":2}])"};
    support::paged<keyset> reader{
        pager, [&](const http::request& request) {
            const bool is_first = support::parameter(request, "since").empty();
            return http::response{200, {}, R"({"results":)" + pages[is_first ? 0 : 1] + "}"};
        }};
    const auto end = reader.run();
    CHECK(end->code() == outcome_code::loop);
    CHECK(end->reason() == "page 2 has /id = 2 behind 4, against the order of the list so far: it "
                           "is not sorted by that key; 5 records received");
    CHECK(reader.got.size() == 5);
}

TEST_CASE("keys that are the same only to the server: what comes again is dropped")
{
    const auto fold = [](const std::string& key) {
        const auto letter = key.find_first_of("abcdABCD");
        return letter == std::string::npos ? 0.0 : std::tolower(key[letter]) * 1.0;
    };
    const auto number = [](const std::string& key) {
        return std::stod(key.substr(key.front() == '"' ? 1 : 0));
    };
    ranked_api api = GENERATE_COPY(
        ranked_api{{R"("a")", R"("Abc")", R"("abc")", R"("b")", R"("C")", R"("c")", R"("d")"},
                   fold},
        ranked_api{{R"("11")", "12", R"("13")", "13", R"("14")", "14", "15"}, number},
        ranked_api{{"11", "12.0", "12.00", "12", "13", "13.0", "15"}, number},
        ranked_api{{"11", "12", "12.0", "13.0", "13", "14", "15"}, number});
    api.inclusive = true;
    const bool asks_for_size = GENERATE(true, false);
    keyset pager{http::request{"http://h/list"}, "/id", "since"};
    if (asks_for_size)
        pager.page_size(api.size = 4);
    else
        api.size = 4;
    support::paged<keyset> reader{pager,
                                  [&](const http::request& request) { return api(request); }};
    const auto end = reader.run();
    INFO(end->reason());
    CHECK(end->code() == outcome_code::complete);
    CHECK(numbers(reader.got) == std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6});
}

TEST_CASE("a server that reads less of a time than it gives: what comes again is dropped")
{
    const auto to_seconds = [](const std::string& key) { // of what is sent, no fraction is read
        const std::string digits = key.substr(key.rfind(':') + 1);
        return key.front() == '"' ? std::stod(digits) : std::floor(std::stod(digits));
    };
    ranked_api api{{}, to_seconds, true};
    for (const char* const second : {"01.1", "01.7", "02.3", "02.5", "02.6", "03.2", "03.3"})
        api.keys.push_back(std::string{"\"2024-01-01T00:00:"} + second + "Z\"");
    api.size = 4;
    keyset pager{http::request{"http://h/list"}, "/id", "since"};
    support::paged<keyset> reader{pager,
                                  [&](const http::request& request) { return api(request); }};
    const auto end = reader.run();
    INFO(end->reason());
    CHECK(end->code() == outcome_code::complete);
    CHECK(numbers(reader.got) == std::vector<std::size_t>{0, 1, 2, 3, 4, 5, 6});
}

TEST_CASE("a record without a key may stand on each page, and comes each time")
{
    keyset pager{http::request{"http://h/list"}, "/id", "since"};
    support::paged<keyset> reader{
        pager, [](const http::request& asked) {
            const std::string since = support::parameter(asked, "since");
            const int begin = since.empty() ? 0 : std::stoi(since);
            const std::string ad = R"({"results":[{"ad":1})";
            const std::string id = R"(,{"id":)" + std::to_string(begin + 1) + '}';
            return http::response{200, {}, begin == 3 ? R"({"results":[])" : ad + id + "]}"};
        }};
    CHECK_THROWS(reader.run());
    CHECK(reader.got.size() == 6);
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
