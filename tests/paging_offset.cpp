#include <headgate/detail/page_tail.hpp>
#include <headgate/paging/offset.hpp>

#include "support/catch.hpp"
#include "support/paged.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

using headgate::outcome_code;
using headgate::paging::offset;
namespace http = headgate::http;

namespace {

/// A list behind an API, and a pager's whole run against it.
struct api {
    std::uint64_t records;
    std::uint64_t largest_page = 100;
    bool tells_total = true;
    std::uint64_t claimed = 0; // instead of the truth
    bool honours_limit = true;
    unsigned shorten = 0; // one in so many pages comes short
    int past_end = 200;   // status

    std::uint64_t default_page = 50;
    std::set<std::uint64_t> empty{}; // offsets at which pages are, by mistake
    std::set<std::uint64_t> broken{};
    std::mt19937_64 random{1};
    std::vector<std::uint64_t> got{};
    std::size_t requests = 0;

    std::optional<headgate::paging::page_end> run(offset pager, bool shuffled = true,
                                                  std::size_t at_once = 16)
    {
        support::paged<offset> reader{pager, [this](const auto& asked) { return answer(asked); }};
        reader.shuffled = shuffled;
        reader.most_at_once = at_once;
        auto end = reader.run();
        requests = reader.requests;
        for (const auto& each : reader.got)
            got.push_back(each.at("id"));
        return end;
    }

    http::response answer(const http::request& asked)
    {
        const std::uint64_t begin = std::stoull(support::parameter(asked, "offset"));
        const std::string limit = support::parameter(asked, "limit");
        std::uint64_t count = limit.empty() || !honours_limit ? default_page : std::stoull(limit);
        if (broken.count(begin) > 0)
            return http::response{500};
        if (begin >= records && past_end != 200)
            return http::response{past_end};
        count = std::min(count, largest_page);
        if (shorten > 0 && random() % shorten == 0)
            count = 1 + random() % count;
        count = begin >= records || empty.count(begin) > 0 ? 0 : std::min(count, records - begin);
        nlohmann::json document{{"results", nlohmann::json::array()}};
        if (tells_total)
            document["count"] = claimed > 0 ? claimed : records;
        for (std::uint64_t i = 0; i < count; ++i)
            document["results"].push_back({{"id", begin + i}});
        return http::response{200, {}, document.dump()};
    }

    bool each_once() const
    {
        return got.size() == records &&
               std::set<std::uint64_t>(got.begin(), got.end()).size() == records;
    }
};

offset list(std::size_t page_size = 0)
{
    offset pager{http::request{"http://h/list?q=1"}};
    return page_size > 0 ? pager.page_size(page_size) : pager;
}

} // namespace

TEST_CASE("behind a mark the spans next to it are asked for first")
{
    offset pager = offset{http::request{"http://api/list"}}.page_size(10);
    pager.may_overrun(7, false);
    const auto receive = [&](const offset::position& where, std::size_t records) {
        nlohmann::json body{{"results", nlohmann::json::array()}};
        for (std::size_t i = 0; i < records; ++i)
            body["results"].push_back({{"id", where.begin() + i}});
        const http::response response{200, {}, body.dump()};
        const nlohmann::json::json_pointer pointer{"/results"};
        const auto page = headgate::json_parser{}.parse(response.body(), pointer);
        const http::request asked = pager.request(where);
        pager.received(
            where,
            {asked.url(), response, page.document, pointer, {response.body(), page.records}});
    };
    const auto first = pager.next();
    REQUIRE(first);
    REQUIRE(pager.wanted(*first));
    receive(*first, 10);
    std::vector<offset::position> given;
    while (given.size() < 6)
        given.push_back(pager.next().value());
    for (std::size_t i = 0; i < 4; ++i) // at 10 to 40
        CHECK(pager.wanted(given[i]));
    receive(given[1], 0);
    CHECK_FALSE(pager.wanted(given[3]));
    CHECK_FALSE(pager.wanted(given[2]));
    receive(given[0], 10);
    CHECK_FALSE(pager.wanted(given[4]));
    const auto again = pager.next();
    REQUIRE(again);
    CHECK(again->begin() == 30);
    CHECK_FALSE(pager.wanted(given[5])); // that one was only given out
    CHECK(pager.wanted(*again));
}

TEST_CASE("every record comes once, whatever the server makes of the page size")
{
    const std::uint64_t records = GENERATE(0u, 1u, 49u, 50u, 51u, 100u, 1234u);
    const std::size_t page_size = GENERATE(0u, 7u, 100u, 1000u);
    const bool total = GENERATE(true, false);
    const bool honours = GENERATE(true, false);
    const unsigned shorten = GENERATE(0u, 3u);
    api server{records};
    server.tells_total = total;
    server.honours_limit = honours;
    server.shorten = shorten;
    CAPTURE(records, page_size, total, honours, shorten);
    const auto end = server.run(list(page_size));
    REQUIRE(end);
    CHECK(end->code() == outcome_code::complete);
    CHECK(server.each_once());
}

TEST_CASE("pages are asked for side by side, with a total and without")
{
    api known{1000};
    const auto reached = known.run(list(100));
    CHECK(reached->reason() == "total of 1000 records reached");
    CHECK(known.requests == 11); // a full page is no proof of the end
    api unknown{1000};
    unknown.tells_total = false;
    const auto empty = unknown.run(list(100));
    CHECK(empty->reason() == "empty page at offset 1000, the end");
    CHECK(unknown.requests <= 10 + 16);
    api alone{1000};
    alone.tells_total = false;
    CHECK(alone.run(list(100), false, 1)->code() == outcome_code::complete);
    CHECK(alone.requests == 13); // two empty pages, the first of them twice
}

TEST_CASE("the first page is asked for alone")
{
    offset pager = list(100);
    REQUIRE(pager.next());
    CHECK_FALSE(pager.next());
}

TEST_CASE("what servers answer behind the end is the end")
{
    const int status = GENERATE(404, 416, 422);
    const bool total = GENERATE(true, false);
    api server{250};
    server.past_end = status;
    server.tells_total = total;
    const auto end = server.run(list(50));
    CAPTURE(status, total, end->reason());
    CHECK(end->code() == outcome_code::complete);
    CHECK(server.each_once());
    api ceiling{100};
    ceiling.past_end = status;
    ceiling.claimed = 5000;
    const auto refused = ceiling.run(list(50));
    CHECK(refused->code() == outcome_code::server_ceiling);
    CHECK(refused->reason().find("status " + std::to_string(status)) == 0);
    CHECK(ceiling.each_once());
}

TEST_CASE("an empty page in the midst of a list is not its end")
{
    api server{1000};
    server.tells_total = false;
    server.empty = {300};
    const auto end = server.run(list(100));
    CHECK(end->code() == outcome_code::complete);
    CHECK(server.got.size() == 900);
    api with_total{1000};
    with_total.empty = {300, 400};
    CHECK(with_total.run(list(100))->code() == outcome_code::count_mismatch);
    CHECK(with_total.got.size() == 800);
}

TEST_CASE("a total far beyond the end is not believed for long")
{
    api server{250};
    server.claimed = 1'000'000'000;
    const auto end = server.run(list(50), false, 4);
    CHECK(end->code() == outcome_code::count_mismatch);
    CHECK(server.each_once());
    CHECK(server.requests < 30);
}

TEST_CASE("a page that cannot be had ends the list where it stands")
{
    api server{1000};
    server.broken = {500};
    server.tells_total = GENERATE(true, false);
    const auto end = server.run(list(100));
    CHECK(end->code() == outcome_code::page_failed);
    CHECK(end->reason().find("offset 500: status 500") != std::string::npos);
    CHECK(server.got.size() >= 500);
    api behind{250};
    behind.tells_total = false;
    behind.broken = {400}; // behind the end, where nothing is missing
    CHECK(behind.run(list(50), false)->code() == outcome_code::complete);
    CHECK(behind.each_once());
}

TEST_CASE("a copy of the last or the first page is the end")
{
    const bool last = GENERATE(true, false);
    const bool total = GENERATE(true, false);
    api server{230};
    server.tells_total = total;
    offset pager = list(50);
    support::paged<offset> reader{
        pager, [&](const http::request& asked) {
            const std::uint64_t begin = std::stoull(support::parameter(asked, "offset"));
            http::request other{asked};
            http::url url{asked.url()};
            url.set_query("offset", begin < 230 ? std::to_string(begin) : last ? "200" : "0");
            return server.answer(other.url(std::move(url)));
        }};
    reader.shuffled = GENERATE(true, false);
    const auto end = reader.run();
    CAPTURE(last, total, end->reason());
    CHECK(end->code() == outcome_code::complete);
    CHECK(reader.got.size() == 230);
}

TEST_CASE("a server that gives the same page whatever it is asked for is a loop")
{
    offset pager = list(GENERATE(0u, 50u, 500u));
    support::paged<offset> reader{pager, [&](const http::request&) {
                                      api server{1000};
                                      server.tells_total = false;
                                      http::url url{"http://h/?offset=0&limit=50"};
                                      return server.answer(http::request{std::move(url)});
                                  }};
    CHECK(reader.run()->code() == outcome_code::loop);
    CHECK(reader.got.size() == 50);
}

TEST_CASE("the same numbers twice are not taken for a copy and the end")
{
    offset pager = list(2);
    support::paged<offset> reader{
        pager, [&](const http::request& asked) {
            const bool end = std::stoull(support::parameter(asked, "offset")) >= 8;
            return http::response{200, {}, end ? R"({"results":[]})" : R"({"results":[5,5]})"};
        }};
    CHECK(reader.run()->code() == outcome_code::loop); // cannot be told, so it is not complete
}

TEST_CASE("a server's own page size is learned")
{
    api server{10'000};
    server.tells_total = GENERATE(true, false);
    const auto end = server.run(list(500));
    CHECK(end->code() == outcome_code::complete);
    CHECK(server.each_once());
    CHECK(server.requests <= 102 + 16);
}

TEST_CASE("a list that ends before its total is not complete")
{
    api server{130};
    server.claimed = 1000;
    const auto end = server.run(list(100));
    REQUIRE(end);
    CHECK(end->code() == outcome_code::count_mismatch);
    CHECK(end->reason().find("tells of 1000") != std::string::npos);
    CHECK(end->reason().find("130 received") != std::string::npos);
    CHECK(server.each_once());
    api nothing{0};
    nothing.claimed = 5;
    CHECK(nothing.run(list())->code() == outcome_code::count_mismatch);
}

TEST_CASE("an absurd total neither overflows nor plans for ever")
{
    api server{250};
    server.claimed = ~std::uint64_t{0};
    offset pager = list(100);
    const auto first = pager.next().value();
    const auto response = server.answer(pager.request(first));
    const nlohmann::json::json_pointer pointer{"/results"};
    const auto page = headgate::json_parser{}.parse(response.body(), pointer);
    const headgate::record_range records{response.body(), page.records};
    pager.received(first, {list().request(first).url(), response, page.document, pointer, records});
    for (int i = 0; i < 100; ++i)
        REQUIRE(pager.next());
}

namespace {

/// A list of 47 records in pages of 10, with a server that is a function of the offset.
struct odd_list {
    using rows = std::vector<std::uint64_t>;

    explicit odd_list(std::size_t at_once, bool is_shuffled = false)
        : reader{pager, [this](const http::request& asked) {
                     return answer(std::stoull(support::parameter(asked, "offset")));
                 }}
    {
        reader.most_at_once = at_once;
        reader.shuffled = is_shuffled;
    }

    static http::response page(const rows& ids, std::optional<std::uint64_t> count = std::nullopt)
    {
        nlohmann::json body{{"results", nlohmann::json::array()}};
        for (const std::uint64_t id : ids)
            body["results"].push_back({{"id", id}});
        if (count)
            body["count"] = *count;
        return http::response{200, {}, body.dump()};
    }

    static rows from(std::uint64_t begin)
    {
        rows result;
        for (std::uint64_t id = begin; id < std::min<std::uint64_t>(begin + 10, 47); ++id)
            result.push_back(id);
        return result;
    }

    bool each_once(std::size_t records = 47) const
    {
        std::set<std::uint64_t> ids;
        for (const auto& each : reader.got)
            ids.insert(each.at("id").get<std::uint64_t>());
        return ids.size() == records && reader.got.size() == records;
    }

    std::function<http::response(std::uint64_t)> answer;
    offset pager{offset{http::request{"http://h/list"}}.page_size(10)};
    support::paged<offset> reader;
};

} // namespace

TEST_CASE("what looks like the end once, in the midst of a list, is asked for again")
{
    const int what = GENERATE(0, 1, 404, 416, 422); // empty, a copy, or that status
    odd_list list{GENERATE(1u, 2u, 3u, 8u, 64u), GENERATE(true, false)};
    const std::uint64_t at = GENERATE(0u, 10u, 30u, 40u);
    if (at == 0 && what > 0)
        return;
    // Behind the last page that takes more requests than are in flight there anyway.
    list.reader.allowed_at_once = at == 40 ? 128 : 0;
    bool is_first = true;
    list.answer = [&](std::uint64_t begin) {
        if (begin == at && std::exchange(is_first, false))
            return what > 1 ? http::response{what}
                            : list.page(what == 0 ? odd_list::rows{} : list.from(0));
        return list.page(list.from(begin));
    };
    const auto end = list.reader.run();
    CAPTURE(what, at, list.reader.most_at_once, list.reader.shuffled, end->reason());
    CHECK(end->code() == outcome_code::complete);
    CHECK(list.each_once());
}

TEST_CASE("a page that stays a copy of another is no end, wherever it is")
{
    odd_list list{GENERATE(1u, 8u)};
    const std::uint64_t at = GENERATE(20u, 40u);
    list.answer = [&](std::uint64_t begin) {
        return list.page(list.from(begin == at ? 10 : begin));
    };
    const auto end = list.reader.run();
    CHECK(end->code() == outcome_code::loop);
    CHECK(end->reason().find("the page at offset " + std::to_string(at) +
                             " repeats that at offset 10") == 0);
}

TEST_CASE("a page that is missing once and empty then is no empty page")
{
    odd_list list{GENERATE(1u, 8u)};
    unsigned tries = 0;
    list.answer = [&](std::uint64_t begin) {
        if (begin == 20 && ++tries < 3)
            return tries == 1 ? http::response{404} : list.page({});
        return list.page(list.from(begin));
    };
    const auto end = list.reader.run();
    CHECK(end->code() == outcome_code::page_failed);
    CHECK(end->reason().find("page at offset 20: status 404") == 0);
}

TEST_CASE("an end after pages of many sizes is one")
{
    odd_list list{GENERATE(1u, 8u)};
    const bool first = GENERATE(true, false); // page behind the end, or none
    const bool is_moved = first && GENERATE(true, false);
    list.answer = [&](std::uint64_t begin) {
        if (is_moved && begin >= 40 && begin < 47)
            return list.page(list.from(37));
        auto rows = begin >= 47 && first ? list.from(0) : list.from(begin);
        if (begin % 3 == 1 && begin < 47)
            rows.resize(rows.size() - rows.size() / 4);
        return list.page(rows);
    };
    const auto end = list.reader.run();
    CAPTURE(first, is_moved, end->reason());
    CHECK(end->code() == (is_moved ? outcome_code::loop : outcome_code::complete));
    if (!is_moved)
        CHECK(list.each_once());
}

TEST_CASE("a server's own page size is learned also where two of its pages are one of ours")
{
    odd_list list{GENERATE(1u, 8u)};
    list.pager.page_size(6);
    list.answer = [&](std::uint64_t begin) {
        auto rows = list.from(begin);
        rows.resize(std::min<std::size_t>(rows.size(), 3));
        std::erase_if(rows, [](std::uint64_t id) { return id >= 18 && id <= 20; });
        return list.page(rows);
    };
    CHECK(list.reader.run()->code() == outcome_code::complete);
    CHECK(list.each_once(44));
}

TEST_CASE("a total does not hide what cannot be had")
{
    odd_list list{GENERATE(1u, 8u)};
    const int kind = GENERATE(0, 1, 2);
    list.answer = [&](std::uint64_t begin) {
        const auto rows = list.from(begin);
        if (kind == 0) // the total is that of the page
            return begin >= 10 ? http::response{500} : list.page(rows, rows.size());
        if (kind == 1) // too small
            return begin >= 20 ? http::response{500} : list.page(rows, 20);
        return begin == 20 ? http::response{500} : list.page(rows, begin == 0 ? 47 : 37);
    };
    const auto end = list.reader.run();
    CAPTURE(kind, end->reason());
    CHECK(end->code() == outcome_code::page_failed);
}

TEST_CASE("a total that has fallen below what came is told")
{
    odd_list list{4};
    list.answer = [&](std::uint64_t begin) {
        return list.page(begin < 30 ? list.from(begin) : odd_list::rows{}, begin == 0 ? 47 : 30);
    };
    const auto end = list.reader.run();
    CHECK(end->code() == outcome_code::list_changed);
    CHECK(end->reason().find("the total fell from 47 to 30") != std::string::npos);
}

TEST_CASE("a last page that is moved to begin before its place is told")
{
    const bool total = GENERATE(true, false);
    odd_list list{GENERATE(1u, 8u)};
    list.answer = [&](std::uint64_t begin) {
        return list.page(list.from(std::min<std::uint64_t>(begin, 37)),
                         total ? std::optional<std::uint64_t>{47} : std::nullopt);
    };
    const auto end = list.reader.run();
    CHECK(end->code() == outcome_code::loop);
    CHECK(end->reason().find("offset 40 has records of the pages before") != std::string::npos);
}

TEST_CASE("rows that a server leaves out after counting them bring none twice")
{
    odd_list list{GENERATE(1u, 8u, 64u)};
    const std::uint64_t hidden = GENERATE(3u, 7u);
    list.answer = [&](std::uint64_t begin) {
        auto rows = list.from(begin);
        std::erase_if(rows, [&](std::uint64_t id) { return id % hidden == 0; });
        return list.page(rows);
    };
    const auto end = list.reader.run();
    CAPTURE(hidden, end->reason());
    CHECK(end->code() == outcome_code::complete);
    CHECK(list.each_once(hidden == 3 ? 31 : 40));
}

TEST_CASE("requests carry the parameters and keep what the list has")
{
    offset pager = list(100);
    pager.offset_param("from").limit_param("size").total("/meta/total");
    const auto first = pager.next().value();
    CHECK(pager.request(first).url().str() == "http://h/list?q=1&from=0&size=100");
    CHECK(pager.describe(first) == "offset 0");
    offset plain = list();
    CHECK(plain.request(plain.next().value()).url().str() == "http://h/list?q=1&offset=0");
    CHECK_THROWS_AS(pager.page_size(0), std::invalid_argument);
    CHECK_THROWS_WITH(pager.total("count"), Catch::Contains("\"count\" is not a JSON Pointer"));
}

TEST_CASE("parameters can go into a JSON body")
{
    http::request search{"http://h/search"};
    search.method("POST").body(R"({"q":"x","page":{"from":7}})", "application/json");
    offset pager{search};
    pager.page_size(100).offset_param("/page/from").limit_param("/page/size");
    const auto asked = pager.request(pager.next().value());
    CHECK(*asked.body() == R"({"q":"x","page":{"from":0,"size":100}})");
    CHECK(asked.url().str() == "http://h/search");
    CHECK(asked.method() == "POST");
    CHECK_THROWS_AS(pager.offset_param("/~2"), std::invalid_argument);
}

TEST_CASE("what else is in a JSON body is sent to the last digit")
{
    http::request search{"http://h/search"};
    search.method("POST").body(R"({ "price": 1.10, "account": 20000000000000001234 })");
    offset pager{search};
    pager.offset_param("/from");
    CHECK(*pager.request(pager.next().value()).body() ==
          R"({ "price": 1.10, "account": 20000000000000001234,"from":0 })");
    for (const char* other : {"[]", "1", "", "{", "{\"a\":}"}) {
        offset none{http::request{search}.body(other)};
        none.offset_param("/from");
        CHECK_THROWS_WITH(none.request(none.next().value()),
                          Catch::Contains("/from cannot be set in it"));
    }
}

TEST_CASE("a page size that is no multiple of the server's does no harm")
{
    const auto [size, largest] = GENERATE(std::pair{5u, 3u}, std::pair{4u, 3u}, std::pair{11u, 10u},
                                          std::pair{19u, 10u}, std::pair{20u, 10u});
    odd_list list{GENERATE(1u, 8u)};
    list.pager.page_size(size);
    list.answer = [&, most = largest](std::uint64_t begin) {
        auto rows = list.from(begin);
        rows.resize(std::min<std::size_t>(rows.size(), most));
        return list.page(rows);
    };
    CHECK(list.reader.run()->code() == outcome_code::complete);
    CHECK(list.each_once());
    CHECK(list.reader.requests <= 47 / largest + 1 + 3 + 8);
}

TEST_CASE("a record that comes again is no page that does")
{
    odd_list list{GENERATE(1u, 8u)};
    const std::uint64_t again = GENERATE(0u, 35u);
    const bool tells_total = GENERATE(true, false);
    list.answer = [&](std::uint64_t begin) {
        // The first of a page that has new ones behind it, or the only one of the last.
        std::vector<std::uint64_t> rows;
        for (std::uint64_t i = begin; i < std::min<std::uint64_t>(begin + 10, 41); ++i)
            rows.push_back(i == (again == 0 ? 20 : 40) ? again : i);
        return tells_total ? list.page(rows, 41) : list.page(rows);
    };
    const auto end = list.reader.run();
    CAPTURE(again, tells_total, end->reason());
    CHECK(list.reader.got.size() == 41);
    CHECK(end->code() == outcome_code::complete);
}

TEST_CASE("the longest overlap is found")
{
    std::mt19937_64 random{1};
    for (int round = 0; round < 2000; ++round) {
        const auto some = [&] {
            std::vector<std::size_t> result(random() % 12);
            for (auto& each : result)
                each = random() % 2;
            return result;
        };
        const auto all = some(), next = some();
        const std::size_t most = random() % 12;
        std::size_t expected = std::min({all.size(), next.size(), most});
        while (!std::equal(all.end() - static_cast<std::ptrdiff_t>(expected), all.end(),
                           next.begin(), next.begin() + static_cast<std::ptrdiff_t>(expected)))
            --expected;
        CHECK(headgate::detail::overlap(all, next, most) == expected);
    }
}

TEST_CASE("what a page has of others is found in pages of any length")
{
    constexpr std::size_t count = 500'000;
    std::vector<std::size_t> first(count);
    std::iota(first.begin(), first.end(), std::size_t{1});
    const std::vector<std::size_t> turned{first.rbegin(), first.rend()};
    std::vector<std::size_t> second(count);
    std::iota(second.begin(), second.end(), count + 1);
    headgate::detail::page_tail tail;
    tail.add(0, first, 0, count);
    CHECK(tail.has_all_before(count, turned));
    CHECK_FALSE(tail.has_all_before(0, turned));
    tail.add(count, second, 0, count);
    CHECK_FALSE(tail.is_repeated());
    CHECK_FALSE(tail.has_all_before(2 * count, {1, 2 * count, 2 * count + 1}));
    CHECK(tail.has_all_before(2 * count, {1, 2 * count}));
    second.back() = 1;
    tail.add(count, second, 0, count);
    CHECK(tail.is_repeated());

    std::vector<std::size_t> same(count, 1);
    std::vector<std::size_t> other{same};
    other.back() = 2;
    CHECK(headgate::detail::overlap(other, same, count) == 0);
    CHECK(headgate::detail::overlap(same, other, count) == count - 1);
}
