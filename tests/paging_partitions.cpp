#include <headgate/paging/cursor.hpp>
#include <headgate/paging/offset.hpp>
#include <headgate/paging/partitions.hpp>

#include "support/catch.hpp"
#include "support/paged.hpp"

#include <map>
#include <string>

using headgate::outcome_code;
namespace http = headgate::http;
namespace paging = headgate::paging;

namespace {

/// Three pages by cursor, whatever the list; those of the list "bad" fail from the second on.
http::response three_pages(const http::request& asked)
{
    const std::string cursor = support::parameter(asked, "cursor");
    const int page = cursor.empty() ? 0 : std::stoi(cursor);
    const bool bad = asked.url().str().find("bad") != std::string::npos;
    if (bad && page > 0)
        return http::response{500};
    const nlohmann::json next = page < 2 ? nlohmann::json{page + 1} : nlohmann::json{nullptr};
    return http::response{
        200, {}, nlohmann::json{{"results", {{{"id", page}}}}, {"next", next.at(0)}}.dump()};
}

paging::partitions<paging::cursor> lists(std::initializer_list<const char*> names)
{
    paging::partitions<paging::cursor> result;
    for (const std::string name : names)
        result.add(name, paging::cursor{http::request{"http://h/" + name}});
    return result;
}

} // namespace

TEST_CASE("many lists are read side by side")
{
    auto pager = lists({"a", "b", "c"});
    const auto first = pager.next().value();
    CHECK(first.list() == 0);
    CHECK(pager.describe(first) == "a, page 1");
    CHECK(pager.next()->list() == 1);

    auto whole = lists({"a", "b", "c"});
    support::paged<decltype(whole)> reader{whole, three_pages};
    reader.shuffled = true;
    const auto end = reader.run();
    CHECK(end->reason() == "all 3 lists complete");
    CHECK(reader.got.size() == 9);
}

TEST_CASE("a list that fails does not stop the others, and is named")
{
    auto pager = lists({"a", "bad", "c"});
    support::paged<decltype(pager)> reader{pager, three_pages};
    const auto end = reader.run();
    CHECK(end->code() == outcome_code::page_failed);
    CHECK(end->reason().find("bad: ") == 0);
    CHECK(reader.got.size() == 7);
}

TEST_CASE("a list that must be read in order is refused")
{
    paging::partitions<paging::offset> pager;
    paging::offset ordered{http::request{"http://h/"}};
    CHECK_THROWS_WITH(pager.add("x", ordered.seam_check("/id")), Catch::Contains("\"x\""));
}
