#include <headgate/testing/virtual_clock.hpp>

#include "support/run.hpp"

#include <vector>

using namespace std::chrono_literals;
using headgate::testing::virtual_clock;
using support::timer;

TEST_CASE("the virtual clock goes from expiry to expiry")
{
    virtual_clock::reset();
    asio::io_context context;
    timer late{context, 3h};
    timer early{context, 1h};
    std::vector<double> fired;
    late.async_wait([&](headgate::error_code) { fired.push_back(support::seconds()); });
    early.async_wait([&](headgate::error_code) {
        fired.push_back(support::seconds());
        early.expires_after(30min);
        early.async_wait([&](headgate::error_code) { fired.push_back(support::seconds()); });
    });
    CHECK(virtual_clock::run(context) == 3);
    CHECK(fired == std::vector<double>{3600, 5400, 10800});
    CHECK(support::seconds() == 10800);
}

TEST_CASE("running for a span stops the clock at its end")
{
    virtual_clock::reset();
    asio::io_context context;
    timer wait{context, 10s};
    bool fired = false;
    wait.async_wait([&](headgate::error_code failed) { fired = !failed; });
    virtual_clock::run_for(context, 9999ms);
    CHECK_FALSE(fired);
    CHECK(support::seconds() == 9.999);
    virtual_clock::run_for(context, 1ms);
    CHECK(fired);
    virtual_clock::run_for(context, 5s);
    CHECK(support::seconds() == 15);
}
