#ifndef HEADGATE_LIMIT_HPP
#define HEADGATE_LIMIT_HPP

#include <headgate/detail/config.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <vector>

namespace HEADGATE_NAMESPACE {

/// What a server allows: a number of requests (or of any other unit that is paid in tokens) for a
/// period of time.
///
/// A `limit` is a small value; it holds no state. An `async_limiter` enforces one or several of
/// them. All durations are kept in nanoseconds.
class limit {
public:
    /// What it counts time in.
    using duration = std::chrono::nanoseconds;

    /// How a limit is kept to.
    enum class kind {
        window,    ///< a sliding window: never more than `count` in any `period`
        bucket,    ///< a token bucket: `burst` at once, refilled at `count` per `period`
        paced,     ///< evenly spaced: one every `period / count`
        in_flight, ///< at most `count` at the same time, however long each takes
    };

    /// The largest count or burst that a limit accepts.
    static constexpr std::size_t max_count = 1'000'000'000;

    /// The longest period that a limit accepts.
    static constexpr duration max_period = std::chrono::hours{24 * 366};

    /// Never more than `count` in any span of `period`, the whole count usable at once.
    ///
    /// This is what "100 requests per minute" means to a server that keeps a sliding window or a
    /// sliding log. Memory: 16 bytes for each grant of the last period, at most `count` of them.
    /// @throws std::invalid_argument if `count` or `period` is zero, negative or out of range.
    static limit window(std::size_t count, duration period)
    {
        return limit{kind::window, count, period, count};
    }

    /// A token bucket that holds `burst` tokens, starts full and is refilled evenly at `count` per
    /// `period`.
    ///
    /// In any span w it admits at most `burst + count * w / period`, so in its first period up to
    /// `burst + count`. Choose it for servers that are token buckets themselves.
    /// @throws std::invalid_argument if an argument is zero, negative or out of range.
    static limit bucket(std::size_t count, duration period, std::size_t burst)
    {
        return limit{kind::bucket, count, period, burst};
    }

    /// One every `period / count`, with no burst.
    /// @throws std::invalid_argument if `count` or `period` is zero, negative or out of range.
    static limit paced(std::size_t count, duration period)
    {
        return limit{kind::paced, count, period, 1};
    }

    /// The same limit for a server that counts a request up to `late` later after it was granted
    /// here than it counts another, because of the way there. Nothing that varies by no more than
    /// that can make it count more than it allows.
    ///
    /// Windows become arrival-safe: a grant comes back one period after its request can no longer
    /// arrive, which is when its permit ends (so after its answer) or `late` after the grant,
    /// whichever comes first. Of a window that costs the share min(late, answer time) / period at
    /// most. Paced limits and buckets spread `count` over `period + late`.
    /// @throws std::invalid_argument if `late` is negative, more than `max_period`, or so much that
    /// the burst would take longer than three years to refill.
    limit with_slack(duration late) const { return with_slack(late, false); }

    /// As `with_slack`, at a lower price: a window learns how long a round trip takes at least, and
    /// takes what an answer took longer than that for the most that its request can have been late.
    /// As long as no round trip has been as short as they can be it may be wrong by the difference.
    /// @throws std::invalid_argument as `with_slack` does.
    limit with_learned_slack(duration at_most) const { return with_slack(at_most, true); }

    /// At most `count` at the same time. What takes part in it is a `permit`, from when it is
    /// granted until it is destroyed; so a limiter with such a limit gives permits only.
    /// @throws std::invalid_argument if `count` is zero or out of range.
    static limit in_flight(std::size_t count)
    {
        return limit{kind::in_flight, count, duration{1}, count};
    }

    /// The same at a share of the rate, more than 0 and at most 1: its period is longer, as far as
    /// one can be. `kind::in_flight` stays as it is.
    /// @throws std::invalid_argument if the share is out of range.
    limit slowed(double share) const
    {
        if (!(share > 0 && share <= 1))
            throw std::invalid_argument{"headgate::limit: share is " + std::to_string(share) +
                                        ", must be more than 0 and at most 1"};
        limit result{*this};
        if (kind_ != kind::in_flight) {
            using exact = std::chrono::duration<double, duration::period>;
            const exact longer = std::min(exact{max_period}, exact{period_} / share);
            result.period_ = std::min(longest_period(), std::chrono::ceil<duration>(longer));
        }
        return result;
    }

    /// How it is kept to.
    kind type() const noexcept { return kind_; }
    /// How many are allowed in a period, or at the same time.
    std::size_t count() const noexcept { return count_; }

    /// The period of a rate; of no meaning for `kind::in_flight`.
    duration period() const noexcept { return period_; }

    /// The most that can be granted at one instant, and so the most that one acquire can ask for.
    std::size_t burst() const noexcept { return burst_; }

    /// How much later than another a request may be counted by the server; 0 unless stated.
    duration slack() const noexcept { return slack_; }

    /// Whether the slack is what it is at most, and less is learned from answers.
    bool learns_slack() const noexcept { return learns_slack_; }

    /// Whether they allow the same, slack included.
    friend bool operator==(const limit&, const limit&) = default;

private:
    limit(kind type, std::size_t count, duration period, std::size_t burst)
        : kind_{type}, count_{count}, period_{period}, burst_{burst}
    {
        if (count == 0 || count > max_count)
            throw std::invalid_argument{"headgate::limit: count is " + std::to_string(count) +
                                        ", must be 1 to " + std::to_string(max_count)};
        if (burst == 0 || burst > max_count)
            throw std::invalid_argument{"headgate::limit: burst is " + std::to_string(burst) +
                                        ", must be 1 to " + std::to_string(max_count)};
        if (period <= duration::zero() || period > max_period)
            throw std::invalid_argument{"headgate::limit: period is " +
                                        std::to_string(period.count()) +
                                        " ns, must be positive and at most 366 days"};
        check_refill();
    }

    /// What a full burst may take to come back, in time that can be calculated with.
    void check_refill() const
    {
        if (period_ > longest_period())
            throw std::invalid_argument{"headgate::limit: a burst of " + std::to_string(burst_) +
                                        " would take longer than three years to refill"};
    }

    /// The longest period with this count, burst and slack.
    duration longest_period() const noexcept
    {
        const auto count = static_cast<duration::rep>(count_);
        const duration::rep interval = max_refill / static_cast<duration::rep>(burst_);
        const duration::rep most = (max_period + slack_).count();
        return duration{interval > most / count ? most : interval * count} - slack_;
    }

    limit with_slack(duration late, bool learns) const
    {
        if (late < duration::zero() || late > max_period)
            throw std::invalid_argument{"headgate::limit: slack is " +
                                        std::to_string(late.count()) +
                                        " ns, must be 0 to 366 days"};
        limit result{*this};
        result.slack_ = late;
        result.learns_slack_ = learns;
        result.check_refill();
        return result;
    }

    static constexpr duration::rep max_refill = duration{std::chrono::hours{3 * 366 * 24}}.count();

    kind kind_;
    std::size_t count_;
    duration period_;
    std::size_t burst_;
    duration slack_{0};
    bool learns_slack_ = false;
};

/// What to keep to where it is not known how the server counts: limits that use 98 % of `count` per
/// `period` and that no common kind of server refuses, be it a sliding log, a counter of two
/// windows, a fixed window, a token bucket or a leaky one.
///
/// Requests are spaced evenly, over 1.8 % more than the period: an even stream looks the same to
/// all of them. Where the period is short that may be less than requests vary on their way, so
/// there is a window behind it that learns from the answers how late each can have been, up to
/// 2.8 % of the period.
inline std::vector<limit> limits_for_any_server(std::size_t count, limit::duration period)
{
    std::vector<limit> result{limit::paced(count, period).with_slack(period / 1000 * 18)};
    if (period < std::chrono::minutes{1})
        result.push_back(limit::window(count, period).with_learned_slack(period / 1000 * 28));
    return result;
}

} // namespace HEADGATE_NAMESPACE

#endif
