#include <headgate/error.hpp>

#include "support/catch.hpp"

#include <string>
#include <system_error>

TEST_CASE("errors have a category, texts of their own and compare with error codes")
{
    const headgate::error_code closed = headgate::error::closed;
    CHECK(closed.category() == headgate::error_category());
    CHECK(std::string{closed.category().name()} == "headgate");
    CHECK(closed.message() == "closed");
    CHECK(closed == headgate::error::closed);
    CHECK(closed != headgate::error::exceeds_limit);
    CHECK(make_error_code(headgate::error::exceeds_limit).message().find("more tokens") == 0);
    CHECK(make_error_code(headgate::error::needs_permit).message().find("permit") > 0);
    const std::error_code same = closed; // also where they are those of Boost
    CHECK(same.message() == "closed");
    CHECK(std::string{same.category().name()} == "headgate");
    CHECK(same == closed);
    CHECK(headgate::error_code(99, headgate::error_category()).message() ==
          "unknown headgate error");
}
