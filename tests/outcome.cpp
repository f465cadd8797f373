#include <headgate/outcome.hpp>

#include "support/catch.hpp"

#include <sstream>

TEST_CASE("an outcome has a code, a reason and one line for a person")
{
    const headgate::outcome fresh;
    CHECK(fresh.code() == headgate::outcome_code::in_progress);
    CHECK_FALSE(fresh.complete());
    const headgate::outcome done{headgate::outcome_code::complete, "total of 3 records reached"};
    std::ostringstream line;
    line << done;
    CHECK(line.str() == "complete: total of 3 records reached");
    CHECK(done.complete());
    CHECK(to_string(headgate::outcome_code::page_failed) == "page_failed");
    CHECK(to_string(headgate::outcome_code::count_mismatch) == "count_mismatch");
    CHECK(to_string(headgate::outcome_code::page_cap) == "page_cap");
    CHECK(to_string(headgate::outcome_code::cancelled) == "cancelled");
}
