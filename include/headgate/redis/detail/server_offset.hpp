#ifndef HEADGATE_REDIS_DETAIL_SERVER_OFFSET_HPP
#define HEADGATE_REDIS_DETAIL_SERVER_OFFSET_HPP

#include <headgate/detail/config.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace HEADGATE_NAMESPACE::detail {

/// What is known of the difference between a server's clock and the own one: a lower and an upper
/// bound, from what the server read between a question and its answer. Between answers they drift
/// apart, as clocks may.
class server_offset {
public:
    using time = std::chrono::nanoseconds;

    /// The server read `server` (microseconds) after `asked` and before `answered`.
    /// @return false if that cannot be: one of the clocks was set. What was known is forgotten.
    bool learn(std::int64_t server, time asked, time answered)
    {
        const time read{server * 1000};
        const time low = read - answered;
        const time high = read + time{1000} - asked;
        const time drift = (answered - learned_at_) / 1000;
        const bool fits = !known_ || (low_ - drift <= high && low <= high_ + drift);
        low_ = known_ && fits ? std::max(low, low_ - drift) : low;
        high_ = known_ && fits ? std::min(high, high_ + drift) : high;
        learned_at_ = answered;
        known_ = true;
        return fits;
    }

    /// Another server, another clock.
    void forget() noexcept { known_ = false; }

    /// A moment of the server's as one of the own clock: for sure not before, or for sure not
    /// after.
    time not_before(std::int64_t server) const noexcept { return time{server * 1000} - low_; }
    time not_after(std::int64_t server) const noexcept { return time{server * 1000} - high_; }

    /// The latest that the server's clock can show at a moment of the own, in microseconds.
    std::int64_t latest(time own) const noexcept
    {
        const time drift = std::max(own - learned_at_, time{0}) / 1000;
        return (own + high_ + drift).count() / 1000 + 1;
    }

private:
    bool known_ = false;
    time low_{0};
    time high_{0};
    time learned_at_{0};
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
