#include <headgate/extract_options.hpp>

#include "support/catch.hpp"

using namespace std::chrono_literals;

TEST_CASE("options of an extraction have defaults, can be chained and refuse what cannot be")
{
    headgate::extract_options options;
    CHECK(options.records().to_string() == "/results");
    CHECK(options.max_in_flight() == 64);
    CHECK(options.retries() == 5);
    CHECK(options.max_wait() == 300s);
    options.records("/data/items").max_in_flight(5).max_pages(7).retries(0).max_wait(1min);
    CHECK(options.records().to_string() == "/data/items");
    CHECK(options.max_pages() == 7);
    CHECK_THROWS_WITH(options.records("results"), Catch::Contains("JSON Pointer"));
    CHECK_THROWS_WITH(options.max_in_flight(0), Catch::Contains("max_in_flight is 0"));
    CHECK_THROWS_AS(options.max_in_flight(1'000'000), std::invalid_argument);
    CHECK_THROWS_AS(options.max_pages(0), std::invalid_argument);
    CHECK_THROWS_AS(options.max_wait(-1ns), std::invalid_argument);
}
