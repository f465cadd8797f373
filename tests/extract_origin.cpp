// Where an extraction goes, and what it bears: redirects, other origins, private addresses, answers
// without bounds. In virtual time.
#include <headgate/paging/cursor.hpp>
#include <headgate/paging/keyset.hpp>
#include <headgate/paging/next_request.hpp>
#include <headgate/paging/next_url.hpp>
#include <headgate/paging/offset.hpp>

#include "support/paged.hpp"
#include "support/simulated_job.hpp"

#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace http = headgate::http;
namespace paging = headgate::paging;
using headgate::extract_options;
using headgate::limit;
using headgate::outcome_code;
using headgate::testing::simulated_api_options;

namespace {

const std::string end_of_list = R"({"results":[{"id":2}]})";

struct job : support::simulated_job {
    job() : simulated_job{simulated_api_options{}, {limit::window(1000, 1s)}} {}

    /// Answers with this, request by request; what is asked for is kept.
    void script(std::vector<http::response> answers)
    {
        answer = [this, answers = std::move(answers)](const http::request& what) {
            asked.push_back(what);
            return std::optional{answers.at(asked.size() - 1)};
        };
    }

    std::vector<http::request> asked;
};

http::request list()
{
    return http::request{"http://api.test/list"}.header("Authorization", "secret");
}

http::response redirect(int status, const std::string& target)
{
    return http::response{status, {{"Location", target}}};
}

http::response page(const std::string& body)
{
    return http::response{200, {}, body};
}

} // namespace

TEST_CASE("a redirect on the same server is followed, and each hop pays a token")
{
    const int status = GENERATE(301, 302, 303, 307, 308);
    job its;
    its.script({redirect(status, "/elsewhere"), redirect(status, "deeper/page"),
                page(R"({"results":[{"id":1}],"next":"?page=2"})"), page(end_of_list)});
    const auto outcome = its.run(paging::next_url{list()});
    CHECK(outcome.complete());
    REQUIRE(its.asked.size() == 4);
    CHECK(its.asked[1].url().str() == "http://api.test/elsewhere");
    CHECK(its.asked[2].url().str() == "http://api.test/deeper/page");
    CHECK(its.asked[3].url().str() == "http://api.test/deeper/page?page=2");
    CHECK(its.asked[3].headers() == list().headers());
    CHECK(its.limiter.statistics().tokens == 4);
    CHECK(its.stream->statistics().requests == 4);
    CHECK(its.stream->statistics().retries == 0);
}

TEST_CASE("a redirect to another server is refused before there is a request")
{
    const std::string target =
        GENERATE(as<std::string>{}, "http://evil.test/", "//evil.test/x", "https://api.test/list",
                 "http://api.test:81/", "http://169.254.169.254/", "file:///etc/passwd");
    job its;
    its.script({redirect(302, target)});
    const auto outcome = its.run(paging::cursor{list()});
    CHECK(outcome.code() == outcome_code::foreign_origin);
    CHECK(its.asked.size() == 1);
}

TEST_CASE("redirects that do not end are told")
{
    job its;
    its.script(std::vector<http::response>(10, redirect(302, "/again")));
    const auto outcome = its.run(paging::cursor{list()});
    CHECK(outcome.code() == outcome_code::bound_exceeded);
    CHECK(outcome.reason().find("more than 5 redirects") != std::string::npos);
    CHECK(its.asked.size() == 6);
}

TEST_CASE("a POST is not turned into something else by a redirect")
{
    http::request search = list();
    search.method("POST").body("{}");
    job its;
    its.script({redirect(302, "/elsewhere")});
    CHECK(its.run(paging::cursor{search}).code() == outcome_code::page_failed);
    job kept;
    kept.script({redirect(307, "/elsewhere"), page(end_of_list)});
    CHECK(kept.run(paging::cursor{search}).complete());
    CHECK(kept.asked[1].method() == "POST");
    CHECK(kept.asked[1].body() == "{}");
}

TEST_CASE("an origin that is allowed gets no credentials, also of those that are added late")
{
    job its;
    its.script({page(R"({"results":[{"id":1}],"next":"http://files.test/2"})"), page(end_of_list)});
    extract_options options;
    options.prepare([](http::request& each) { each.header("X-Token", "secret"); });
    CHECK(its.run(paging::next_url{list()}.allow_origin("http://files.test"), options).complete());
    REQUIRE(its.asked.size() == 2);
    CHECK(its.asked[0].headers().size() == 2);
    CHECK(its.asked[1].headers().empty());
}

TEST_CASE("a POST that is sent on to an origin that is allowed keeps its body, and nothing else")
{
    const int status = GENERATE(307, 308);
    const http::request search = list().method("POST").body(R"({"query":"x"})", "application/json");
    const auto ask = [search](const paging::page_content& page) -> std::optional<http::request> {
        if (!page.document().contains("next"))
            return std::nullopt;
        return http::request{search}.body(R"({"query":"x","after":1})");
    };
    job its;
    its.script({page(R"({"results":[{"id":1}],"next":1})"),
                redirect(status, "http://files.test/list"), page(end_of_list)});
    extract_options options;
    options.prepare([](http::request& each) { each.header("X-Token", "secret"); });
    CHECK(its.run(paging::next_request{search, ask}.allow_origin("http://files.test"), options)
              .complete());
    REQUIRE(its.asked.size() == 3);
    CHECK(its.asked[2].url().str() == "http://files.test/list");
    CHECK(its.asked[2].method() == "POST");
    CHECK(its.asked[2].body() == R"({"query":"x","after":1})");
    CHECK(its.asked[2].headers() == http::request::fields{{"Content-Type", "application/json"}});
}

TEST_CASE("once a public server has answered, no other is asked")
{
    job its;
    const auto from = [](const char* address, const std::string& body) {
        return page(body).remote_address(address);
    };
    const bool is_public = GENERATE(true, false);
    const bool allowed = GENERATE(true, false);
    its.script({from(is_public ? "93.184.216.34" : "10.0.0.1",
                     R"({"results":[{"id":1}],"next":"?page=2"})"),
                page(end_of_list)});
    extract_options options;
    options.allow_private_addresses(allowed);
    CHECK(its.run(paging::next_url{list()}, options).complete());
    REQUIRE(its.asked.size() == 2);
    CHECK_FALSE(its.asked[0].public_only());
    CHECK(its.asked[1].public_only() == (is_public && !allowed));
}

TEST_CASE("JSON without bounds is an error with a name, and leaves the other pages alone")
{
    const std::string deep = GENERATE(std::string(1'000'000, '['), [] {
        std::string objects;
        for (int i = 0; i < 100'000; ++i)
            objects += "{\"a\":";
        return objects;
    }());
    job its;
    its.script({page(R"({"results":[{"id":1}],"next":"a"})"), page(deep)});
    const auto outcome = its.run(paging::cursor{list()});
    CHECK(outcome.code() == outcome_code::bound_exceeded);
    CHECK(outcome.reason() == "page 2: the body is JSON nested more than 512 deep");
    CHECK(its.got.size() == 1);
    CHECK(its.asked.size() == 2); // it would be the same again
    job cursor;
    cursor.script({page(R"({"results":[],"next":")" + std::string(20'000, 'x') + "\"}")});
    CHECK(cursor.run(paging::cursor{list()}).code() == outcome_code::bound_exceeded);
}

TEST_CASE("no content and null are an empty page")
{
    job its;
    its.script({page(R"({"results":[{"id":1}],"next":"a"})"),
                page(R"({"results":null,"next":"b"})"), http::response{204}, http::response{204}});
    CHECK(its.run(paging::cursor{list()}).complete());
    CHECK(its.got.size() == 1);
}

TEST_CASE("a page of a chain that has no content is asked for twice")
{
    const bool is_first = GENERATE(true, false);
    const auto check = [&](auto style) {
        job slip;
        if (is_first)
            slip.script({http::response{204}, page(R"({"results":[{"id":1}],"next":"?cursor=a"})"),
                         http::response{204}, page(end_of_list)});
        else
            slip.script({page(R"({"results":[{"id":1}],"next":"?cursor=a"})"), http::response{204},
                         page(end_of_list)});
        CHECK(slip.run(style).complete());
        CHECK(slip.got.size() == 2);
        CHECK(slip.asked.back().url().str() == slip.asked[slip.asked.size() - 2].url().str());
        job end;
        if (is_first)
            end.script({http::response{204}, http::response{204}});
        else
            end.script({page(R"({"results":[{"id":1}],"next":"?cursor=a"})"), http::response{204},
                        http::response{204}});
        CHECK(end.run(style).complete());
        CHECK(end.got.size() == (is_first ? 0 : 1));
    };
    check(paging::cursor{list()});
    check(paging::next_url{list()});
    const auto next = [](const paging::page_content& content) -> std::optional<http::request> {
        if (!content.document().is_object() || !content.document().contains("next"))
            return std::nullopt;
        return http::request{"http://api.test/list?cursor=a"};
    };
    check(paging::next_request{list(), next});
}

TEST_CASE("a page without content that links to a next one is not the end")
{
    const http::response::fields link{{"Link", "<?page=2>; rel=next"}};
    job its;
    its.script({http::response{204, link}, page(end_of_list)});
    CHECK(its.run(paging::next_url{list()}.in_link()).complete());
    CHECK(its.got.size() == 1);
}

TEST_CASE("a keyset's page without content is asked for no more than twice")
{
    job its;
    its.script(
        {page(R"({"results":[{"id":1},{"id":2}]})"), http::response{204}, http::response{204}});
    CHECK(its.run(paging::keyset{list(), "/id", "since"}).complete());
    CHECK(its.got.size() == 2);
    CHECK(its.asked.size() == 3);
}

TEST_CASE("an answer that says its page is not there yet is asked for again")
{
    const http::response not_yet =
        GENERATE(page(R"({"results":null,"next":null,"errors":["timeout"]})"),
                 http::response{202, {}, R"({"results":[]})"}, http::response{202});
    job its;
    its.script({page(R"({"results":[{"id":1}],"next":"a"})"), not_yet, page(end_of_list)});
    CHECK(its.run(paging::cursor{list()}).complete());
    CHECK(its.got.size() == 2);
    CHECK(its.stream->statistics().retries == 1);
    job never;
    never.script({not_yet, not_yet});
    const auto outcome = never.run(paging::cursor{list()}, extract_options{}.retries(1));
    CHECK(outcome.code() == outcome_code::page_failed);
    CHECK(outcome.reason().find("(after 2 tries)") != std::string::npos);
}
