#include <headgate/paging/offset.hpp>

#include "support/catch.hpp"

#include <deque>
#include <random>
#include <set>
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

    std::uint64_t default_page = 50;
    std::mt19937_64 random{1};
    std::vector<std::uint64_t> got{};
    std::size_t requests = 0;
    std::size_t most_at_once = 0;

    std::optional<headgate::paging::page_end> run(offset pager, bool shuffled = true)
    {
        std::deque<offset::position> asked;
        for (;;) {
            while (auto next = pager.next())
                asked.push_back(*next);
            most_at_once = std::max(most_at_once, asked.size());
            if (asked.empty())
                return pager.end();
            REQUIRE_FALSE(pager.end());
            REQUIRE(++requests < 100'000);
            const std::size_t chosen = shuffled ? random() % asked.size() : 0;
            const offset::position where = asked[chosen];
            asked.erase(asked.begin() + static_cast<std::ptrdiff_t>(chosen));
            answer(pager, where);
        }
    }

    void answer(offset& pager, const offset::position& where)
    {
        std::uint64_t count = where.count() == 0 || !honours_limit ? default_page : where.count();
        count = std::min(count, largest_page);
        if (shorten > 0 && random() % shorten == 0)
            count = 1 + random() % count;
        count = where.begin() >= records ? 0 : std::min(count, records - where.begin());
        nlohmann::json document = nlohmann::json::object();
        if (tells_total)
            document["count"] = claimed > 0 ? claimed : records;
        const http::response response{200};
        std::vector<nlohmann::json> records;
        for (std::uint64_t i = 0; i < count; ++i)
            records.push_back(where.begin() + i);
        const auto kept =
            pager.received(where, headgate::paging::page_content{response, document, records});
        for (std::uint64_t i = 0; i < kept; ++i)
            got.push_back(where.begin() + i);
        if (const auto rest = pager.rest(where))
            answer(pager, *rest);
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

TEST_CASE("a total lets pages be planned, an unknown end is found by an empty page")
{
    api known{1000};
    const auto reached = known.run(list(100));
    CHECK(reached->reason() == "total of 1000 records reached");
    CHECK(known.requests == 10);
    CHECK(known.most_at_once == 9);
    api unknown{1000};
    unknown.tells_total = false;
    const auto empty = unknown.run(list(100));
    CHECK(empty->reason() == "empty page at offset 1000, the end");
    CHECK(unknown.requests == 11);
    CHECK(unknown.most_at_once == 1);
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
    server.answer(pager, pager.next().value());
    for (int i = 0; i < 100; ++i)
        REQUIRE(pager.next());
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
