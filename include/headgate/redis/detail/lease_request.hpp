#ifndef HEADGATE_REDIS_DETAIL_LEASE_REQUEST_HPP
#define HEADGATE_REDIS_DETAIL_LEASE_REQUEST_HPP

#include <headgate/detail/config.hpp>
#include <headgate/limit.hpp>
#include <headgate/redis/reply.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// How limits are written in Redis: kind, count, period, burst, slack (nanoseconds) and whether it
/// is learned, each ended with a semicolon.
inline std::string to_text(const std::vector<limit>& limits)
{
    std::string result;
    for (const limit& each : limits) {
        constexpr const char* kinds = "wbpf";
        result += kinds[static_cast<std::size_t>(each.type())];
        for (const auto number : {static_cast<std::int64_t>(each.count()),
                                  static_cast<std::int64_t>(each.period().count()),
                                  static_cast<std::int64_t>(each.burst()),
                                  static_cast<std::int64_t>(each.slack().count()),
                                  static_cast<std::int64_t>(each.learns_slack())})
            result += ',' + std::to_string(number);
        result += ';';
    }
    return result;
}

/// The limits of such a text; nothing if it is none.
inline std::optional<std::vector<limit>> limits_of(std::string_view text)
{
    std::vector<limit> result;
    while (!text.empty()) {
        const auto end = text.find(';');
        if (end == text.npos || end < 2)
            return std::nullopt;
        const char kind = text.front();
        std::int64_t numbers[5] = {};
        const char* at = text.data() + 1;
        const char* const stop = text.data() + end;
        for (std::int64_t& number : numbers) {
            if (at == stop || *at != ',')
                return std::nullopt;
            const auto read = std::from_chars(at + 1, stop, number);
            if (read.ec != std::errc{} || number < 0)
                return std::nullopt;
            at = read.ptr;
        }
        if (at != stop)
            return std::nullopt;
        text.remove_prefix(end + 1);
        const auto count = static_cast<std::size_t>(numbers[0]);
        const std::chrono::nanoseconds period{numbers[1]};
        const std::chrono::nanoseconds slack{numbers[3]};
        try {
            limit each = kind == 'w' ? limit::window(count, period)
                         : kind == 'b'
                             ? limit::bucket(count, period, static_cast<std::size_t>(numbers[2]))
                         : kind == 'p' ? limit::paced(count, period)
                                       : limit::in_flight(count);
            if (kind != 'f' && slack.count() > 0)
                each = numbers[4] != 0 ? each.with_learned_slack(slack) : each.with_slack(slack);
            result.push_back(each);
        } catch (const std::invalid_argument&) {
            return std::nullopt;
        }
    }
    return result;
}

/// What a client asks of the script, and tells it at the same time. Times are the client's own, in
/// nanoseconds since an epoch of its own, unless they are said to be the server's.
struct lease_request {
    using time = std::chrono::nanoseconds;

    /// Tokens of a lease, in one of its windows, are free at another time than was taken for
    /// granted.
    struct move {
        std::string epoch;
        std::size_t limit = 0;    ///< counted from 0
        std::int64_t step = 0;    ///< where they are
        std::int64_t free_at = 0; ///< microseconds of the server's clock; 0 for now
        std::size_t tokens = 0;
    };

    /// Tokens that were used without having been leased.
    struct owed {
        time at{0};
        std::size_t tokens = 0;
    };

    std::string known; ///< the epoch of the last answer; empty if there was none
    time known_at{0};  ///< when that came
    std::string limits;
    std::size_t units = 0;
    std::size_t unit = 1;
    time horizon{0};
    time lease{0};
    time credit{0};
    time ttl{0};
    std::size_t holding = 0; ///< tokens that take a place: leased, or granted and not over
    std::vector<move> moves;
    std::vector<owed> debts;
    std::optional<time> pause_until;
    std::optional<std::string> new_limits;
    std::optional<bool> probe_over; ///< whether it was sent

    /// Whether it has to say anything that must not get lost.
    bool has_changes() const noexcept
    {
        return !debts.empty() || pause_until || new_limits || probe_over;
    }

    /// What the script is called with, at `now`, in a Redis process of that run, which had started
    /// by then, in microseconds of its own clock.
    std::vector<std::string> arguments(const std::string& run_id, std::chrono::microseconds started,
                                       const std::string& client, time now) const
    {
        const auto us = [](time span) {
            return std::to_string(std::chrono::ceil<std::chrono::microseconds>(span).count());
        };
        std::vector<std::string> result{run_id,
                                        std::to_string(started.count()),
                                        client,
                                        known,
                                        us(std::max(now - known_at, time{0})),
                                        limits,
                                        std::to_string(units),
                                        std::to_string(unit),
                                        us(horizon),
                                        us(lease),
                                        us(credit),
                                        std::to_string(holding),
                                        us(ttl)};
        const auto add = [&](std::initializer_list<std::string> words) {
            result.insert(result.end(), words);
        };
        for (const move& each : moves)
            add({"r", each.epoch, std::to_string(each.limit + 1), std::to_string(each.step),
                 std::to_string(each.free_at), std::to_string(each.tokens)});
        for (const owed& each : debts)
            add({"x", us(std::max(now - each.at, time{0})), std::to_string(each.tokens)});
        if (probe_over)
            add({"d", *probe_over ? "1" : "0"});
        if (pause_until)
            add({"p", us(std::max(*pause_until - now, time{0}))});
        if (new_limits)
            add({"l", *new_limits});
        return result;
    }
};

/// What the script answers. Times are microseconds of the server's clock.
struct lease_answer {
    struct group {
        std::int64_t from = 0;
        std::int64_t until = 0;
        std::size_t units = 0;
        std::vector<std::int64_t> steps; ///< one for each window
    };

    std::int64_t now = 0;
    std::string epoch;
    bool settling = false;  ///< Redis is too young to say what was spent
    std::int64_t again = 0; ///< when to ask again; 0 if all was granted
    std::int64_t pause = 0; ///< until then; 0 if there was none
    std::string limits;     ///< others than the client's; empty if they are the same
    bool is_probe = false;  ///< the one that is granted is the probe after a pause
    std::int64_t base = 0;  ///< when the steps of windows begin
    std::vector<group> groups;

    /// @return nothing if that is no answer of the script
    static std::optional<lease_answer> read(const redis::reply& from, std::size_t windows_before)
    {
        constexpr std::size_t head = 9;
        if (from.size() < head)
            return std::nullopt;
        lease_answer result;
        result.now = number(from[0]);
        result.epoch = from[1].text();
        result.settling = number(from[2]) != 0;
        result.again = number(from[3]);
        result.pause = number(from[4]);
        result.limits = from[5].text();
        result.is_probe = number(from[6]) != 0;
        const auto groups = static_cast<std::size_t>(number(from[7]));
        result.base = number(from[8]);
        const std::size_t windows =
            result.limits.empty() ? windows_before
                                  : static_cast<std::size_t>(std::count(result.limits.begin(),
                                                                        result.limits.end(), 'w'));
        if (result.now <= 0 || from.size() != head + groups * (3 + windows))
            return std::nullopt;
        for (std::size_t at = head; at < from.size();) {
            group each;
            each.from = number(from[at++]);
            each.until = number(from[at++]);
            each.units = static_cast<std::size_t>(number(from[at++]));
            for (std::size_t i = 0; i < windows; ++i)
                each.steps.push_back(number(from[at++]));
            result.groups.push_back(std::move(each));
        }
        return result;
    }

private:
    static std::int64_t number(const redis::reply& from) noexcept
    {
        if (from.type() == redis::reply::kind::integer)
            return from.integer();
        std::int64_t value = 0;
        const std::string& text = from.text();
        std::from_chars(text.data(), text.data() + text.size(), value);
        return value;
    }
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
