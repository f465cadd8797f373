#ifndef HEADGATE_LIMIT_HPP
#define HEADGATE_LIMIT_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

namespace headgate {

/// What a server allows: a number of requests (or of any other unit that is paid in tokens) for a
/// period of time.
///
/// A `limit` is a small value; it holds no state. An `async_limiter` enforces one or several of
/// them. All durations are kept in nanoseconds.
class limit {
public:
    using duration = std::chrono::nanoseconds;

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

    /// At most `count` at the same time. What takes part in it is a `permit`, from when it is
    /// granted until it is destroyed; so a limiter with such a limit gives permits only.
    /// @throws std::invalid_argument if `count` is zero or out of range.
    static limit in_flight(std::size_t count)
    {
        return limit{kind::in_flight, count, duration{1}, count};
    }

    kind type() const noexcept { return kind_; }
    std::size_t count() const noexcept { return count_; }

    /// The period of a rate; of no meaning for `kind::in_flight`.
    duration period() const noexcept { return period_; }

    /// The most that can be granted at one instant, and so the most that one acquire can ask for.
    std::size_t burst() const noexcept { return burst_; }

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
        if (period.count() / static_cast<duration::rep>(count) >
            max_refill / static_cast<duration::rep>(burst))
            throw std::invalid_argument{"headgate::limit: a burst of " + std::to_string(burst) +
                                        " would take longer than three years to refill"};
    }

    static constexpr duration::rep max_refill = duration{std::chrono::hours{3 * 366 * 24}}.count();

    kind kind_;
    std::size_t count_;
    duration period_;
    std::size_t burst_;
};

} // namespace headgate

#endif
