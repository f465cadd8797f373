#ifndef HEADGATE_DETAIL_TOKEN_BUCKET_HPP
#define HEADGATE_DETAIL_TOKEN_BUCKET_HPP

#include <headgate/limit.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace headgate::detail {

/// A token bucket kept as the generic cell rate algorithm (ITU-T I.371): one number, the
/// theoretical arrival time, says how full the bucket is.
///
/// Time is handed in, in nanoseconds since an epoch of the caller's, never going back. Inside it is
/// counted in sixteenths of a nanosecond, and the interval between tokens is rounded up, so that
/// the bucket can be slow by less than one part in a million but never fast.
///
/// A token that was waited for and is granted late, because the event loop was, keeps its place in
/// the schedule if it is not later than `credit`. Lateness up to the credit then costs no
/// throughput, and a long stall is not followed by a burst: in any window w there are at most
/// burst + rate * (w + credit) grants.
class token_bucket {
public:
    using time = std::chrono::nanoseconds;

    token_bucket(const limit& allowed, time credit)
        : interval_{divide_up(to_ticks(allowed.period() + allowed.slack()),
                              static_cast<std::int64_t>(allowed.count()))},
          depth_{interval_ * static_cast<std::int64_t>(allowed.burst())},
          credit_{to_ticks(credit)}
    {
    }

    /// The first instant at which `n` tokens, at most the burst, can be granted.
    time due(std::size_t n) const noexcept
    {
        return time{divide_up(arrival_ + cost(n) - depth_, ticks_per_nanosecond)};
    }

    /// Takes `n` tokens at `now`, which is not before `due(n)`. `waited`: not on arrival, but when
    /// their turn came.
    void charge(std::size_t n, time now, bool waited) noexcept
    {
        const std::int64_t on_schedule = to_ticks(now) - (waited ? credit_ : 0);
        arrival_ = std::max(arrival_, on_schedule) + cost(n);
    }

    /// Of `n` tokens that were granted `used` stay taken: what is less is given back, and lost if
    /// the bucket is full; what is more is owed, whether it is there or not.
    void finish(std::size_t n, std::size_t used, time now) noexcept
    {
        if (used < n)
            arrival_ -= cost(n - used);
        else if (used > n)
            arrival_ = std::max(arrival_, to_ticks(now)) + cost(used - n);
    }

    /// Starts with what is missing from another bucket, in tokens.
    void adopt(const token_bucket& other, time now) noexcept
    {
        const std::int64_t missing = std::max<std::int64_t>(0, other.arrival_ - to_ticks(now));
        const std::int64_t tokens = divide_up(missing, other.interval_);
        arrival_ = to_ticks(now) + std::min(tokens * interval_, depth_);
    }

private:
    static constexpr std::int64_t ticks_per_nanosecond = 16;

    static constexpr std::int64_t to_ticks(time t) noexcept
    {
        return t.count() * ticks_per_nanosecond;
    }
    static constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) noexcept
    {
        return a / b + (a % b > 0 ? 1 : 0);
    }
    std::int64_t cost(std::size_t n) const noexcept
    {
        return interval_ * static_cast<std::int64_t>(n);
    }

    std::int64_t interval_;
    std::int64_t depth_;
    std::int64_t credit_;
    std::int64_t arrival_ = 0;
};

} // namespace headgate::detail

#endif
