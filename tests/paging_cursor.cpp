#include <headgate/paging/cursor.hpp>

#include "support/catch.hpp"
#include "support/paged.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <vector>

using headgate::outcome_code;
using headgate::paging::cursor;
namespace http = headgate::http;

namespace {

http::request list()
{
    return http::request{"http://h/list"};
}

/// Answers each cursor, "" for none, with a body.
struct script {
    std::map<std::string, std::string> bodies;

    http::response operator()(const http::request& asked) const
    {
        const auto found = bodies.find(support::parameter(asked, "cursor"));
        return found == bodies.end() ? http::response{400} : http::response{200, {}, found->second};
    }
};

struct job {
    explicit job(std::map<std::string, std::string> bodies, cursor style = cursor{list()})
        : pager{std::move(style)}, reader{pager, script{std::move(bodies)}}, end{reader.run()}
    {
    }

    cursor pager;
    support::paged<cursor> reader;
    std::optional<headgate::paging::page_end> end;
};

} // namespace

TEST_CASE("a cursor leads from page to page to the end")
{
    const std::string last =
        GENERATE(R"({"results":[{"id":3}],"next":null})", R"({"results":[{"id":3}],"next":""})",
                 R"({"results":[{"id":3}],"next":false})", R"({"results":[{"id":3}]})");
    job read{{{"", R"({"results":[{"id":1},{"id":2}],"next":"a"})"},
              {"a", R"({"results":[],"next":"b"})"}, // empty is not the end
              {"b", last}}};
    REQUIRE(read.end);
    CHECK(read.end->code() == outcome_code::complete);
    CHECK(read.end->reason() == "no /next");
    CHECK(read.reader.got.size() == 3);
}

TEST_CASE("a page with nothing at all on it is asked for again before that is the end")
{
    const std::string slips = GENERATE("", "a");
    const std::string nothing = GENERATE(R"({"results":[]})", R"({"results":null})");
    std::size_t left = GENERATE(1U, 100U);
    script api{{{"", R"({"results":[{"id":1}],"next":"a"})"},
                {"a", R"({"results":[{"id":2}],"next":"b"})"},
                {"b", R"({"results":[{"id":3}]})"}}};
    cursor pager{list()};
    support::paged<cursor> reader{pager, [&](const http::request& asked) {
                                      const bool is_here =
                                          support::parameter(asked, "cursor") == slips;
                                      return is_here && left > 0 && left-- > 0
                                                 ? http::response{200, {}, nothing}
                                                 : api(asked);
                                  }};
    const auto end = reader.run();
    CHECK(end->code() == outcome_code::complete);
    if (left == 0) {
        CHECK(reader.got.size() == 3);
        CHECK(reader.requests == 4);
    } else {
        CHECK(left == 98); // believed when it is there twice
    }
}

TEST_CASE("an empty page that says that this is all is asked for once")
{
    const std::string end = GENERATE(R"({"results":[],"next":null})", R"({"results":[],"count":1})",
                                     R"({"results":[],"has_more":false})");
    job read{{{"", R"({"results":[{"id":1}],"next":"a"})"}, {"a", end}}};
    CHECK(read.end->code() == outcome_code::complete);
    CHECK(read.reader.requests == 2);
}

TEST_CASE("a cursor goes back as it came")
{
    const auto [written, sent] = GENERATE(table<std::string, std::string>({
        {R"("a+b/c=d&e#f%g")", "a%2Bb%2Fc%3Dd%26e%23f%25g"},
        {R"("ä ü")", "%C3%A4%20%C3%BC"},
        {R"("a\u0001\r\nb")", "a%01%0D%0Ab"},
        {"9007199254740993", "9007199254740993"},
        {"18446744073709551616", "18446744073709551616"},
        {"123456789012345678901234567890", "123456789012345678901234567890"},
        {"-5", "-5"},
        {"1.50", "1.50"},
        {"0", "0"},
    }));
    CAPTURE(written);
    job read{{{"", R"({"results":[1],"next":)" + written + "}"},
              {sent, R"({"results":[2],"next":null})"}}};
    REQUIRE(read.end);
    INFO(read.end->reason());
    CHECK(read.end->code() == outcome_code::complete);
    CHECK(read.reader.got.size() == 2);
}

TEST_CASE("cursors that lead in a circle are a loop, and nothing is delivered twice")
{
    job at_once{{{"", R"({"results":[{"id":1}],"next":"a"})"},
                 {"a", R"({"results":[{"id":2}],"next":"a"})"}}};
    CHECK(at_once.end->code() == outcome_code::loop);
    CHECK(at_once.reader.got.size() == 2);
    job cycle{{{"", R"({"results":[{"id":1}],"next":"a"})"},
               {"a", R"({"results":[{"id":2}],"next":"b"})"},
               {"b", R"({"results":[{"id":3}],"next":"a"})"}}};
    CHECK(cycle.end->code() == outcome_code::loop);
    CHECK(cycle.reader.got.size() == 3);
    CHECK(cycle.reader.requests == 3);
    job to_first{{{"", R"({"results":[{"id":1}],"next":"b"})"},
                  {"b", R"({"results":[{"id":2}],"next":"a"})"},
                  {"a", R"({"results":[{"id":1}],"next":"b"})"}}};
    CHECK(to_first.end->code() == outcome_code::loop);
    CHECK(to_first.reader.got.size() == 2);
}

TEST_CASE("a cursor that changes while the pages do not is a loop")
{
    int nonce = 0;
    cursor pager{list()};
    support::paged<cursor> reader{
        pager, [&](const http::request&) {
            const std::string id = std::to_string(nonce % 3), next = std::to_string(++nonce);
            return http::response{
                200, {}, R"({"results":[{"id":)" + id + R"(}],"next":")" + next + "\"}"};
        }};
    CHECK(reader.run()->code() == outcome_code::loop);
    CHECK(reader.got.size() == 3);
    CHECK(reader.requests == 4);
}

TEST_CASE("empty pages for ever are told")
{
    int nonce = 0;
    cursor pager{list()};
    support::paged<cursor> reader{
        pager, [&](const http::request&) {
            return http::response{
                200, {}, R"({"results":[],"next":)" + std::to_string(++nonce) + "}"};
        }};
    CHECK(reader.run()->code() == outcome_code::empty_run);
    CHECK(reader.requests == 1001);
}

TEST_CASE("a cursor in a header, and a field that says whether there is more")
{
    cursor in_header{list()};
    in_header.in_header("X-Next");
    support::paged<cursor> reader{
        in_header, [](const http::request& asked) {
            const bool first = support::parameter(asked, "cursor").empty();
            return http::response{200, {{first ? "x-next" : "x-other", "b"}}, R"({"results":[1]})"};
        }};
    CHECK(reader.run()->reason() == "no X-Next");
    CHECK(reader.got.size() == 2);
    job more{{{"", R"({"results":[1],"next":"a","more":true})"},
              {"a", R"({"results":[2],"next":"b","more":false})"}},
             cursor{list()}.more("/more")};
    CHECK(more.end->code() == outcome_code::complete);
    CHECK(more.reader.got.size() == 2);
}

TEST_CASE("a page that says there is more but gives no cursor is not the end")
{
    const std::string told = GENERATE("true", "1", "17", "-1", "0.5");
    const std::string none = GENERATE("", R"(,"next":null)", R"(,"next":"")", R"(,"next":false)");
    job read{{{"", R"({"results":[{"id":1}],"next":"a","more":true})"},
              {"a", R"({"results":[{"id":2}],"more":)" + told + none + "}"}},
             cursor{list()}.more("/more")};
    CHECK(read.end->code() == outcome_code::page_failed);
    CHECK(read.end->reason() == "page 2: the server says that there is more, but gives no /next; "
                                "2 records received");
    CHECK(read.reader.got.size() == 2);

    cursor in_header{cursor{list()}.in_header("X-Next").more("/more")};
    support::paged<cursor> reader{
        in_header, [&](const http::request&) {
            return http::response{200, {}, R"({"results":[1],"more":)" + told + "}"};
        }};
    CHECK(reader.run()->reason().find("but gives no X-Next") != std::string::npos);
}

TEST_CASE("a page that says there is no more is the end, whatever its cursor")
{
    const std::string told = GENERATE("false", "0", "0.0");
    job read{{{"", R"({"results":[{"id":1}],"next":"a","more":)" + told + "}"}},
             cursor{list()}.more("/more")};
    CHECK(read.end->code() == outcome_code::complete);
    CHECK(read.end->reason() == "the server says that there is no more");
    CHECK(read.reader.got.size() == 1);
}

TEST_CASE("what says nothing of more leaves it to the cursor")
{
    const std::string told = GENERATE("null", R"("true")", R"("false")", "[]", "{}");
    job read{{{"", R"({"results":[{"id":1}],"next":"a","more":)" + told + "}"},
              {"a", R"({"results":[{"id":2}],"next":null,"more":)" + told + "}"}},
             cursor{list()}.more("/more")};
    CHECK(read.end->reason() == "no /next");
    CHECK(read.reader.got.size() == 2);
}

TEST_CASE("of several cursor headers the first that is not empty counts")
{
    cursor in_header{list()};
    in_header.in_header("X-Next");
    std::vector<std::string> asked;
    support::paged<cursor> reader{
        in_header, [&](const http::request& request) {
            asked.push_back(support::parameter(request, "cursor"));
            http::response::fields fields{{"X-Next", ""}, {"x-next", "b"}, {"X-NEXT", "c"}};
            if (asked.size() > 1)
                fields.resize(1);
            return http::response{200, fields, R"({"results":[1]})"};
        }};
    CHECK(reader.run()->reason() == "no X-Next");
    CHECK(asked == std::vector<std::string>{"", "b"});
}

TEST_CASE("a first page that names the next one elsewhere is not the end")
{
    const auto [more, place] = GENERATE(table<std::string, std::string>({
        {R"("next_cursor":"b")", "/next_cursor"},
        {R"("NextCursor":7)", "/NextCursor"},
        {R"("meta":{"next_page_token":"b"})", "/meta/next_page_token"},
        {R"("cursor":{"next":"b"})", "/cursor/next"},
        {R"("@odata.nextLink":"http://h/list?b")", "/@odata.nextLink"},
        {R"("_links":{"next":{"href":"/list?b"}})", "/_links/next/href"},
        {R"("a/b":{"continuation":"b"})", "/a~1b/continuation"},
        {R"("cursor":"b")", "/cursor"},
        {R"("meta":{"cursor":"100"})", "/meta/cursor"},
        {R"("meta":{"cursor":100})", "/meta/cursor"},
        {R"("paging":{"after":"b"})", "/paging/after"},
        {R"("paging":{"next":{"after":"b"}})", "/paging/next/after"},
        {R"("metadata":{"continue":"b"})", "/metadata/continue"},
        {R"("meta":{"pagination":{"nextCursor":"b"}})", "/meta/pagination/nextCursor"},
        {R"("meta":{"page_info":{"cursor":"b"}})", "/meta/page_info/cursor"},
        {R"("pagination":{"_links":{"next":{"href":"/b"}}})", "/pagination/_links/next/href"},
        {R"("next_page_url":"http://h/list?b")", "/next_page_url"},
        {R"("Next-Marker":"b")", "/Next-Marker"},
    }));
    CAPTURE(more);
    job read{{{"", R"({"results":[{"id":1}],)" + more + "}"}}};
    CHECK(read.end->code() == outcome_code::page_failed);
    CHECK(read.end->reason() ==
          "page 1: no /next in the page, but there is " + place + "; 1 records received");
    CHECK(read.reader.got.size() == 1);
    cursor in_header{cursor{list()}.in_header("X-Next")};
    const std::string body = R"({"results":[1],)" + more + "}";
    support::paged<cursor> reader{in_header, [&body](const http::request&) {
                                      return http::response{200, {}, body};
                                  }};
    CHECK(reader.run()->reason().find("no X-Next in the page, but there is " + place) !=
          std::string::npos);
    job first{{{"", R"({"results":[1],"next":"a"})"}, {"a", R"({"results":[2],)" + more + "}"}}};
    CHECK(first.end->reason() == "no /next"); // the place was the right one
    job null{{{"", R"({"results":[1],"next":null,)" + more + "}"}}};
    CHECK(null.end->code() == outcome_code::complete);
}

TEST_CASE("a Link header to the next page is a sign of it, too")
{
    cursor pager{list()};
    support::paged<cursor> reader{
        pager, [](const http::request&) {
            return http::response{200, {{"Link", "<?b>; rel=next"}}, R"({"results":[1]})"};
        }};
    CHECK(reader.run()->reason().find("but there is a Link header that names one") !=
          std::string::npos);
}

TEST_CASE("what speaks of no next page leaves a first page the end")
{
    const std::string beside = GENERATE(
        "", R"(,"next_cursor":null)", R"(,"next_cursor":"")", R"(,"next_page":0)",
        R"(,"nextPage":false)", R"(,"meta":{"next":null})", R"(,"a":{"b":{"next":"c"}})",
        R"(,"links":[{"next":"c"}])", R"(,"_links":{"next":{}})", R"(,"cursor":null)",
        R"(,"cursor":"")", R"(,"cursor":0)", R"(,"cursor":false)", R"(,"after":5)",
        R"(,"a":{"cursor":"b"})", R"(,"page":1,"offset":20,"limit":1,"marker":"b")",
        R"(,"paging":{"cursors":{"after":"b","before":"a"}})", R"(,"pageInfo":{"endCursor":"b"})",
        R"(,"":{"":"b"})", R"(,"@":"b","-":1)", R"(,"cursor":"b","has_more":false)",
        R"(,"next_page":2,"hasMore":false)", R"(,"after":"b","page_info":{"has_next_page":false})");
    CAPTURE(beside);
    job read{{{"", R"({"results":[{"id":1}])" + beside + "}"}}};
    CHECK(read.end->code() == outcome_code::complete);
    CHECK(read.end->reason() == "no /next in any page");
}

TEST_CASE("a cursor that was asked for is no sign of a next page")
{
    const auto [query, value] = GENERATE(table<std::string, std::string>({
        {"cursor=a%2Fb%3D", R"("a/b=")"},
        {"cursor=a/b", R"("a/b")"},
        {"q=1&n=2&start=100", "100"},
    }));
    const std::string body = R"({"results":[1],"meta":{"cursor":)" + value + "}}";
    const auto end = [&body](const std::string& asked) {
        cursor pager{http::request{"http://h/list?" + asked}};
        support::paged<cursor> reader{pager, [&body](const http::request&) {
                                          return http::response{200, {}, body};
                                      }};
        return reader.run().value();
    };
    CHECK(end(query).code() == outcome_code::complete);
    CHECK(end(query + '0').code() == outcome_code::page_failed);
    CHECK(end("0" + query.substr(0, query.find('=')) + "=").code() == outcome_code::page_failed);
}

TEST_CASE("a page that says there is more by a usual name but gives no cursor is not the end")
{
    const auto [more, place] = GENERATE(table<std::string, std::string>({
        {R"("has_more":true)", "/has_more"},
        {R"("hasMore":true)", "/hasMore"},
        {R"("has_next":true)", "/has_next"},
        {R"("meta":{"hasNextPage":true})", "/meta/hasNextPage"},
        {R"("data":{"page_info":{"has_next_page":true}})", ""},
        {R"("response":{"page":{"has_next_page":true}})", "/response/page/has_next_page"},
    }));
    CAPTURE(more);
    const std::string none = GENERATE("", R"(,"next":null)", R"(,"next":"")");
    job last{{{"", R"({"results":[{"id":1}],"next":"a","has_more":true})"},
              {"a", R"({"results":[{"id":2}],)" + more + none + "}"}}};
    job only{{{"", R"({"results":[{"id":1}],)" + more + none + "}"}}};
    if (place.empty()) { // it may speak of another list
        CHECK(last.end->code() == outcome_code::complete);
        CHECK(only.end->code() == outcome_code::complete);
        return;
    }
    CHECK(last.end->code() == outcome_code::page_failed);
    CHECK(last.end->reason() ==
          "page 2: no /next in the page, but " + place + " is true; 2 records received");
    CHECK(only.end->code() == outcome_code::page_failed);
    CHECK(only.end->reason() ==
          "page 1: no /next in the page, but " + place + " is true; 1 records received");
    CHECK(only.reader.got.size() == 1);
    job told{{{"", R"({"results":[{"id":1}],)" + more + none + "}"}},
             cursor{list()}.more("/other")}; // whoever says where it stands is believed
    CHECK(told.end->code() == outcome_code::complete);
}

TEST_CASE("a page around whose records it says that there is more is not the end")
{
    cursor pager{cursor{list()}.in_body("/data/list/pageInfo/endCursor")};
    support::paged<cursor> reader{
        pager,
        [](const http::request&) {
            return http::response{
                200, {}, R"({"data":{"list":{"nodes":[1],"pageInfo":{"hasNextPage":true}}}})"};
        },
        "/data/list/nodes"};
    CHECK(reader.run()->reason().find("but /data/list/pageInfo/hasNextPage is true") !=
          std::string::npos);
}

TEST_CASE("what is no sign of more leaves the end")
{
    const std::string beside =
        GENERATE(R"("has_more":false)", R"("has_more":null)", R"("has_more":"true")",
                 R"("has_more":1)", R"("more":true)", R"("comments":{"has_more":true})",
                 R"("list":[{"has_more":true}])", R"("last":false)");
    CAPTURE(beside);
    job read{{{"", R"({"results":[{"id":1}],"next":null,)" + beside + "}"}}};
    CHECK(read.end->code() == outcome_code::complete);
}

TEST_CASE("a list without any next is measured by totals of the usual names")
{
    const auto [total, place] = GENERATE(table<std::string, std::string>({
        {R"("total":3)", "/total"},
        {R"("total_count":3)", "/total_count"},
        {R"("totalCount":3)", "/totalCount"},
        {R"("meta":{"total":3})", "/meta/total"},
        {R"("meta":{"page":{"totalElements":3}})", "/meta/page/totalElements"},
        {R"("info":{"count":3})", "/info/count"},
        {R"("@odata.count":3)", "/@odata.count"},
        {R"("count":2,"total":3)", "/total"},
    }));
    CAPTURE(total);
    const std::string two = R"({"results":[{"id":1},{"id":2}],)" + total;
    job read{{{"", two + "}"}}};
    CHECK(read.end->code() == outcome_code::count_mismatch);
    CHECK(read.end->reason() ==
          "no /next in any page, but " + place + " tells of 3 records; 2 records received");
    CHECK(read.reader.got.size() == 2);
    job whole{{{"", R"({"results":[{"id":1},{"id":2},{"id":3}],)" + total + "}"}}};
    CHECK(whole.end->code() == outcome_code::complete);
    job null{{{"", two + R"(,"next":null})"}}}; // the place was the right one
    CHECK(null.end->code() == outcome_code::complete);
    job no_more{{{"", two + R"(,"has_more":false})"}}};
    CHECK(no_more.end->code() == outcome_code::complete);
    job told{{{"", two + "}"}}, cursor{list()}.total("/other")};
    CHECK(told.end->code() == outcome_code::complete);
}

TEST_CASE("what is no total of the list leaves the end")
{
    const std::string beside =
        GENERATE(R"("total":"3")", R"("total":3.5)", R"("total":null)", R"("total":-3)",
                 R"("facets":{"count":3})", R"("total_pages":3)", R"("limit":100)",
                 R"("total_amount":300)", R"("recordsTotal":3)", R"("total":{"value":3})");
    CAPTURE(beside);
    job read{{{"", R"({"results":[{"id":1}],)" + beside + "}"}}};
    CHECK(read.end->code() == outcome_code::complete);
    job none{{{"", R"({"results":[],"pagination":{"total":1}})"}}}; // of pages
    CHECK(none.end->code() == outcome_code::complete);
}

TEST_CASE("cursor: a total that is not reached is told")
{
    job read{{{"", R"({"results":[1,2],"next":null,"count":12345})"}}};
    CHECK(read.end->code() == outcome_code::count_mismatch);
    CHECK(read.end->reason().find("12345") != std::string::npos);
}

TEST_CASE("a total that falls while the list is read is told, unless the largest is reached")
{
    using totals = std::vector<int>; // one a page of two records
    const auto [told, code, reason] = GENERATE(table<totals, outcome_code, std::string>({
        {{7, 4},
         outcome_code::list_changed,
         "no /next; the total fell from 7 to 4 while the list was read; 4 records received"},
        {{7, 5, 3},
         outcome_code::list_changed,
         "no /next; the total fell from 7 to 3 while the list was read; 6 records received"},
        {{7, 3, 5, 7}, outcome_code::complete, "no /next"},
        {{9, 3, 5, 7},
         outcome_code::list_changed,
         "no /next; the total fell from 9 to 3 while the list was read; 8 records received"},
        {{7, 3, 9},
         outcome_code::count_mismatch,
         "no /next, but the server tells of 9 records; 6 received"},
        {{5, 7},
         outcome_code::count_mismatch,
         "no /next, but the server tells of 7 records; 4 received"},
        {{4, 2}, outcome_code::complete, "no /next"},    // of what is left
        {{2, 2, 1}, outcome_code::complete, "no /next"}, // of the page
        {{6, 4, 6}, outcome_code::complete, "no /next"},
    }));
    std::map<std::string, std::string> bodies;
    for (std::size_t i = 0; i < told.size(); ++i) {
        const std::string id = std::to_string(2 * i), other = std::to_string(2 * i + 1);
        const bool is_last = i + 1 == told.size();
        bodies[i == 0 ? "" : std::to_string(i)] = R"({"results":[{"id":)" + id + R"(},{"id":)" +
                                                  other + R"(}],"count":)" +
                                                  std::to_string(told[i]) + R"(,"next":)" +
                                                  (is_last ? "null" : std::to_string(i + 1)) + "}";
    }
    job read{bodies};
    CHECK(read.end->code() == code);
    CHECK(read.end->reason() == reason);
}

TEST_CASE("a total that counts what is left behind a restart is no fall")
{
    const bool is_whole = GENERATE(true, false);
    const bool tells_of_all = GENERATE(true, false);
    const std::string fourth = is_whole ? R"(,{"id":4})" : "";
    cursor pager{cursor{list()}.restart_from("/id", "since")};
    support::paged<cursor> reader{
        pager, [&](const http::request& asked) {
            if (!support::parameter(asked, "cursor").empty())
                return http::response{410};
            if (support::parameter(asked, "since").empty())
                return http::response{
                    200, {}, R"({"results":[{"id":1},{"id":2}],"next":"a","count":4})"};
            return http::response{200,
                                  {},
                                  R"({"results":[{"id":3})" + fourth + R"(],"next":null,"count":)" +
                                      (tells_of_all ? "4}" : "2}")};
        }};
    const auto end = reader.run();
    CHECK(end->code() == (is_whole ? outcome_code::complete : outcome_code::count_mismatch));
    CHECK(reader.got.size() == (is_whole ? 4 : 3));
}

TEST_CASE("a cursor that is no cursor, or too long, is an error")
{
    const std::map<std::string, std::string> object{{"", R"({"results":[1],"next":{}})"}};
    CHECK_THROWS_WITH(job{object}, "/next is object, must be a string or a number");
    const std::map<std::string, std::string> huge{
        {"", R"({"results":[1],"next":")" + std::string(20'000, 'x') + "\"}"}};
    CHECK_THROWS_AS(job{huge}, headgate::detail::bound_exceeded);
}

TEST_CASE("a cursor that has expired is told, or the list read on from the last record")
{
    const script server{{{"", R"({"results":[{"id":1},{"id":2}],"next":"a"})"}}};
    job told{server.bodies};
    CHECK(told.end->code() == outcome_code::cursor_expired);
    CHECK(told.end->reason().find("status 400") != std::string::npos);

    cursor pager{cursor{list()}.restart_from("/id", "since")};
    support::paged<cursor> reader{
        pager, [&](const http::request& asked) {
            const std::string since = support::parameter(asked, "since");
            if (since == "2") // the boundary comes again
                return http::response{200, {}, R"({"results":[{"id":2},{"id":3}],"next":"b"})"};
            if (since == "3")
                return http::response{200, {}, R"({"results":[{"id":4}],"next":null})"};
            return server(asked);
        }};
    CHECK(reader.run()->code() == outcome_code::complete);
    REQUIRE(reader.got.size() == 4);
    CHECK(reader.got.back().at("id") == 4);

    cursor stuck{cursor{list()}.restart_from("/id", "since")};
    support::paged<cursor> never{stuck, [&](const http::request& asked) {
                                     return support::parameter(asked, "since").empty()
                                                ? server(asked)
                                                : http::response{400};
                                 }};
    CHECK_THROWS(never.run()); // the restart itself is refused: a page that cannot be had
}

TEST_CASE("restarts that bring nothing new end where the cursors expire at once")
{
    cursor pager{cursor{list()}.restart_from("/id", "since")};
    support::paged<cursor> reader{
        pager, [](const http::request& asked) {
            if (!support::parameter(asked, "cursor").empty())
                return http::response{410};
            const std::string since = support::parameter(asked, "since");
            const int first = since.empty() ? 1 : std::stoi(since);
            nlohmann::json body{{"results", nlohmann::json::array()}, {"next", since + "a"}};
            for (int id = first; id < std::min(first + 10, 26); ++id)
                body["results"].push_back({{"id", id}});
            return http::response{200, {}, body.dump()};
        }};
    const auto end = reader.run();
    CHECK(end->code() == outcome_code::cursor_expired);
    CHECK(end->reason() == "the server refuses the cursor of page 5 with status 410, and no new "
                           "records have come to restart from; 25 records received");
    CHECK(reader.got.size() == 25);
    CHECK(reader.requests == 8);
}

TEST_CASE("there is no restart without a record, or from one with an empty key")
{
    const std::string key = GENERATE("null", "false", R"("")");
    job read{{{"", R"({"results":[{"id":1},{"id":)" + key + R"(}],"next":"a"})"}},
             cursor{list()}.restart_from("/id", "since")};
    CHECK(read.end->code() == outcome_code::cursor_expired);
    CHECK(read.end->reason().find("the last record has an empty /id to restart from") !=
          std::string::npos);
    CHECK(read.reader.got.size() == 2);
    CHECK(read.reader.requests == 2);
    job empty{{{"", R"({"results":[],"next":"a"})"}}, cursor{list()}.restart_from("/id", "since")};
    CHECK(empty.end->code() == outcome_code::cursor_expired);
    CHECK(empty.reader.requests == 2);
}

TEST_CASE("cursor: the parameters")
{
    http::request search{"http://h/search"};
    search.method("POST").body(R"({"q":"x"})");
    cursor pager{search};
    pager.page_size(20, "/size").cursor_param("/after");
    CHECK(*pager.request({"7", 1}).body() == R"({"q":"x","size":20,"after":"7"})");
    cursor query{list()};
    query.page_size(20, "per_page").cursor_param("after");
    CHECK(query.request({"x y", 1}).url().str() == "http://h/list?per_page=20&after=x%20y");
    CHECK_THROWS_AS(query.page_size(0), std::invalid_argument);
    CHECK_THROWS_AS(query.in_body("next"), std::invalid_argument);
}
