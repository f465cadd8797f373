#ifndef HEADGATE_HTTP_RETRY_AFTER_HPP
#define HEADGATE_HTTP_RETRY_AFTER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/http/response.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#if !defined(__cpp_lib_to_chars)
#include <locale>
#include <sstream>
#endif

namespace HEADGATE_NAMESPACE::http {

/// How the values of header fields are read.
namespace field {

/// The text without spaces and tabs around it.
inline std::string_view trim(std::string_view text) noexcept
{
    const auto first = text.find_first_not_of(" \t");
    return first == text.npos ? std::string_view{}
                              : text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

/// A point in time in any of the three forms of HTTP (RFC 9110), as libcurl reads them.
inline std::optional<std::time_t> parse_http_date(std::string_view text)
{
    // libcurl takes much more for a date; those of HTTP begin with the name of a day.
    if (text.empty() || std::string_view{"MTWFS"}.find(text.front()) == std::string_view::npos)
        return std::nullopt;
    const std::time_t time = curl_getdate(std::string{text}.c_str(), nullptr);
    return time < 0 ? std::nullopt : std::optional{time};
}

/// A number that is finite, not negative and written without an exponent.
inline std::optional<double> parse_decimal(std::string_view text)
{
    double value = 0;
#if defined(__cpp_lib_to_chars)
    const auto [end, failed] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (failed != std::errc{} || end != text.data() + text.size())
        return std::nullopt;
#else // libc++
    std::istringstream in{std::string{text}};
    in.imbue(std::locale::classic());
    if (text.find_first_not_of("0123456789.") != text.npos || !(in >> value) || !in.eof())
        return std::nullopt;
#endif
    // The name of something that is not finite is a number to from_chars, too.
    constexpr double most = std::numeric_limits<double>::max();
    return value >= 0 && value <= most ? std::optional{value} : std::nullopt;
}

/// Seconds to wait from one value of the field, seen from `now`.
inline std::optional<double> parse_wait(std::string_view text, std::time_t now)
{
    if (const auto seconds = parse_decimal(text))
        return seconds;
    if (const auto date = parse_http_date(text))
        return std::max(0.0, std::difftime(*date, now));
    return std::nullopt;
}

} // namespace field

/// How long the server wants its client to wait before the next request, from Retry-After.
///
/// Understands seconds, with a fraction too, and the three forms of date; a date is measured
/// against the answer's own Date where it has one, so that a clock that is wrong does no harm. Of
/// several values, in one field or many, the longest counts; what is nonsense does not. At most a
/// year.
inline std::optional<std::chrono::nanoseconds> retry_after(const response& answer)
{
    const auto fields = answer.headers("Retry-After");
    if (fields.empty())
        return std::nullopt; // the usual case: a date is dear to read
    const auto date = answer.header("Date");
    const auto sent = date ? field::parse_http_date(field::trim(*date)) : std::nullopt;
    const std::time_t now = sent.value_or(std::time(nullptr));
    std::optional<double> longest;
    const auto consider = [&](std::optional<double> seconds) {
        if (seconds)
            longest = std::max(longest.value_or(0), *seconds);
        return seconds.has_value();
    };
    for (std::string_view field : fields) {
        field = field::trim(field);
        if (consider(field::parse_wait(field, now)))
            continue;
        while (!field.empty()) {
            const auto comma = std::min(field.find(','), field.size());
            consider(field::parse_wait(field::trim(field.substr(0, comma)), now));
            field.remove_prefix(std::min(comma + 1, field.size()));
        }
    }
    if (!longest)
        return std::nullopt;
    constexpr double year = 366.0 * 24 * 3600;
    return std::chrono::ceil<std::chrono::nanoseconds>(
        std::chrono::duration<double>{std::min(*longest, year)});
}

} // namespace HEADGATE_NAMESPACE::http

#endif
