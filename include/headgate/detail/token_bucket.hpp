#ifndef HEADGATE_DETAIL_TOKEN_BUCKET_HPP
#define HEADGATE_DETAIL_TOKEN_BUCKET_HPP

#include <headgate/detail/config.hpp>
#include <headgate/limit.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

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
          depth_{cost(allowed.burst())},
          credit_{to_ticks(credit)}
    {
    }

    /// The first instant at which `n` tokens, at most the burst, can be granted.
    time due(std::size_t n) const noexcept
    {
        return time{divide_up(arrival_ + cost(n) - depth_, ticks_per_nanosecond)};
    }

    /// Takes `n` tokens at `now`, which is not before `due(n)`. `waited`: not on arrival, but when
    /// their turn came. It is the charge number `order`; without `revocable` charges before it
    /// there is nothing that could be given back.
    void charge(std::size_t n, time now, bool waited, std::uint64_t order, bool revocable)
    {
        const std::int64_t on_schedule = to_ticks(now) - (waited ? credit_ : 0);
        if (revocable)
            note(on_schedule, order - 1);
        else
            lows_.clear();
        take(cost(n), on_schedule);
    }

    /// Of `n` tokens that were granted as charge number `order`, `used` stay taken: what is less is
    /// given back, as if it had never been taken; what is more is owed, whether it is there or not.
    /// `newest` is the number of the last charge.
    void finish(std::size_t n, std::size_t used, time now, std::uint64_t order,
                std::uint64_t newest)
    {
        if (used < n) {
            give_back(cost(n - used), to_ticks(now), order, newest);
        } else if (used > n) {
            note(to_ticks(now), newest);
            take(cost(used - n), to_ticks(now));
        }
    }

    /// `n` tokens were taken at `at`, by somebody before. What was later has to be told later.
    void recall(std::size_t n, time at) noexcept { take(cost(n), to_ticks(at)); }

    /// The bucket was empty at `at`.
    void empty(time at) noexcept { arrival_ = std::max(arrival_, sum(to_ticks(at), depth_)); }

    /// Starts with what is missing from another bucket, in tokens. If this one is smaller it starts
    /// empty, but owes what the other owed.
    void adopt(const token_bucket& other, time now, std::uint64_t newest)
    {
        const std::int64_t missing = std::max<std::int64_t>(0, other.arrival_ - to_ticks(now));
        const std::int64_t owed = std::max<std::int64_t>(0, missing - other.depth_);
        const auto here = [&](std::int64_t ticks) {
            return saturate(divide_up(static_cast<wide>(ticks) * interval_, wide{other.interval_}));
        };
        const std::int64_t taken = here(missing - owed);
        arrival_ = sum(to_ticks(now), sum(std::min(taken, depth_), here(owed)));
        if (taken > depth_) {
            lows_.assign(1, {newest, 0}); // what was let off cannot be given back as well
            return;
        }
        lows_ = other.lows_;
        for (low& each : lows_)
            each.missing = saturate(static_cast<wide>(each.missing) * interval_ / other.interval_);
    }

private:
    /// How much was missing from the full bucket at some time after one charge and before the next.
    struct low {
        std::uint64_t after;
        std::int64_t missing;
    };

    // GCC and Clang have it in every mode, and say under -Wpedantic that ISO C++ does not.
    __extension__ using wide = __int128;

    static constexpr std::int64_t ticks_per_nanosecond = 16;

    /// Beyond this, fourteen years after the epoch, nothing is counted. A full bucket more is still
    /// within the range of the type.
    static constexpr std::int64_t farthest = std::numeric_limits<std::int64_t>::max() / 64 * 50;

    /// How many lows are kept before neighbours are taken for one.
    static constexpr std::size_t most_lows = 64;

    static constexpr std::int64_t saturate(wide ticks) noexcept
    {
        return static_cast<std::int64_t>(std::min<wide>(ticks, farthest));
    }
    static constexpr std::int64_t sum(std::int64_t a, std::int64_t b) noexcept
    {
        return saturate(static_cast<wide>(a) + b);
    }
    static constexpr std::int64_t to_ticks(time t) noexcept
    {
        return saturate(static_cast<wide>(t.count()) * ticks_per_nanosecond);
    }
    template <class Integer>
    static constexpr Integer divide_up(Integer a, Integer b) noexcept
    {
        return a / b + (a % b > 0 ? 1 : 0);
    }
    std::int64_t cost(std::size_t n) const noexcept
    {
        return saturate(static_cast<wide>(interval_) * static_cast<wide>(n));
    }

    void take(std::int64_t ticks, std::int64_t on_schedule) noexcept
    {
        arrival_ = sum(std::max(arrival_, on_schedule), ticks);
    }

    /// Had a charge never been made, the bucket would have been fuller ever since, but at no time
    /// more than full: what would have flowed over is lost. So no more comes back than was missing
    /// at any time since. Otherwise permits that are held for long and dropped together would let
    /// as many through at once.
    void give_back(std::int64_t ticks, std::int64_t now, std::uint64_t order, std::uint64_t newest)
    {
        note(now, newest);
        const auto since =
            std::lower_bound(lows_.begin(), lows_.end(), order,
                             [](const low& each, std::uint64_t mine) { return each.after < mine; });
        ticks = std::min(ticks, since->missing);
        arrival_ -= ticks;
        std::for_each(since, lows_.end(), [ticks](low& each) { each.missing -= ticks; });
        const auto more = std::lower_bound(
            lows_.begin(), since, since->missing,
            [](const low& each, std::int64_t least) { return each.missing < least; });
        lows_.erase(more, since);
    }

    /// Remembers how much is missing now, which makes of no interest when it was more before. So
    /// the first of those that are left after some charge is the least there was since.
    void note(std::int64_t now, std::uint64_t newest)
    {
        const std::int64_t missing = std::max<std::int64_t>(0, arrival_ - now);
        while (!lows_.empty() && lows_.back().missing >= missing)
            lows_.pop_back();
        if (lows_.size() == most_lows) {
            for (std::size_t i = 0; i < most_lows / 2; ++i)
                lows_[i] = {lows_[2 * i + 1].after, lows_[2 * i].missing};
            lows_.resize(most_lows / 2);
        }
        lows_.push_back({newest, missing});
    }

    std::int64_t interval_;
    std::int64_t depth_;
    std::int64_t credit_;
    // What is told of earlier meets a bucket that was full then.
    std::int64_t arrival_ = to_ticks(-limit::max_period);
    std::vector<low> lows_; // what was missing grows from front to back
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
