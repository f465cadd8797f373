#ifndef HEADGATE_DETAIL_ADAPTIVE_LIMITS_HPP
#define HEADGATE_DETAIL_ADAPTIVE_LIMITS_HPP

#include <headgate/detail/config.hpp>
#include <headgate/limit.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Finds out how fast, and with how many requests at the same time, a server can be asked that does
/// not say so. A state machine with time handed in.
///
/// Additive increase, multiplicative decrease, after Chiu and Jain (1989), for two values: the
/// share of the caller's rate, and the number in flight. Requests that were in flight when a value
/// went down have nothing to say about the new one. What was refused is remembered: a value climbs
/// back to just below, and is tried beyond only after many successes, twice as many each time that
/// fails, so that refusals stay rare. One value is tried at a time, so that a refusal says which of
/// the two was too much.
class adaptive_limits {
public:
    using time = std::chrono::nanoseconds;

    adaptive_limits(std::vector<limit> limits, std::size_t most_in_flight)
        : limits_{std::move(limits)},
          in_flight_{1, static_cast<double>(most_in_flight),
                     std::min<double>(2, static_cast<double>(most_in_flight))},
          rate_{least_share, 1, 1}
    {
        in_flight_.doubling = true;
        std::size_t slowest = std::numeric_limits<std::size_t>::max();
        for (const limit& each : limits_)
            if (each.type() != limit::kind::in_flight)
                slowest = std::min(slowest, each.count());
        rate_round_ = static_cast<double>(std::clamp<std::size_t>(slowest, 10, 100));
    }

    /// The limits as they are to be enforced now.
    std::vector<limit> limits() const
    {
        std::vector<limit> result;
        for (const limit& each : limits_)
            result.push_back(each.slowed(rate_.value));
        result.push_back(limit::in_flight(in_flight()));
        return result;
    }

    double rate_share() const noexcept { return rate_.value; }
    std::size_t in_flight() const noexcept { return static_cast<std::size_t>(in_flight_.value); }

    /// A request that was sent at `sent`, with `others` in flight beside it, was refused.
    /// @return whether the limits have changed.
    bool refused(time sent, time now, std::size_t others)
    {
        if (sent < decreased_at_)
            return false;
        decreased_at_ = now;
        if (in_flight_.is_tried()) {
            in_flight_.give_up();
        } else if (rate_.is_tried()) {
            rate_.give_up();
        } else {
            in_flight_.decrease(std::min(in_flight_.value, static_cast<double>(others + 1)));
            in_flight_.value = std::max(1.0, static_cast<double>(in_flight()));
            rate_.decrease(rate_.value);
        }
        return true;
    }

    /// A request that was sent at `sent` was answered.
    /// @return whether the limits have changed.
    bool succeeded(time sent, std::size_t others)
    {
        if (sent < decreased_at_)
            return false;
        busiest_ = std::max(busiest_, others + 1);
        in_flight_.successes += 1;
        rate_.successes += 1;
        // A value that is not reached says nothing, and need not go up.
        if (!rate_.is_tried() && in_flight_.round_is_over(2 * in_flight_.value)) {
            const bool reached = busiest_ >= in_flight();
            busiest_ = 0;
            if (in_flight_.go_on(reached, in_flight_.doubling ? in_flight_.value : 1))
                return true;
        }
        if (!in_flight_.is_tried() &&
            rate_.round_is_over(std::max(10.0, rate_round_ * rate_.value)))
            return rate_.go_on(true, std::max(0.01, rate_.value * rate_.stride));
        return false;
    }

private:
    static constexpr double least_share = 0.001;
    static constexpr double first_patience = 250;
    static constexpr double most_patience = 3200;

    struct knob {
        knob(double lowest, double highest, double first)
            : least{lowest}, most{highest}, value{first}, known_good{first}
        {
        }

        /// Whether the value is higher than what has been seen to work.
        bool is_tried() const noexcept { return value > known_good; }

        bool round_is_over(double length) const noexcept { return successes >= length; }

        /// After a round of successes: the value is good, and may go up by a step.
        bool go_on(bool reached, double step)
        {
            if (is_tried()) {
                known_good = value;
                if (value >= refused_at) { // the server allows more than it did
                    refused_at = std::numeric_limits<double>::infinity();
                    patience = first_patience;
                    stride = std::min(0.25, stride * 2);
                }
            }
            if (!reached || value >= most) {
                successes = 0;
                return false;
            }
            const double next = std::min(most, value + step);
            if (next >= refused_at) {
                if (successes < patience)
                    return false;
                // Carefully past what was refused.
                value = std::min(most, std::max(refused_at, value + step / 4));
            } else {
                value = next;
            }
            successes = 0;
            return true;
        }

        /// What was tried is too much.
        void give_up()
        {
            if (value >= refused_at)
                patience = std::min(most_patience, patience * 2);
            doubling = false;
            refused_at = value;
            value = known_good;
            stride = first_stride;
            successes = 0;
        }

        void decrease(double from)
        {
            refused_at = from;
            value = known_good = std::max(least, from * 0.7);
            doubling = false;
            patience = first_patience;
            stride = first_stride;
            successes = 0;
        }

        static constexpr double first_stride = 0.05;

        double least;
        double most;
        double value;
        double known_good;
        double refused_at = std::numeric_limits<double>::infinity();
        double patience = first_patience;
        double stride = first_stride;
        double successes = 0;
        bool doubling = false;
    };

    std::vector<limit> limits_;
    knob in_flight_;
    knob rate_;
    double rate_round_;
    std::size_t busiest_ = 0;
    time decreased_at_ = time::min();
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
