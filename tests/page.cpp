#include <headgate/detail/record_store.hpp>
#include <headgate/json_parser.hpp>
#include <headgate/page.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <iterator>
#include <ranges>
#include <string>
#include <utility>

namespace {

headgate::page make(std::string body)
{
    auto parsed = headgate::json_parser{}.parse(body, nlohmann::json::json_pointer{});
    return {3, "offset 6", {std::move(body), std::move(parsed.records)}};
}

} // namespace

static_assert(std::ranges::random_access_range<headgate::record_range>);

TEST_CASE("a page's records are a range of records")
{
    const headgate::page page = make(R"([{"id":1},{"id":2},"three",4])");
    const auto records = page.records();
    CHECK(records.size() == 4);
    CHECK_FALSE(records.empty());
    CHECK(records.front().at("id") == 1);
    CHECK(records[1].at(nlohmann::json::json_pointer{"/id"}) == 2);
    CHECK(records.at(2).get<std::string>() == "three");
    CHECK(records.back().text() == "4");
    CHECK_THROWS_AS(records.at(4), std::out_of_range);
    CHECK_THROWS_AS(records.back().at("id"), nlohmann::json::exception);
    CHECK(std::ranges::count_if(records, &headgate::record::is_object) == 2);
    CHECK(records.end() - records.begin() == 4);
    CHECK((*--records.end()).text() == "4");
    std::string all;
    for (const auto& record : page.records())
        all += record.text();
    CHECK(all == R"({"id":1}{"id":2}"three"4)");
}

TEST_CASE("a record is a JSON value where one is wanted, with every digit in its text")
{
    const headgate::page page = make("[1.10, 18446744073709551617]");
    nlohmann::json list = nlohmann::json::array();
    for (const nlohmann::json& each : page.records())
        list.push_back(each);
    CHECK(list.size() == 2);
    CHECK(list[0] == 1.1);
    CHECK(page.records()[0].text() == "1.10");
    CHECK(page.records()[1].text() == "18446744073709551617");
}

TEST_CASE("a page can be copied and moved, also one that is short")
{
    for (const std::string body :
         {"[1]", "[\"a text that is longer than what a string keeps in itself\"]"}) {
        headgate::page page = make(body);
        const headgate::page copy = page;
        const headgate::page moved = std::move(page);
        CHECK(copy.records().front().text() == moved.records().front().text());
        CHECK(moved.index() == 3);
        CHECK(moved.where() == "offset 6");
    }
}

TEST_CASE("a page that comes in parts keeps the records of the later ones, not what is around them")
{
    const std::string around(10'000, ' ');
    headgate::detail::record_store store;
    for (const std::string record : {R"({"id":1})", R"({"id":2})", "[3]"}) {
        std::string body = "[0," + around + record + around + "]";
        auto parsed = headgate::json_parser{}.parse(body, nlohmann::json::json_pointer{});
        parsed.records.erase(parsed.records.begin());
        store.append(std::move(body), std::move(parsed.records));
    }
    CHECK(store.bytes() < 2 * around.size() + 100);
    REQUIRE(store.size() == 3);
    CHECK(store.records()[0].at("id") == 1);
    CHECK(store.records()[1].text() == R"({"id":2})");
    CHECK(store.records()[2].text() == "[3]");
}
