#ifndef HEADGATE_DETAIL_GATE_STATE_HPP
#define HEADGATE_DETAIL_GATE_STATE_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/limit_set.hpp>
#include <headgate/limit.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// How late a waiter may be woken without losing its place in the schedule, if that makes sense.
inline std::chrono::nanoseconds checked_credit(std::chrono::nanoseconds credit, const char* owner)
{
    if (credit < credit.zero() || credit > limit::max_period)
        throw std::invalid_argument{std::string{owner} + ": credit is " +
                                    std::to_string(credit.count()) + " ns, must be 0 to 366 days"};
    return credit;
}

/// What may pass when: some limits, and the pauses that the server has asked for.
///
/// After a pause one goes first, and the others follow evenly spaced for a while, so that the
/// server meets neither all of them at once nor a full bucket. Time is handed in, never going back.
class gate_state {
public:
    using time = std::chrono::nanoseconds;

    gate_state(std::span<const limit> limits, time credit)
        : credit_{credit}, limits_{limits, credit}
    {
    }

    const limit_set& limits() const noexcept { return limits_; }
    time credit() const noexcept { return credit_; }
    time paused_until() const noexcept { return paused_until_; }

    /// How long it costs nothing to let those who are due wait for each other.
    time patience() const noexcept
    {
        return recovery_ == recovery::none && limits_.has_schedule() ? credit_ / 2 : time{0};
    }

    /// When `n` tokens can be granted; `time::max()` if that is for the end of a permit to say.
    time due(std::size_t n) const noexcept
    {
        const time by_limits = limits_.due(n);
        switch (recovery_) {
        case recovery::none:
            return by_limits;
        case recovery::probe:
            return std::max(by_limits, paused_until_);
        case recovery::probing:
            return time::max();
        case recovery::spaced:
            break;
        }
        return std::max(by_limits, spaced_after_);
    }

    /// Takes `n` tokens at `now`, which is not before `due(n)`. After a pause this is the probe: if
    /// it is `held`, which is what `finish` ends, the others wait for that. If it is not, nobody
    /// will say how it went, and the others follow at the rate.
    /// @return the number of this grant, for `finish`.
    std::uint64_t charge(std::size_t n, time now, bool waited, bool held)
    {
        const std::uint64_t order = limits_.charge(n, now, waited, held);
        spaced_after_ = now + limits_.interval() * static_cast<time::rep>(n);
        if (recovery_ == recovery::probe) {
            recovery_ = recovery::probing;
            probe_ = order;
            if (!held)
                recover(now);
        } else if (recovery_ == recovery::spaced && now >= recovered_at_) {
            recovery_ = recovery::none;
        }
        return order;
    }

    /// The permit of grant number `order` is over, and `used` of its `n` tokens, granted at `at`,
    /// stay taken.
    void finish(std::size_t n, std::size_t used, time at, std::uint64_t order, time now)
    {
        limits_.finish(n, used, at, order, now);
        // The probe of an earlier pause has nothing to say about a later one.
        if (recovery_ == recovery::probing && order == probe_)
            recover(now);
    }

    /// Nothing is granted before `until`; false if that changes nothing.
    bool pause(time until, time now)
    {
        if (until <= now || until <= paused_until_)
            return false;
        paused_until_ = until;
        recovery_ = recovery::probe;
        return true;
    }

    /// What somebody before has taken, as `limit_set` has it.
    void recall(std::size_t n, time at, time late, time now) { limits_.recall(n, at, late, now); }
    void exhaust(time at, time now) { limits_.exhaust(at, now); }

    /// Other limits from now on; what was granted still counts.
    void change(std::span<const limit> limits, time now)
    {
        limit_set changed{limits, credit_};
        changed.adopt(limits_, now);
        limits_ = std::move(changed);
    }

    /// Whether nothing would be lost by starting anew.
    bool is_as_new(time now) const noexcept
    {
        return has_recovered(now) && (limits_.empty() || limits_.due(limits_.most()) <= now);
    }

private:
    enum class recovery {
        none,
        probe,   ///< the next grant is the probe
        probing, ///< the probe is not over yet
        spaced,  ///< an interval between any two grants, until `recovered_at_`
    };

    void recover(time now)
    {
        recovery_ = recovery::spaced;
        recovered_at_ = now + limits_.longest();
    }

    /// Whether a pause is over, or was so long ago that nobody is left who waited for its end.
    bool has_recovered(time now) const noexcept
    {
        switch (recovery_) {
        case recovery::none:
            return true;
        case recovery::probe:
            return now >= paused_until_ + limits_.longest();
        case recovery::probing:
            return false;
        case recovery::spaced:
            break;
        }
        return now >= std::max(recovered_at_, spaced_after_);
    }

    time credit_;
    limit_set limits_;
    time paused_until_{0};
    recovery recovery_ = recovery::none;
    time spaced_after_{0};
    time recovered_at_{0};
    std::uint64_t probe_ = 0;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
