#include <headgate/http/error.hpp>

#include "support/catch.hpp"

namespace http = headgate::http;

TEST_CASE("HTTP errors have a category and texts of their own")
{
    const headgate::error_code code = http::error::timed_out;
    CHECK(std::string{code.category().name()} == "headgate.http");
    CHECK(code.message() == "request timed out");
    for (int value = 1; value <= static_cast<int>(http::error::headers_too_large); ++value)
        CHECK(headgate::error_code(value, http::error_category()).message().find("unknown") ==
              std::string::npos);
    CHECK(headgate::error_code(99, http::error_category()).message() ==
          "unknown headgate.http error");
    const http::transfer_error thrown{code, "GET http://h/: why"};
    CHECK(std::string{thrown.what()} == "GET http://h/: why");
    CHECK(thrown.code() == http::error::timed_out);
}
