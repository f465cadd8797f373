#ifndef EXTRACT_VALUES_HPP
#define EXTRACT_VALUES_HPP

#include <headgate/http/request.hpp>
#include <headgate/http/url.hpp>
#include <headgate/limit.hpp>
#ifdef EXTRACT_WITH_REDIS
#include <headgate/redis/client_options.hpp>
#endif

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

/// A command line that cannot be obeyed: one line that says why, also where a line break was given.
class bad_usage : public std::runtime_error {
public:
    explicit bad_usage(const std::string& why) : std::runtime_error{on_one_line(why)} {}

private:
    static std::string on_one_line(std::string text)
    {
        std::replace_if(
            text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
        return text;
    }
};

/// Whole numbers in a range. They are read as signed ones, so that a negative number is not taken
/// for a large one; and of a number that does not fit CLI11 makes the largest, which has to be out
/// of the range.
inline CLI::Range whole_numbers(std::int64_t least, std::int64_t most = 1'000'000'000'000'000)
{
    return CLI::Range{least, most};
}

/// A number of bytes, with a unit or without.
inline CLI::Validator bytes()
{
    return CLI::Validator{
        [](std::string& text) -> std::string {
            static const CLI::AsSizeValue to_bytes{false};
            try {
                std::string number = text;
                if (to_bytes(number).empty() && whole_numbers(1)(number).empty()) {
                    text = number;
                    return {};
                }
            } catch (const CLI::Error&) {
                // Its message names all units in all spellings.
            }
            return "Value " + text +
                   " is no number of bytes in range 1 to 1000000000000000, like 67108864 or 64M";
        },
        "BYTES"};
}

/// What takes a value as it is where `check` does not throw.
template <class Check>
CLI::Validator checked(Check check, const std::string& kind)
{
    return CLI::Validator{[check](std::string& text) -> std::string {
                              try {
                                  check(text);
                                  return {};
                              } catch (const std::exception& e) {
                                  return e.what();
                              }
                          },
                          kind};
}

inline void check_json_pointer(const std::string& text)
{
    try {
        static_cast<void>(nlohmann::json::json_pointer{text});
    } catch (const nlohmann::json::exception&) {
        throw std::invalid_argument{"\"" + text +
                                    "\" is not a JSON Pointer (empty, or like /data/items)"};
    }
}

/// A JSON Pointer, as all that follow are checked when the command line is read, so that a message
/// can name the option.
inline CLI::Validator json_pointer()
{
    return checked(check_json_pointer, "POINTER");
}

/// The name of a parameter, or with a slash before it its place in the request's body.
inline CLI::Validator parameter()
{
    return checked(
        [](const std::string& text) {
            if (text.substr(0, 1) == "/")
                check_json_pointer(text);
        },
        "NAME");
}

inline CLI::Validator origin()
{
    return checked([](const std::string& text) { headgate::http::url{text}; }, "URL");
}

/// A Redis and a key in it.
inline CLI::Validator redis_url()
{
    return checked(
        [](const std::string& text) {
#ifdef EXTRACT_WITH_REDIS
            if (headgate::redis::client_options::with_key(text).key.find_first_of("{}") !=
                std::string::npos)
                throw std::invalid_argument{"the key has a brace in it"};
#else
            static_cast<void>(text);
            throw std::invalid_argument{"this build of extract has no Redis"};
#endif
        },
        "URL");
}

/// "0.25", more than 0 and at most 1.
inline double parse_share(const std::string& option, const std::string& text)
{
    double result = 0;
    if (!CLI::detail::lexical_cast(text, result) || !(result > 0 && result <= 1))
        throw bad_usage{option + ' ' + text +
                        ": must be wait, fail, or a share of the rates, more than 0 and at most 1"};
    return result;
}

/// "1.5m" as seconds.
inline double parse_seconds(std::string text, bool may_be_none = false)
{
    static const CLI::AsNumberWithUnit to_seconds{
        std::map<std::string, double>{
            {"ms", 0.001}, {"s", 1.0}, {"m", 60.0}, {"min", 60.0}, {"h", 3600.0}, {"d", 86400.0}},
        CLI::AsNumberWithUnit::CASE_INSENSITIVE};
    if (const std::string problem = to_seconds(text); !problem.empty())
        throw bad_usage{problem};
    const double seconds = std::stod(text);
    if (!((may_be_none ? seconds >= 0 : seconds > 0) && seconds <= 366 * 86400.0))
        throw bad_usage{std::string{"a time must be "} +
                        (may_be_none ? "at least 0" : "more than 0") + " and at most 366 days"};
    return seconds;
}

/// "100/60s", "10/s" or "1000/h" as limits: evenly spaced unless another kind is asked for.
///
/// A server counts a request when it arrives, and no two take the same time to get there, so a
/// window needs some slack.
inline std::vector<headgate::limit> parse_rate(const std::string& text, const std::string& kind,
                                               std::size_t burst)
{
    using std::chrono::nanoseconds;
    static const CLI::Range counts = whole_numbers(1, headgate::limit::max_count);
    const auto slash = text.find('/');
    const std::string number = text.substr(0, slash);
    std::size_t count = 0;
    if (slash == std::string::npos || !counts(number).empty() ||
        !CLI::detail::lexical_cast(number, count))
        throw bad_usage{"--rate " + text + ": must be a number of requests, 1 to " +
                        std::to_string(headgate::limit::max_count) + ", for a time, like 100/60s"};
    std::string unit = text.substr(slash + 1);
    if (!unit.empty() && unit.find_first_of("0123456789") != 0)
        unit.insert(0, "1");
    try {
        const nanoseconds period{static_cast<nanoseconds::rep>(parse_seconds(unit) * 1e9)};
        if (kind == "window")
            // A burst may overflow the server's queue of new connections, and a connection that is
            // tried again comes a second late or more: only the answer says when.
            return {headgate::limit::window(count, period)
                        .with_slack(std::max<nanoseconds>(period, std::chrono::minutes{1}))};
        if (kind == "bucket")
            return {headgate::limit::bucket(count, period, burst > 0 ? burst : count)};
        return headgate::limits_for_any_server(count, period);
    } catch (const std::exception& e) {
        throw bad_usage{"--rate " + text + ": " + e.what()};
    }
}

inline std::chrono::nanoseconds parse_time(const std::string& option, const std::string& text,
                                           bool may_be_none = false)
{
    try {
        return std::chrono::ceil<std::chrono::nanoseconds>(
            std::chrono::duration<double>{parse_seconds(text, may_be_none)});
    } catch (const std::exception& e) {
        throw bad_usage{option + ' ' + text + ": " + e.what()};
    }
}

inline std::pair<std::string, std::string> parse_header(const std::string& text)
{
    const auto colon = text.find(':');
    if (colon == std::string::npos || colon == 0)
        throw bad_usage{"--header " + text + ": must be like 'Name: value'"};
    const std::string name = text.substr(0, colon);
    const auto begin = text.find_first_not_of(" \t", colon + 1);
    const std::string value = begin == std::string::npos ? "" : text.substr(begin);
    try {
        headgate::http::request{"http://localhost"}.header(name, value);
    } catch (const std::invalid_argument& e) {
        throw bad_usage{"--header " + name + ": " + e.what()}; // the value may be a secret
    }
    return {name, value};
}

#endif
