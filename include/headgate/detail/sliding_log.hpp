#ifndef HEADGATE_DETAIL_SLIDING_LOG_HPP
#define HEADGATE_DETAIL_SLIDING_LOG_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/ring.hpp>
#include <headgate/limit.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// A sliding window kept exactly: the log of what still counts.
///
/// A grant at t counts until t + late + period, where late is the slack of the limit, or less once
/// the answer has shown that the request cannot have been that late. Grants that come back at one
/// instant share an entry. Time is handed in, in nanoseconds since an epoch of the caller's, never
/// going back.
class sliding_log {
public:
    using time = std::chrono::nanoseconds;

    explicit sliding_log(const limit& allowed)
        : capacity_{allowed.count()},
          period_{allowed.period()},
          slack_{allowed.slack()},
          learns_{allowed.learns_slack()}
    {
    }

    /// The first instant at which `n` tokens, at most the capacity, can be granted.
    time due(std::size_t n) const noexcept
    {
        time when = time::min();
        std::size_t used = used_;
        for (std::size_t oldest = 0; used + n > capacity_; ++oldest) {
            used -= log_[oldest].count;
            when = log_[oldest].back_at;
        }
        return when;
    }

    /// Takes `n` tokens at `now`, which is not before `due(n)`.
    void charge(std::size_t n, time now)
    {
        while (!log_.empty() && log_.front().back_at <= now) {
            used_ -= log_.front().count;
            log_.pop_front();
        }
        add(n, now + slack_ + period_);
    }

    /// `n` tokens were taken at `at`, by somebody before; their answer took `late`.
    void recall(std::size_t n, time at, time late, time now)
    {
        const time back_at = at + std::min(late, slack_) + period_;
        if (back_at > now)
            add(n, back_at);
    }

    /// At `at` nothing was left.
    void exhaust(time at, time now) { recall(capacity_, at, slack_, now); }

    /// What was granted at `at` is over, and `used` of its `n` tokens stay taken: the request was
    /// sent at `at`, answered `now`, and no answer has ever taken less than `fastest`.
    void finish(std::size_t n, std::size_t used, time at, time now, time fastest)
    {
        const time late = std::min(slack_, now - at - (learns_ ? fastest : time{0}));
        if (used != n || late < slack_) {
            const std::size_t found = take(n, at + slack_ + period_);
            if (at + late + period_ > now)
                add(std::min(used, found), at + late + period_);
        }
        if (used > n)
            add(used - n, now + period_);
    }

    /// Takes over what another log has granted.
    void adopt(const sliding_log& other)
    {
        log_ = other.log_;
        used_ = other.used_;
        for (std::size_t i = 0; i < log_.size(); ++i)
            log_[i].back_at += period_ + slack_ - other.period_ - other.slack_;
    }

private:
    struct entry {
        time back_at;
        std::size_t count;
    };

    /// What comes back soonest stands first. What is answered out of turn is moved by as many
    /// places as there are requests in flight.
    void add(std::size_t n, time back_at)
    {
        if (n == 0)
            return;
        used_ += n;
        std::size_t place = log_.size();
        while (place > 0 && log_[place - 1].back_at > back_at)
            --place;
        if (place > 0 && log_[place - 1].back_at == back_at) {
            log_[place - 1].count += n;
            return;
        }
        log_.push_back(entry{back_at, n});
        for (std::size_t last = log_.size() - 1; last > place; --last)
            std::swap(log_[last], log_[last - 1]);
    }

    /// Removes `n` tokens that come back at `back_at`, as far as they still count.
    std::size_t take(std::size_t n, time back_at)
    {
        const std::size_t found = first_not_before(back_at);
        if (found == log_.size() || log_[found].back_at != back_at)
            return 0;
        const std::size_t taken = std::min(n, log_[found].count);
        used_ -= taken;
        log_[found].count -= taken;
        if (log_[found].count == 0) {
            for (std::size_t i = found; i + 1 < log_.size(); ++i)
                std::swap(log_[i], log_[i + 1]);
            log_.pop_back();
        }
        return taken;
    }

    /// By halving; the standard's search wants iterators, and what makes them of numbers is a large
    /// header.
    std::size_t first_not_before(time back_at) const noexcept
    {
        std::size_t first = 0;
        for (std::size_t last = log_.size(); first < last;) {
            const std::size_t middle = first + (last - first) / 2;
            if (log_[middle].back_at < back_at)
                first = middle + 1;
            else
                last = middle;
        }
        return first;
    }

    std::size_t capacity_;
    time period_;
    time slack_;
    bool learns_;
    std::size_t used_ = 0;
    ring<entry> log_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
