#include <headgate/http/client_options.hpp>

#include "support/catch.hpp"

using namespace std::chrono_literals;
using headgate::http::client_options;

TEST_CASE("client options refuse what cannot be")
{
    client_options options;
    CHECK(options.verify_tls());
    CHECK_THROWS_WITH(options.timeout(0ms), Catch::Contains("timeout is 0 ms"));
    CHECK_THROWS_AS(options.connect_timeout(-1ms), std::invalid_argument);
    CHECK_THROWS_AS(options.timeout(25 * 24h), std::invalid_argument);
    CHECK_THROWS_AS(options.user_agent("a\r\nb"), std::invalid_argument);
    CHECK_THROWS_AS(options.max_idle_connections(2'000'000), std::invalid_argument);
    CHECK(options.timeout(5s).user_agent("me").timeout() == 5s);
}
