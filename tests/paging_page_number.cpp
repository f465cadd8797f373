#include <headgate/paging/page_number.hpp>

#include "support/catch.hpp"
#include "support/paged.hpp"

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>

using headgate::outcome_code;
using headgate::paging::page_number;
namespace http = headgate::http;

namespace {

struct api {
    std::uint64_t records;
    std::uint64_t largest_page = 100;
    bool tells_total = true;
    std::uint64_t claimed = 0;
    int past_end = 200;
    std::set<std::uint64_t> empty{};
    std::uint64_t clamp_to = 0; // the last page that there is, given for all behind it

    http::response operator()(const http::request& asked) const
    {
        std::uint64_t page = std::stoull(support::parameter(asked, "page")) - 1;
        const std::string limit = support::parameter(asked, "limit");
        const std::uint64_t size =
            std::min<std::uint64_t>(limit.empty() ? 50 : std::stoull(limit), largest_page);
        if (page > 0 && page * size >= records && past_end != 200)
            return http::response{past_end};
        if (clamp_to > 0)
            page = std::min(page, clamp_to - 1);
        nlohmann::json body{{"results", nlohmann::json::array()}};
        if (tells_total)
            body["count"] = claimed > 0 ? claimed : records;
        if (empty.count(page + 1) == 0)
            for (std::uint64_t i = page * size; i < std::min(records, (page + 1) * size); ++i)
                body["results"].push_back({{"id", i}});
        return http::response{200, {}, body.dump()};
    }
};

struct job {
    explicit job(api server, std::size_t page_size = 0)
        : pager{http::request{"http://h/list?q=1"}}, reader{pager, server}
    {
        if (page_size > 0)
            pager.page_size(page_size);
        reader.shuffled = true;
    }

    bool each_once(std::size_t records) const
    {
        std::set<std::uint64_t> ids;
        for (const auto& each : reader.got)
            ids.insert(each.at("id").get<std::uint64_t>());
        return reader.got.size() == records && ids.size() == records;
    }

    page_number pager;
    support::paged<page_number> reader;
};

} // namespace

TEST_CASE("every record comes once, whatever the page size and the end")
{
    api server{GENERATE(0u, 1u, 50u, 100u, 1234u)};
    server.tells_total = GENERATE(true, false);
    server.past_end = GENERATE(200, 404);
    job list{server, GENERATE(0u, 7u, 100u, 500u)};
    const auto end = list.reader.run();
    REQUIRE(end);
    INFO(end->reason());
    CHECK(end->code() == outcome_code::complete);
    CHECK(list.each_once(server.records));
}

TEST_CASE("page numbers: the last page again and again is the end")
{
    api server{230};
    server.clamp_to = 5;
    server.tells_total = GENERATE(true, false);
    job list{server, 50};
    CHECK(list.reader.run()->code() == outcome_code::complete);
    CHECK(list.each_once(230));
}

TEST_CASE("page numbers: a total that is not reached is told, an empty page within is read over")
{
    api server{400};
    server.claimed = 1000;
    job lying{server, 100};
    CHECK(lying.reader.run()->code() == outcome_code::count_mismatch);
    CHECK(lying.each_once(400));
    api gap{1000};
    gap.empty = {3};
    job with_gap{gap, 100};
    CHECK(with_gap.reader.run()->code() == outcome_code::count_mismatch);
    CHECK(with_gap.each_once(900));
    api ceiling{1000};
    ceiling.claimed = 25'001;
    ceiling.past_end = 422;
    job refused{ceiling, 100};
    CHECK(refused.reader.run()->code() == outcome_code::server_ceiling);
    CHECK(refused.each_once(1000));
}

TEST_CASE("page numbers: the parameters")
{
    page_number pager{http::request{"http://h/list?q=1"}};
    pager.page_size(20).page_param("p").limit_param("per_page").first_page(0);
    const auto first = pager.next().value();
    CHECK(pager.request(first).url().str() == "http://h/list?q=1&p=0&per_page=20");
    CHECK(pager.describe(first) == "page 0");
    CHECK_THROWS_AS(pager.page_size(0), std::invalid_argument);
    CHECK_THROWS_AS(pager.total("count"), std::invalid_argument);
}
