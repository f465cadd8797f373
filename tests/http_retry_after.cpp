#include <headgate/http/retry_after.hpp>

#include "support/catch.hpp"

#include <string>
#include <vector>

using namespace std::chrono_literals;
using headgate::http::response;
using headgate::http::retry_after;

namespace {

std::optional<std::chrono::nanoseconds> wait(const std::vector<std::string>& values)
{
    response::fields fields{{"Date", "Sun, 06 Nov 1994 08:49:37 GMT"}};
    for (const auto& each : values)
        fields.emplace_back("retry-after", each);
    return retry_after(response{429, fields});
}

} // namespace

TEST_CASE("seconds, dates and lists of them")
{
    CHECK(wait({"3"}) == 3s);
    CHECK(wait({" 2.5 "}) == 2500ms);
    CHECK(wait({"0"}) == 0s);
    CHECK(wait({"Sun, 06 Nov 1994 08:50:07 GMT"}) == 30s);
    CHECK(wait({"Sunday, 06-Nov-94 08:50:07 GMT"}) == 30s);
    CHECK(wait({"Sun Nov  6 08:50:07 1994"}) == 30s);
    CHECK(wait({"Sun, 06 Nov 1994 08:00:00 GMT"}) == 0s); // past
    CHECK(wait({"1, 7, 3"}) == 7s);
    CHECK(wait({"1", "nonsense", "4"}) == 4s);
    CHECK(wait({"99999999999999"}) == 366 * 24h);
}

TEST_CASE("what is nonsense counts as absent")
{
    for (const char* value : {"", "soon", "-5", "1e3", "0x10", "nan", "inf", "3 s",
                              "2099-01-01T00:00:00Z", "5;3", "Blursday"})
        CHECK_FALSE(wait({value}));
    CHECK_FALSE(wait({}));
}

TEST_CASE("without a Date a date is measured against the clock")
{
    const response answer{503, {{"Retry-After", "Sun, 06 Nov 1994 08:49:37 GMT"}}};
    CHECK(retry_after(answer) == 0s);
    const response future{503, {{"Retry-After", "Fri, 31 Dec 2200 23:59:59 GMT"}}};
    CHECK(retry_after(future) == 366 * 24h);
}
