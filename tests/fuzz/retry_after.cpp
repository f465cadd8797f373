#include <headgate/http/retry_after.hpp>

#include "support.hpp"

#include <chrono>

/// Lines of field values, the first that of Date unless it is empty: a wait is never negative and
/// never longer than a year.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in{data, size};
    fuzz::http::response::fields fields;
    if (std::string date = in.line(); !date.empty())
        fields.emplace_back("Date", std::move(date));
    for (int i = 0; i < 3 && !in.is_empty(); ++i)
        fields.emplace_back("Retry-After", in.line());
    const auto wait = fuzz::http::retry_after(fuzz::http::response{429, std::move(fields)});
    if (wait)
        fuzz::require(wait->count() >= 0 && *wait <= std::chrono::hours{366 * 24},
                      "a wait is from 0 to a year", std::to_string(wait->count()));
    return 0;
}
