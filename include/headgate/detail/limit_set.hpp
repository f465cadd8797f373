#ifndef HEADGATE_DETAIL_LIMIT_SET_HPP
#define HEADGATE_DETAIL_LIMIT_SET_HPP

#include <headgate/detail/sliding_log.hpp>
#include <headgate/detail/token_bucket.hpp>
#include <headgate/limit.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <span>
#include <variant>
#include <vector>

namespace headgate::detail {

/// Several limits as one: `n` tokens are due when every limit has them, and are taken from all.
class limit_set {
public:
    using time = std::chrono::nanoseconds;

    limit_set(std::span<const limit> limits, time credit)
    {
        for (const limit& each : limits) {
            most_ = std::min(most_, each.burst());
            if (each.type() == limit::kind::window)
                states_.emplace_back(std::in_place_type<sliding_log>, each);
            else
                states_.emplace_back(std::in_place_type<token_bucket>, each, credit);
        }
    }

    /// The most tokens that can ever be granted at once.
    std::size_t most() const noexcept { return most_; }

    time due(std::size_t n) const noexcept
    {
        time when = time::min();
        for (const auto& state : states_)
            when = std::max(when, std::visit([n](const auto& s) { return s.due(n); }, state));
        return when;
    }

    void charge(std::size_t n, time now, bool waited)
    {
        for (auto& state : states_) {
            if (auto* bucket = std::get_if<token_bucket>(&state))
                bucket->charge(n, now, waited);
            else
                std::get<sliding_log>(state).charge(n, now);
        }
    }

private:
    std::vector<std::variant<token_bucket, sliding_log>> states_;
    std::size_t most_ = std::numeric_limits<std::size_t>::max();
};

} // namespace headgate::detail

#endif
