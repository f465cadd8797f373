#ifndef HEADGATE_DETAIL_RATE_CONTROL_HPP
#define HEADGATE_DETAIL_RATE_CONTROL_HPP

#include <headgate/detail/adaptive_limits.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/retry_policy.hpp>
#include <headgate/extract_options.hpp>
#include <headgate/http/rate_hint.hpp>
#include <headgate/http/response.hpp>
#include <headgate/http/retry_after.hpp>
#include <headgate/limit.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE {

/// What a server has said of its limit; what it has not said is empty.
struct server_limit_report {
    std::optional<double> limit;                         ///< requests allowed
    std::optional<double> remaining;                     ///< requests left
    std::optional<std::chrono::nanoseconds> reset;       ///< until there are more
    std::optional<std::chrono::nanoseconds> retry_after; ///< the wait it asked for
};

namespace detail {

/// Decides what the answers of a server mean for the limiter. A state machine with time handed in.
class rate_control {
public:
    using time = std::chrono::nanoseconds;

    /// What to do about an answer.
    struct reaction {
        bool refused = false;                     ///< it says "too many"
        std::optional<time> wait;                 ///< everybody waits that long
        std::optional<std::vector<limit>> limits; ///< the limiter's limits from now on
    };

    rate_control(const extract_options& options, std::vector<limit> limits)
        : max_wait_{options.max_wait()},
          trusts_{options.trust_server()},
          original_{std::move(limits)},
          policy_{options.retries(), options.max_wait()}
    {
        enforced_ = original_;
        if (options.adaptive())
            adaptive_.emplace(original_, options.max_in_flight());
    }

    retry_policy& retries() noexcept { return policy_; }
    const retry_policy& retries() const noexcept { return policy_; }

    /// The limits to start with, if they are not the limiter's own, and those to leave it with.
    std::optional<std::vector<limit>> first_limits() const
    {
        if (changed_)
            return enforced_;
        return adaptive_ ? std::optional{adaptive_->limits()} : std::nullopt;
    }
    const std::vector<limit>& callers_limits() const noexcept { return original_; }

    /// The server has told a run before this one of these limits.
    void recall(std::vector<limit> told)
    {
        if (adaptive_)
            return;
        enforced_ = std::move(told);
        changed_ = true;
    }
    std::optional<std::vector<limit>> last_limits() const
    {
        return changed_ || adaptive_ ? std::optional{original_} : std::nullopt;
    }

    /// A request that was sent at `sent` was answered, with `others` still in flight.
    /// @param told whether the caller knows that it was refused, beyond what the status says
    reaction heard(const http::response& answer, bool told, time sent, time now, std::size_t others)
    {
        reaction result;
        const http::rate_hint hint = http::read_rate_hint(answer);
        note(answer, hint, sent);
        result.refused = told || retry_policy::is_throttled(answer);
        if (result.refused)
            result.wait = policy_.throttled(answer, sent, now);
        else if (hint.exhausted() && *hint.reset <= max_wait_)
            result.wait = hint.reset;
        bool changed = heed_policy(hint);
        if (adaptive_) {
            if (result.refused)
                changed = adaptive_->refused(sent, now, others) || changed;
            else if (answer.status() < 400)
                changed = adaptive_->succeeded(sent, others) || changed;
        }
        if (changed)
            result.limits = adaptive_ ? adaptive_->limits() : enforced_;
        return result;
    }

    const server_limit_report& report() const noexcept { return report_; }
    double rate_share() const noexcept { return adaptive_ ? adaptive_->rate_share() : 1; }
    std::optional<std::size_t> in_flight() const
    {
        return adaptive_ ? std::optional{adaptive_->in_flight()} : std::nullopt;
    }

private:
    /// Answers may overtake each other: the one to the latest request says what is so.
    void note(const http::response& answer, const http::rate_hint& hint, time sent)
    {
        if (const auto wait = http::retry_after(answer))
            report_.retry_after = wait;
        if (sent < reported_at_ || (!hint.limit && !hint.remaining && !hint.reset))
            return;
        reported_at_ = sent;
        report_.limit = hint.limit;
        report_.remaining = hint.remaining;
        report_.reset = hint.reset;
    }

    /// A limit that the server tells, where it is tighter than the caller's or is trusted more.
    bool heed_policy(const http::rate_hint& hint)
    {
        // A limit whose requests are further apart than the longest wait that is borne is nonsense.
        if (!hint.limit || !hint.window || adaptive_ || *hint.limit > limit::max_count ||
            std::chrono::duration<double>(*hint.window) / *hint.limit > max_wait_ ||
            (told_ && *told_ == std::pair{*hint.limit, *hint.window}))
            return false;
        const auto rate = [](double count, time period) {
            return count / std::chrono::duration<double>(period).count();
        };
        double slowest = std::numeric_limits<double>::infinity();
        for (const limit& each : original_)
            if (each.type() != limit::kind::in_flight)
                slowest = std::min(slowest, rate(static_cast<double>(each.count()), each.period()));
        if (!trusts_ && rate(*hint.limit, *hint.window) >= slowest)
            return false;
        told_ = std::pair{*hint.limit, *hint.window};
        enforced_.clear();
        for (const limit& each : original_)
            if (!trusts_ || each.type() == limit::kind::in_flight)
                enforced_.push_back(each);
        for (const limit& each :
             limits_for_any_server(static_cast<std::size_t>(*hint.limit), *hint.window))
            enforced_.push_back(each);
        changed_ = true;
        return true;
    }

    time max_wait_;
    bool trusts_;
    std::vector<limit> original_;
    std::vector<limit> enforced_;
    std::optional<std::pair<double, time>> told_;
    bool changed_ = false;
    retry_policy policy_;
    std::optional<adaptive_limits> adaptive_;
    server_limit_report report_;
    time reported_at_ = time::min();
};

} // namespace detail
} // namespace HEADGATE_NAMESPACE

#endif
