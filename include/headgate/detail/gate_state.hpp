#ifndef HEADGATE_DETAIL_GATE_STATE_HPP
#define HEADGATE_DETAIL_GATE_STATE_HPP

#include <headgate/detail/limit_set.hpp>
#include <headgate/limit.hpp>
#include <headgate/permit.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <span>
#include <utility>

namespace headgate::detail {

/// What may pass when: some limits, and the pauses that the server has asked for.
///
/// After a pause one goes first, and the others follow evenly spaced for a while, so that the
/// server meets neither all of them at once nor a full bucket. Time is handed in, never going back.
class gate_state {
public:
    using time = std::chrono::nanoseconds;

    gate_state(std::span<const limit> limits, time credit) : credit_{credit}, limits_{limits, credit}
    {
    }

    const limit_set& limits() const noexcept { return limits_; }
    time paused_until() const noexcept { return paused_until_; }

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

    /// Takes `n` tokens at `now`, which is not before `due(n)`.
    /// @return whether this is the probe after a pause: the others wait for `finish` or `recover`.
    bool charge(std::size_t n, time now, bool waited)
    {
        limits_.charge(n, now, waited);
        spaced_after_ = now + limits_.interval();
        if (recovery_ == recovery::probe) {
            recovery_ = recovery::probing;
            return true;
        }
        if (recovery_ == recovery::spaced && now >= recovered_at_)
            recovery_ = recovery::none;
        return false;
    }

    /// A permit is over, and `used` of its tokens stay taken.
    void finish(const permit_source::grant& what, bool probe, std::size_t used, time now)
    {
        limits_.finish(what.tokens, used, what.at, now);
        if (probe)
            recover(now);
    }

    /// The probe is over, or has no end that could be waited for.
    void recover(time now)
    {
        if (recovery_ != recovery::probing)
            return;
        recovery_ = recovery::spaced;
        recovered_at_ = now + limits_.longest();
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
        return recovery_ == recovery::none &&
               (limits_.empty() || limits_.due(limits_.most()) <= now);
    }

private:
    enum class recovery {
        none,
        probe,   ///< the next grant is the probe
        probing, ///< the probe is not over yet
        spaced,  ///< an interval between any two grants, until `recovered_at_`
    };

    time credit_;
    limit_set limits_;
    time paused_until_{0};
    recovery recovery_ = recovery::none;
    time spaced_after_{0};
    time recovered_at_{0};
};

} // namespace headgate::detail

#endif
