#ifndef HEADGATE_HTTP_RATE_HINT_HPP
#define HEADGATE_HTTP_RATE_HINT_HPP

#include <headgate/detail/config.hpp>
#include <headgate/http/response.hpp>
#include <headgate/http/retry_after.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <initializer_list>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace HEADGATE_NAMESPACE::http {

/// What an answer says about the limit it was counted against: how much is left, and for how long.
/// What was not said, or makes no sense, is empty.
class rate_hint {
public:
    /// Requests that are allowed.
    std::optional<double> limit;
    /// For what time `limit` is; rarely told.
    std::optional<std::chrono::nanoseconds> window;

    /// Requests that are left.
    std::optional<double> remaining;

    /// Until there are more, counted from when the answer was made.
    std::optional<std::chrono::nanoseconds> reset;

    /// Whether nothing is left and it is known for how long.
    bool exhausted() const noexcept
    {
        return remaining && *remaining < 1 && reset && *reset > reset->zero();
    }
};

namespace field {

/// Calls `use` with each part between separators that stand outside of quotation marks.
template <class Use>
void split(std::string_view text, char separator, Use use)
{
    bool quoted = false;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
        if (i < text.size() && text[i] == '"')
            quoted = !quoted;
        if (i < text.size() && (quoted || text[i] != separator))
            continue;
        use(trim(text.substr(begin, i - begin)));
        begin = i + 1;
    }
}

/// The number behind `name=` among parameters, as in `"default";r=50;t=30`.
inline std::optional<double> parameter(std::string_view text, char separator, std::string_view name)
{
    std::optional<double> found;
    split(text, separator, [&](std::string_view part) {
        const auto equals = part.find('=');
        if (equals != part.npos && trim(part.substr(0, equals)) == name)
            found = parse_decimal(trim(part.substr(equals + 1)));
    });
    return found;
}

/// Nothing that is said of a longer time is believed, in seconds.
inline constexpr double longest_wait = 366.0 * 24 * 3600;

/// The wait that a reset stands for: seconds from now, or a point in time in seconds or in
/// milliseconds since 1970, which are told apart by their size.
inline std::optional<std::chrono::nanoseconds> reset_wait(std::optional<double> value,
                                                          std::time_t now)
{
    constexpr double smallest_epoch = 1e9; // 2001
    constexpr double smallest_epoch_ms = 1e11;
    if (!value)
        return std::nullopt;
    double wait = *value;
    if (wait >= smallest_epoch)
        wait = (wait >= smallest_epoch_ms ? wait / 1000 : wait) - static_cast<double>(now);
    if (wait > longest_wait)
        return std::nullopt;
    return std::chrono::ceil<std::chrono::nanoseconds>(
        std::chrono::duration<double>{std::max(0.0, wait)});
}

/// The number in the first of these header fields that has one.
inline std::optional<double> first_number(const response& answer,
                                          std::initializer_list<const char*> names)
{
    for (const char* name : names)
        if (const auto value = answer.header(name))
            if (const auto number = parse_decimal(trim(*value)))
                return number;
    return std::nullopt;
}

/// Whether anything may be said of a limit. Most answers say nothing, and a date is dear to read.
inline bool has_rate_fields(const response& answer)
{
    return std::any_of(answer.headers().begin(), answer.headers().end(), [](const auto& field) {
        const auto begins = [&](std::string_view with) {
            return curl_strnequal(field.first.c_str(), with.data(), with.size());
        };
        return begins("RateLimit") || begins("X-Rate") || begins("X-Shopify-Shop");
    });
}

/// Of several hints the one with the least left counts, and of those the one that lasts longest.
inline void tighten(rate_hint& all, const rate_hint& one)
{
    constexpr double plenty = std::numeric_limits<double>::infinity();
    const double before = all.remaining.value_or(plenty);
    const double now = one.remaining.value_or(plenty);
    if (now < before || (now == before && one.reset > all.reset)) {
        all.remaining = one.remaining;
        all.reset = one.reset;
        all.limit = one.limit ? one.limit : all.limit;
    }
}

} // namespace field

/// Reads what an answer says about its limit.
///
/// Understands the RateLimit field of the IETF draft (`"default";r=50;t=30`, also several policies,
/// and the older `limit=100, remaining=50, reset=30`), the fields RateLimit-, X-RateLimit- and
/// X-Rate-Limit- Remaining and Reset, the field RateLimit-Policy (`"default";q=100;w=60`), and a
/// bucket's `32/40` (X-Shopify-Shop-Api-Call-Limit). The reset may be seconds from now, or a point
/// in time, which is measured against the answer's own Date. Of several the tightest counts; what
/// is malformed is ignored.
inline rate_hint read_rate_hint(const response& answer)
{
    if (!field::has_rate_fields(answer))
        return {};
    const auto date = answer.header("Date");
    const auto sent = date ? field::parse_http_date(field::trim(*date)) : std::nullopt;
    const std::time_t now = sent.value_or(std::time(nullptr));

    rate_hint result;
    result.remaining = field::first_number(
        answer, {"RateLimit-Remaining", "X-RateLimit-Remaining", "X-Rate-Limit-Remaining"});
    result.reset = field::reset_wait(
        field::first_number(answer, {"RateLimit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset"}),
        now);
    result.limit =
        field::first_number(answer, {"RateLimit-Limit", "X-RateLimit-Limit", "X-Rate-Limit-Limit"});
    for (const std::string_view value : answer.headers("RateLimit-Policy"))
        field::split(value, ',', [&](std::string_view policy) {
            const auto quota = field::parameter(policy, ';', "q");
            const auto window = field::parameter(policy, ';', "w");
            // Of several the one that allows least in the long run.
            if (quota && *quota >= 1 && window && *window > 0 && *window < field::longest_wait &&
                (!result.window || !result.limit ||
                 *quota / *window <
                     *result.limit / std::chrono::duration<double>(*result.window).count())) {
                result.limit = quota;
                result.window = std::chrono::ceil<std::chrono::nanoseconds>(
                    std::chrono::duration<double>{*window});
            }
        });
    for (const std::string_view value : answer.headers("RateLimit")) {
        rate_hint older;
        older.remaining = field::parameter(value, ',', "remaining");
        older.reset = field::reset_wait(field::parameter(value, ',', "reset"), now);
        field::tighten(result, older);
        field::split(value, ',', [&](std::string_view policy) {
            rate_hint one;
            one.remaining = field::parameter(policy, ';', "r");
            one.reset = field::reset_wait(field::parameter(policy, ';', "t"), now);
            field::tighten(result, one);
        });
    }
    if (const auto bucket = answer.header("X-Shopify-Shop-Api-Call-Limit")) {
        const auto slash = std::min(bucket->find('/'), bucket->size());
        const auto used = field::parse_decimal(field::trim(bucket->substr(0, slash)));
        const auto size =
            field::parse_decimal(field::trim(bucket->substr(std::min(slash + 1, bucket->size()))));
        rate_hint one;
        if (used && size && *size >= 1 && *used <= *size) {
            one.remaining = *size - *used;
            one.limit = size;
        }
        field::tighten(result, one);
    }
    return result;
}

} // namespace HEADGATE_NAMESPACE::http

#endif
