#include <headgate/http/request.hpp>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using headgate::http::request;

TEST_CASE("a request is put together by its setters")
{
    const request made = request{"http://h/x"}
                             .method("POST")
                             .header("X-Key", "a\tb")
                             .body("{}", "application/json")
                             .timeout(2s);
    CHECK(made.url().str() == "http://h/x");
    CHECK(made.method() == "POST");
    CHECK(made.headers().size() == 2);
    CHECK(made.body() == "{}");
    CHECK(made.timeout() == 2s);
    CHECK(request{"http://h/"}.method() == "GET");
}

TEST_CASE("what could break out of its place in the message is refused")
{
    const std::string evil =
        GENERATE(as<std::string>{}, "a\r\nb", "a\nb", std::string("a\0b", 3), "a\x7f", "a\x1b");
    request one{"http://h/"};
    CHECK_THROWS_WITH(one.header("X-Key", evil), Catch::Contains("X-Key"));
    CHECK_THROWS_AS(one.header(evil, "x"), std::invalid_argument);
    CHECK_THROWS_AS(one.method(evil), std::invalid_argument);
    CHECK_THROWS_AS(one.body("x", evil), std::invalid_argument);
    CHECK_THROWS_WITH(request{"http://h/" + evil}, Catch::Contains("control character"));
    CHECK_THROWS_AS(one.header("A B", "x"), std::invalid_argument);
    CHECK_THROWS_AS(one.header("", "x"), std::invalid_argument);
    CHECK_THROWS_AS(one.timeout(0ms), std::invalid_argument);
}

TEST_CASE("fields that say how a body is sent are the client's to set")
{
    request get{"http://h/"};
    CHECK_THROWS_WITH(get.header("content-length", "5"), Catch::Contains("content-length"));
    CHECK_THROWS_WITH(get.header("Transfer-Encoding", "chunked"), Catch::Contains("Transfer-Encoding"));
    CHECK(get.headers().empty());
}

TEST_CASE("a timeout is no longer than what a client can wait for")
{
    request one{"http://h/"};
    CHECK_NOTHROW(one.timeout(24h * 24));
    CHECK_THROWS_WITH(one.timeout(24h * 25), Catch::Contains("24 days"));
}
