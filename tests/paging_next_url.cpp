#include <headgate/paging/next_url.hpp>

#include "support/catch.hpp"
#include "support/paged.hpp"

#include <string>
#include <vector>

using headgate::outcome_code;
using headgate::paging::next_url;
namespace http = headgate::http;

namespace {

http::request list()
{
    return http::request{"http://user:pw@api.test:80/v1/list?q=1"}.header("X-Api-Key", "secret");
}

/// Gives one page that leads to `next`, and a last one; the requests that were made.
struct two_pages {
    std::string next;
    std::vector<http::request> asked{};

    std::optional<headgate::paging::page_end> read(next_url pager, bool in_link = false)
    {
        support::paged<next_url> reader{
            pager, [&](const http::request& request) {
                asked.push_back(request);
                if (asked.size() > 1)
                    return http::response{200, {}, R"({"results":[{"id":2}]})"};
                if (in_link)
                    return http::response{200, {{"Link", next}}, R"({"results":[{"id":1}]})"};
                const nlohmann::json body{{"results", {{{"id", 1}}}}, {"next", next}};
                return http::response{200, {}, body.dump()};
            }};
        return reader.run();
    }
};

} // namespace

TEST_CASE("the next URL is followed within the origin")
{
    const auto [next, url] = GENERATE(table<std::string, std::string>({
        {"http://api.test/v1/list?page=2", "http://user:pw@api.test:80/v1/list?page=2"},
        {"http://API.test:80/other", "http://user:pw@api.test/other"},
        {"?page=2", "/v1/list?page=2"},
        {"more?page=2", "/v1/more?page=2"},
        {"/v2/list", "/v2/list"},
        {"//api.test/v2", "/v2"},
        {"http://user:pw@api.test/x", "/x"},
    }));
    CAPTURE(next);
    two_pages server{next};
    const auto end = server.read(next_url{list()});
    REQUIRE(end);
    INFO(end->reason());
    CHECK(end->code() == outcome_code::complete);
    REQUIRE(server.asked.size() == 2);
    const std::string path = url[0] == '/' ? url : url.substr(url.find('/', 8));
    const std::string got = server.asked[1].url().str();
    CHECK(got.substr(got.find('/', 8)) == path);
    CHECK(server.asked[1].url().same_origin(list().url()));
    CHECK(server.asked[1].url().credentials() == "user:pw");
    CHECK(server.asked[1].headers() == list().headers());
}

TEST_CASE("what leads elsewhere is refused before there is a request")
{
    const std::string next = GENERATE(
        as<std::string>{}, "http://evil.test/", "//evil.test/", "https://api.test/",
        "http://api.test:8080/", "http://api.test@evil.test/", "http://api.test%2f@evil.test/",
        "http://other@api.test/", "http://user:pw@evil.test/", "file:///etc/passwd",
        "FILE:///etc/passwd", "gopher://api.test/", "ftp://api.test/", "javascript:alert(1)",
        "http://169.254.169.254/latest/meta-data", "http://[::1]/", "http://api.test.evil.test/",
        "http://api.test\\@evil.test/", "\\\\evil.test\\x", "http:\\\\evil.test",
        "http:///evil.test", "http://api.test:80@evil.test:80/", "http://evil.test\t/",
        "http://api.test#@evil.test/x y");
    CAPTURE(next);
    two_pages server{next};
    const auto end = server.read(next_url{list()});
    REQUIRE(end);
    INFO(end->reason());
    for (const http::request& each : server.asked) {
        CHECK(each.url().same_origin(list().url()));
        CHECK(each.url().credentials() == "user:pw");
    }
    if (server.asked.size() == 1)
        CHECK((end->code() == outcome_code::foreign_origin ||
               end->code() == outcome_code::page_failed));
}

TEST_CASE("an origin that is allowed gets no header field and no user name")
{
    two_pages server{"http://files.test/list?page=2"};
    const auto end = server.read(next_url{list()}.allow_origin("http://files.test"));
    REQUIRE(end);
    CHECK(end->code() == outcome_code::complete);
    REQUIRE(server.asked.size() == 2);
    CHECK(server.asked[1].headers().empty());
    CHECK(server.asked[1].url().str() == "http://files.test/list?page=2");
}

TEST_CASE("the Link header leads to the next page")
{
    two_pages server{R"(<?page=0>; rel=prev, <?page=2>; rel="last next", <?page=9>; rel=last)"};
    CHECK(server.read(next_url{list()}.in_link(), true)->code() == outcome_code::complete);
    REQUIRE(server.asked.size() == 2);
    CHECK(server.asked[1].url().query() == "page=2");
    two_pages anchored{R"(<?page=2>; rel=next; anchor="#other")"};
    CHECK(anchored.read(next_url{list()}.in_link(), true)->reason() == "no next link in any page");
    CHECK(anchored.asked.size() == 1);
}

TEST_CASE("a Link header that names a next page but cannot be read is not the end")
{
    const std::string header =
        GENERATE("?page=2; rel=\"next\"", "<?page=2; rel=next", "<?a>; rel=first; <?b>; REL=NEXT",
                 "&lt;?page=2&gt;; rel=\"next\"", "<?a>; rel=\"first, <?b>; rel=\"next\"");
    CAPTURE(header);
    two_pages server{header};
    const auto end = server.read(next_url{list()}.in_link(), true);
    CHECK(end->code() == outcome_code::page_failed);
    CHECK(end->reason() == "page 1: the Link header names a next page but is malformed: " + header +
                               "; 1 records received");
    CHECK(server.asked.size() == 1);
    two_pages lengthy{std::string(200, 'x') + " next"};
    CHECK(lengthy.read(next_url{list()}.in_link(), true)
              ->reason()
              .find("malformed: " + std::string(100, 'x') + "...") != std::string::npos);
}

TEST_CASE("a Link header that says nothing of a next page is the end, malformed or not")
{
    const std::string header =
        GENERATE("nonsense", "<?a; rel=prev", "?a; rel=nextish", "x; rel=next-archive",
                 R"(<?a>; title="<?b>; rel=\"next\""; rel=prev)", R"(<?a>; rel="http://x/next")",
                 "<?a>; rev=next", "<?a>; rel=prev; rel=next", R"(<?a>; rel=next; anchor="#x")");
    CAPTURE(header);
    two_pages server{header};
    CHECK(server.read(next_url{list()}.in_link(), true)->code() == outcome_code::complete);
    CHECK(server.asked.size() == 1);
}

TEST_CASE("next URL: a first page that names the next one elsewhere is not the end")
{
    const bool in_link = GENERATE(false, true);
    next_url pager{list()};
    if (in_link)
        pager.in_link();
    support::paged<next_url> reader{
        pager, [](const http::request&) {
            return http::response{200, {}, R"({"results":[1],"paging":{"next_url":"?page=2"}})"};
        }};
    const auto end = reader.run();
    CHECK(end->code() == outcome_code::page_failed);
    CHECK(end->reason() == std::string{"page 1: no "} + (in_link ? "next link" : "/next") +
                               " in the page, but there is /paging/next_url; 1 records received");
}

TEST_CASE("next URL: a page that says that there is more, or tells of more, is not the end")
{
    const auto [beside, code, why] = GENERATE(table<std::string, outcome_code, std::string>({
        {R"("meta":{"has_more":true})", outcome_code::page_failed, "but /meta/has_more is true"},
        {R"("meta":{"total":2})", outcome_code::count_mismatch, "but /meta/total tells of 2"},
    }));
    const bool in_link = GENERATE(false, true);
    next_url pager{list()};
    if (in_link)
        pager.in_link();
    const std::string body = R"({"results":[{"id":1}],)" + beside + "}";
    support::paged<next_url> reader{pager, [&body](const http::request&) {
                                        return http::response{200, {}, body};
                                    }};
    const auto end = reader.run();
    CHECK(end->code() == code);
    CHECK(end->reason().find(why) != std::string::npos);
    CHECK(reader.got.size() == 1);
}

TEST_CASE("next URL: the page size is for the first page")
{
    next_url pager{list()};
    pager.page_size(50, "per_page");
    const auto first = pager.next().value();
    CHECK(pager.request(first).url().query() == "q=1&per_page=50");
    CHECK_THROWS_AS(pager.page_size(0), std::invalid_argument);
    CHECK_THROWS_AS(pager.allow_origin("nonsense"), std::invalid_argument);
}
