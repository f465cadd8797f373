// What is a page, and what is none although its status is a success.
#include <headgate/detail/page_reader.hpp>

#include <headgate/detail/page_failure.hpp>
#include <headgate/json_parser.hpp>

#include "support/catch.hpp"

#include <optional>
#include <stdexcept>
#include <string>

using headgate::detail::no_page_yet;
namespace http = headgate::http;

namespace {

headgate::parsed_page read(int status, const std::string& body,
                           const std::string& records = "/results")
{
    const headgate::detail::page_reader reader{
        nlohmann::json::json_pointer{records},
        [](const std::string& text, const nlohmann::json::json_pointer& pointer) {
            return headgate::json_parser{}.parse(text, pointer);
        }};
    return reader.read(http::response{status, {}, body});
}

/// How an extraction sees an answer with that body; nothing if it is a page.
std::optional<headgate::detail::page_failure> failure(int status, const std::string& body)
{
    try {
        read(status, body);
    } catch (const std::exception&) {
        return headgate::detail::page_failure{http::response{status, {}, body}};
    }
    return std::nullopt;
}

} // namespace

TEST_CASE("null records without an error are an empty page")
{
    const std::string beside =
        GENERATE("", R"(,"errors":[])", R"(,"errors":null)", R"(,"error":"")", R"(,"error":null)",
                 R"(,"error":false)", R"(,"error":0)", R"(,"error":{})", R"(,"warnings":["x"])");
    CAPTURE(beside);
    CHECK(read(200, R"({"results":null)" + beside + "}").records.empty());
    CHECK(read(204, "").records.empty());
}

TEST_CASE("null records beside an error are no page, and another try may get it")
{
    const auto [beside, told] = GENERATE(table<std::string, std::string>({
        {R"("errors":["timeout"])", R"(/errors is ["timeout"])"},
        {R"("errors":{"base":["gone"]})", R"(/errors is {"base":["gone"]})"},
        {R"("error":"timeout \u00e9")", R"(/error is "timeout \u00e9")"},
        {R"("error":{"code":7})", R"(/error is {"code":7})"},
        {R"("error":1)", "/error is 1"},
        {R"("error":true)", "/error is true"},
        {R"("errors":[],"error":"timeout")", R"(/error is "timeout")"},
    }));
    CAPTURE(beside);
    const auto seen = failure(200, R"({"results":null,"next":null,)" + beside + "}");
    REQUIRE(seen);
    CHECK(seen->reason() == "/results is null, and " + told);
    CHECK(seen->may_pass());
    CHECK(seen->code() == headgate::outcome_code::page_failed);
}

TEST_CASE("a long error is cut short")
{
    const std::string error(1000, 'x');
    const auto seen = failure(200, R"({"results":null,"error":")" + error + "\"}");
    REQUIRE(seen);
    CHECK(seen->reason() == "/results is null, and /error is \"" + error.substr(0, 99) + "...");
}

TEST_CASE("errors beside records are not looked at")
{
    CHECK(read(200, R"({"results":[1],"errors":["timeout"]})").records.size() == 1);
    CHECK(read(200, R"([])", "").records.empty());
}

TEST_CASE("empty records beside an error are no page, and another try may get it")
{
    const auto [beside, told] = GENERATE(table<std::string, std::string>({
        {R"("errors":[{"message":"backend down"}])", R"(/errors is [{"message":"backend down"}])"},
        {R"("errors":{"base":["gone"]})", R"(/errors is {"base":["gone"]})"},
        {R"("error":"timeout")", R"(/error is "timeout")"},
        {R"("errors":[],"error":{"code":7})", R"(/error is {"code":7})"},
    }));
    CAPTURE(beside);
    const auto seen = failure(200, R"({"results":[],"next":null,)" + beside + "}");
    REQUIRE(seen);
    CHECK(seen->reason() == "/results is empty, and " + told);
    CHECK(seen->may_pass());
    CHECK(seen->code() == headgate::outcome_code::page_failed);
}

TEST_CASE("empty records beside what tells of no error are an empty page")
{
    const std::string beside =
        GENERATE(R"("errors":[])", R"("errors":null)", R"("error":"")", R"("error":{})",
                 R"("error":false)", R"("error":true)", R"("errors":3)", R"("warnings":["x"])");
    CAPTURE(beside);
    CHECK(read(200, R"({"results":[],)" + beside + "}").records.empty());
}

TEST_CASE("what is accepted only is no page until there are records")
{
    const std::string body =
        GENERATE("", "Accepted", "{}", "null", R"({"results":[]})", R"({"results":null})",
                 R"({"status":"pending"})", R"({"results":{"id":1}})", R"({"results":[{"id":1)");
    CAPTURE(body);
    const auto seen = failure(202, body);
    REQUIRE(seen);
    CHECK(seen->reason().find("status 202") != std::string::npos);
    CHECK(seen->may_pass());
    CHECK(read(202, R"({"results":[{"id":1}]})").records.size() == 1);
    CHECK(read(202, "[1,2]", "").records.size() == 2);
}

TEST_CASE("a status that makes an answer no page is told with the URL, as far as it is short")
{
    const headgate::detail::page_reader reader{
        nlohmann::json::json_pointer{"/results"},
        [](const std::string&, const nlohmann::json::json_pointer&) {
            return headgate::parsed_page{};
        }};
    const auto told = [&reader](int status, const std::string& url) -> std::string {
        const http::url asked{url};
        try {
            reader.read(http::response{status, {}, ""}, &asked);
        } catch (const std::exception& e) {
            return e.what();
        }
        return {};
    };
    const std::string url = "http://h/list?offset=20";
    CHECK(told(403, url) == "the server answered with status 403 to " + url);
    CHECK(told(202, url) == "the server answered with status 202 to " + url +
                                ", which is not ready yet, and no records");
    CHECK(told(500, "http://user:word@h/list") ==
          "the server answered with status 500 to http://h/list");
    const std::string lengthy = url + "&x=" + std::string(500, 'y');
    CHECK(told(500, lengthy) ==
          "the server answered with status 500 to " + lengthy.substr(0, 200) + "...");
}
