#ifndef HEADGATE_DETAIL_SLIDING_LOG_HPP
#define HEADGATE_DETAIL_SLIDING_LOG_HPP

#include <headgate/limit.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>

namespace headgate::detail {

/// A sliding window kept exactly: the log of the grants of the last period.
///
/// A grant at t counts in [t, t + period); grants at one instant share an entry. Time is handed in,
/// in nanoseconds since an epoch of the caller's, never going back.
class sliding_log {
public:
    using time = std::chrono::nanoseconds;

    explicit sliding_log(const limit& allowed)
        : capacity_{allowed.count()}, period_{allowed.period()}
    {
    }

    /// The first instant at which `n` tokens, at most the capacity, can be granted.
    time due(std::size_t n) const noexcept
    {
        time when = time::min();
        std::size_t used = used_;
        for (auto oldest = log_.begin(); used + n > capacity_; ++oldest) {
            used -= oldest->count;
            when = oldest->at + period_;
        }
        return when;
    }

    /// Takes `n` tokens at `now`, which is not before `due(n)`.
    void charge(std::size_t n, time now)
    {
        while (!log_.empty() && log_.front().at + period_ <= now) {
            used_ -= log_.front().count;
            log_.pop_front();
        }
        if (!log_.empty() && log_.back().at == now)
            log_.back().count += n;
        else
            log_.push_back(entry{now, n});
        used_ += n;
    }

    /// Gives back `n` tokens that were taken at `at`, as far as they still count.
    void refund(std::size_t n, time at) noexcept
    {
        const auto found = std::lower_bound(log_.begin(), log_.end(), at,
                                            [](const entry& e, time t) { return e.at < t; });
        if (found == log_.end() || found->at != at)
            return;
        const std::size_t back = std::min(n, found->count);
        found->count -= back;
        used_ -= back;
    }

    /// Takes over what another log has granted.
    void adopt(const sliding_log& other)
    {
        log_ = other.log_;
        used_ = other.used_;
    }

private:
    struct entry {
        time at;
        std::size_t count;
    };

    std::size_t capacity_;
    time period_;
    std::size_t used_ = 0;
    std::deque<entry> log_;
};

} // namespace headgate::detail

#endif
