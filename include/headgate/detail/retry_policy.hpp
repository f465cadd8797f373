#ifndef HEADGATE_DETAIL_RETRY_POLICY_HPP
#define HEADGATE_DETAIL_RETRY_POLICY_HPP

#include <headgate/detail/config.hpp>
#include <headgate/error.hpp>
#include <headgate/http/error.hpp>
#include <headgate/http/rate_hint.hpp>
#include <headgate/http/response.hpp>
#include <headgate/http/retry_after.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <random>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Decides what a failed request means for the run. Time is handed in.
///
/// A server that says "too many" (429, or 503 with Retry-After) has everybody wait. However many
/// requests were in flight then, that is one event: only a request that was sent after the last one
/// makes the wait longer where the server does not say how long. Other failures that may pass have
/// only their own page wait. As long as no page comes, only one of those that failed is tried again
/// at a time, and each try is taken from a budget: a server that is down for a moment breaks no run
/// however many requests it fails at once, and one that stays down gets no more requests than that.
class retry_policy {
public:
    using time = std::chrono::nanoseconds;

    /// What the policy has to know of a page between two of its tries.
    class page {
    public:
        void failed(time sent) noexcept { last_sent_ = sent; }

    private:
        friend retry_policy;

        time last_sent_ = time::min();
        bool probes_ = false; // it is the one that is tried while no page comes
    };

    /// What becomes of a page that has failed and waited.
    enum class verdict { try_again, wait_longer, give_up };

    explicit retry_policy(unsigned per_page, time max_wait = std::chrono::minutes{5})
        : per_page_{per_page}, max_wait_{max_wait}, budget_{2.0 * per_page}
    {
    }

    /// Whether an answer says "too many": 429, 503 with Retry-After, and 403 with Retry-After or
    /// with a limit that has nothing left, as GitHub has it.
    static bool is_throttled(const http::response& answer)
    {
        switch (answer.status()) {
        case 429:
            return true;
        case 503:
            return http::retry_after(answer).has_value();
        case 403:
            return http::retry_after(answer).has_value() ||
                   http::read_rate_hint(answer).exhausted();
        default:
            return false;
        }
    }

    static bool may_pass(const http::response& answer) noexcept
    {
        switch (answer.status()) {
        case 408:
        case 425:
        case 500:
        case 502:
        case 503:
        case 504:
            return true;
        default:
            return false;
        }
    }

    /// A host that was never reached is more likely wrong than away.
    bool may_pass(error_code failed) const noexcept
    {
        if (failed == http::error::connect_failed || failed == http::error::resolve_failed)
            return reached_;
        return failed == http::error::timed_out || failed == http::error::connection_lost ||
               failed == http::error::bad_answer || failed == http::error::bad_content_encoding;
    }

    /// How long everybody is to wait because a request that was sent at `sent` was throttled.
    time throttled(const http::response& answer, time sent, time now)
    {
        if (sent >= last_event_) {
            last_event_ = now;
            level_ = std::min(level_ + 1, 7U);
            ++events_;
        }
        if (const auto told = http::retry_after(answer); told && *told > time::zero())
            return *told;
        if (const http::rate_hint hint = http::read_rate_hint(answer); hint.exhausted())
            return *hint.reset;
        // The answer to a request of before the last event may come when all is well again.
        return std::min<time>(std::chrono::seconds{1} * (1U << (std::max(level_, 1U) - 1)),
                              max_wait_);
    }

    void succeeded(time sent) noexcept
    {
        reached_ = true;
        last_success_ = std::max(last_success_, sent);
        ++successes_;
        budget_ = std::min(budget_ + 0.1, std::max(most_budget, 2.0 * per_page_));
        if (sent >= last_event_)
            level_ = 0;
    }

    /// How many pages have come. A page that was refused although others came is not to blame.
    std::uint64_t successes() const noexcept { return successes_; }

    /// How many times the server said "too many", with all the requests in flight then as one.
    std::uint64_t events() const noexcept { return events_; }

    /// Whether a page that was refused by a server that is well may be tried once more. That costs
    /// nothing of the budget: the pause is what protects the server.
    bool may_repeat(unsigned tries) const noexcept { return tries < per_page_; }

    /// Whether a page that has failed has tries left after so many.
    bool has_tries(unsigned tries) const noexcept { return tries < per_page_; }

    /// What to do with a page that has failed, after its wait.
    verdict retry(page& what) noexcept
    {
        if (last_success_ > what.last_sent_) // the server is well
            return verdict::try_again;
        if (is_probing_ && !what.probes_)
            return verdict::wait_longer;
        if (budget_ < 1)
            return verdict::give_up;
        budget_ -= 1;
        is_probing_ = what.probes_ = true;
        return verdict::try_again;
    }

    /// Nothing more is tried for the page, for whatever reason.
    void done(page& what) noexcept
    {
        if (std::exchange(what.probes_, false))
            is_probing_ = false;
    }

    /// How long one page waits before its next try: exponential with full jitter on the upper half.
    time backoff(unsigned tries)
    {
        const std::chrono::milliseconds longest{200 << std::min(tries, 8U)};
        std::uniform_int_distribution<std::int64_t> jitter{time{longest}.count() / 2,
                                                           time{longest}.count()};
        return time{jitter(random_)};
    }

private:
    static constexpr double most_budget = 100;

    unsigned per_page_;
    time max_wait_;
    double budget_;
    bool reached_ = false;
    unsigned level_ = 0;
    std::uint64_t successes_ = 0;
    std::uint64_t events_ = 0;
    time last_event_ = time::min();
    time last_success_ = time::min(); // when the request was sent
    bool is_probing_ = false;
    std::minstd_rand random_{std::random_device{}()};
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
