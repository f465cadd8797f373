#include <headgate/http/rate_hint.hpp>

#include "support.hpp"

#include <chrono>
#include <cmath>
#include <iterator>

namespace {

void require_sane(const std::optional<double>& number, const char* what)
{
    if (number)
        fuzz::require(std::isfinite(*number) && *number >= 0, what, std::to_string(*number));
}

void require_sane(const std::optional<std::chrono::nanoseconds>& time, const char* what)
{
    if (time)
        fuzz::require(time->count() >= 0 && *time <= std::chrono::hours{366 * 24}, what,
                      std::to_string(time->count()));
}

} // namespace

/// Lines, each a letter for a header field and its value: what is read makes sense.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    constexpr const char* names[] = {"RateLimit",
                                     "RateLimit-Policy",
                                     "RateLimit-Limit",
                                     "RateLimit-Remaining",
                                     "RateLimit-Reset",
                                     "X-RateLimit-Limit",
                                     "X-RateLimit-Remaining",
                                     "X-RateLimit-Reset",
                                     "X-Rate-Limit-Limit",
                                     "X-Rate-Limit-Remaining",
                                     "X-Rate-Limit-Reset",
                                     "X-Shopify-Shop-Api-Call-Limit",
                                     "Date"};
    fuzz::input in{data, size};
    fuzz::http::response::fields fields;
    while (!in.is_empty() && fields.size() < 16) {
        const std::size_t which = static_cast<std::size_t>(in.byte()) - 'a';
        fields.emplace_back(names[which % std::size(names)], in.line());
    }
    const auto hint = fuzz::http::read_rate_hint(fuzz::http::response{200, std::move(fields)});
    require_sane(hint.limit, "a limit is a number from 0 on");
    require_sane(hint.remaining, "what remains is a number from 0 on");
    require_sane(hint.reset, "a reset is from 0 to a year");
    require_sane(hint.window, "a window is from 0 to a year");
    if (hint.window)
        fuzz::require(hint.window->count() > 0 && hint.limit, "a window is of a limit");
    if (hint.exhausted())
        fuzz::require(hint.reset && hint.reset->count() > 0, "who is exhausted waits");
    return 0;
}
