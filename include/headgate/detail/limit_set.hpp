#ifndef HEADGATE_DETAIL_LIMIT_SET_HPP
#define HEADGATE_DETAIL_LIMIT_SET_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/sliding_log.hpp>
#include <headgate/detail/token_bucket.hpp>
#include <headgate/limit.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <variant>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Several limits as one: `n` tokens are due when every limit has them, and are taken from all.
class limit_set {
public:
    using time = std::chrono::nanoseconds;

    limit_set(std::span<const limit> limits, time credit)
    {
        for (const limit& each : limits) {
            most_ = std::min(most_, each.burst());
            if (each.type() == limit::kind::in_flight) {
                most_in_flight_ = std::min(most_in_flight_, each.count());
                continue;
            }
            if (each.type() == limit::kind::window)
                states_.emplace_back(std::in_place_type<sliding_log>, each);
            else
                states_.emplace_back(std::in_place_type<token_bucket>, each, credit);
            longest_ = std::max(longest_, each.period());
            const time::rep spread = each.period().count() + each.slack().count();
            interval_ =
                std::max(interval_, time{(spread - 1) / static_cast<time::rep>(each.count()) + 1});
        }
    }

    /// Goes on with what was taken under the limits before: those at the same place and of the same
    /// kind keep what they have counted, and whoever is in flight still is.
    void adopt(const limit_set& before, time now)
    {
        in_flight_ = before.in_flight_;
        charges_ = before.charges_;
        answers_ = before.answers_;
        fastest_ = before.fastest_;
        for (std::size_t i = 0; i < std::min(states_.size(), before.states_.size()); ++i) {
            const auto* log = std::get_if<sliding_log>(&before.states_[i]);
            const auto* bucket = std::get_if<token_bucket>(&before.states_[i]);
            if (auto* mine = std::get_if<sliding_log>(&states_[i]); mine && log)
                mine->adopt(*log);
            else if (auto* other = std::get_if<token_bucket>(&states_[i]); other && bucket)
                other->adopt(*bucket, now, charges_);
        }
    }

    /// The most tokens that can ever be granted at once.
    std::size_t most() const noexcept { return most_; }

    /// Whether who is woken late, within the credit, keeps its place in the schedule. A window
    /// counts from when a token was granted.
    bool has_schedule() const noexcept
    {
        return std::all_of(states_.begin(), states_.end(), [](const auto& each) {
            return std::holds_alternative<token_bucket>(each);
        });
    }

    /// Whether everything is allowed.
    bool empty() const noexcept { return most_ == std::numeric_limits<std::size_t>::max(); }

    /// Whether tokens are in flight until they are released.
    bool counts_in_flight() const noexcept
    {
        return most_in_flight_ != std::numeric_limits<std::size_t>::max();
    }

    /// The longest period, and the longest interval between tokens of any limit.
    time longest() const noexcept { return longest_; }
    time interval() const noexcept { return interval_; }

    /// The first instant at which `n` tokens are there; `time::max()` if that is for others to say,
    /// because too many are in flight.
    time due(std::size_t n) const noexcept
    {
        return n > most_in_flight_ - std::min(in_flight_, most_in_flight_) ? time::max()
                                                                           : due_by_rate(n);
    }

    /// The same without regard to what is in flight.
    time due_by_rate(std::size_t n) const noexcept
    {
        time when = time::min();
        for (const auto& state : states_)
            when = std::max(when, std::visit([n](const auto& s) { return s.due(n); }, state));
        return when;
    }

    /// Takes `n` tokens at `now`, which is not before `due(n)`. `waited`: not on arrival. `held`:
    /// they are in flight until `finish`, which counts from now on even if there is no limit to it
    /// yet.
    /// @return the number of this charge, counted from 1.
    std::uint64_t charge(std::size_t n, time now, bool waited, bool held)
    {
        ++charges_;
        const bool revocable = in_flight_ > 0;
        if (held)
            in_flight_ += std::min(n, std::numeric_limits<std::size_t>::max() - in_flight_);
        for (auto& state : states_) {
            if (auto* bucket = std::get_if<token_bucket>(&state))
                bucket->charge(n, now, waited, charges_, revocable);
            else
                std::get<sliding_log>(state).charge(n, now);
        }
        return charges_;
    }

    /// `n` tokens were taken at `at`, by somebody before; their answer took `late`. What was later
    /// has to be told later.
    void recall(std::size_t n, time at, time late, time now)
    {
        for (auto& state : states_) {
            if (auto* bucket = std::get_if<token_bucket>(&state))
                bucket->recall(n, at);
            else
                std::get<sliding_log>(state).recall(n, at, late, now);
        }
    }

    /// At `at` no limit had anything left.
    void exhaust(time at, time now)
    {
        for (auto& state : states_) {
            if (auto* bucket = std::get_if<token_bucket>(&state))
                bucket->empty(at);
            else
                std::get<sliding_log>(state).exhaust(at, now);
        }
    }

    /// `n` tokens that were taken at `at`, as charge number `order`, are no longer in flight, and
    /// `used` of them stay taken, which may be more than there were.
    void finish(std::size_t n, std::size_t used, time at, std::uint64_t order, time now)
    {
        in_flight_ -= std::min(n, in_flight_);
        if (used > 0) {
            fastest_ = std::min(fastest_, now - at);
            answers_ += answers_ < enough_answers ? 1 : 0;
        }
        const time fastest = answers_ < enough_answers ? time{0} : fastest_;
        for (auto& state : states_) {
            if (auto* bucket = std::get_if<token_bucket>(&state))
                bucket->finish(n, used, now, order, charges_);
            else
                std::get<sliding_log>(state).finish(n, used, at, now, fastest);
        }
    }

private:
    /// The first round trips open connections and are no measure for those that follow.
    static constexpr int enough_answers = 16;

    std::vector<std::variant<token_bucket, sliding_log>> states_;
    std::size_t most_ = std::numeric_limits<std::size_t>::max();
    std::size_t most_in_flight_ = std::numeric_limits<std::size_t>::max();
    std::size_t in_flight_ = 0;
    std::uint64_t charges_ = 0;
    int answers_ = 0;
    time fastest_ = time::max();
    time longest_{0};
    time interval_{0};
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
