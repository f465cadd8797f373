#include <headgate/http/response.hpp>

#include "support/catch.hpp"

using headgate::http::response;

TEST_CASE("header fields are found in any case and in order")
{
    const response answer{200, {{"Link", "a"}, {"x-rate", "1"}, {"LINK", "b"}}, "body"};
    CHECK(answer.status() == 200);
    CHECK(answer.header("link") == "a");
    CHECK(answer.headers("Link") == std::vector<std::string_view>{"a", "b"});
    CHECK(answer.header("X-Rate") == "1");
    CHECK_FALSE(answer.header("none"));
    CHECK(answer.body() == "body");
    CHECK(response{}.status() == 0);
}
