#ifndef HEADGATE_DETAIL_LIMITER_CORE_HPP
#define HEADGATE_DETAIL_LIMITER_CORE_HPP

#include <headgate/detail/acquire_line.hpp>
#include <headgate/detail/acquire_waiter.hpp>
#include <headgate/detail/clock_timer.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/gate_state.hpp>
#include <headgate/detail/limit_set.hpp>
#include <headgate/detail/limiter_statistics.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/permit.hpp>

#include HEADGATE_ASIO(error.hpp)

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// The state of a limiter: the limits, the line of those who wait, and one timer armed for the
/// first of them. Everything happens under one mutex; handlers are posted after it is released.
template <class Clock, class Executor>
class limiter_core final : public shutdown_target, public permit_source {
    using time = std::chrono::nanoseconds;
    using time_point = typename Clock::time_point;
    using timer = clock_timer<Clock, Executor>;
    using granted_waiters = acquire_line::decided_acquires;

public:
    using executor_type = Executor;

    static std::shared_ptr<limiter_core> create(const Executor& executor,
                                                std::span<const limit> limits, time credit)
    {
        auto core = std::make_shared<limiter_core>(executor, limits, credit);
        core->join(executor);
        return core;
    }

    limiter_core(const Executor& executor, std::span<const limit> limits, time credit)
        : executor_{executor},
          enforced_{limits.begin(), limits.end()},
          gate_{limits, credit},
          timer_{std::in_place, executor}
    {
    }

    executor_type get_executor() const noexcept { return executor_; }

    std::size_t most() const
    {
        std::lock_guard lock{mutex_};
        return gate_.limits().most();
    }

    std::vector<limit> limits() const
    {
        std::lock_guard lock{mutex_};
        return enforced_;
    }

    bool try_acquire(std::size_t tokens) { return try_grant(tokens, false).has_value(); }

    /// A permit for the tokens, or nothing.
    std::optional<permit> try_acquire_permit(std::size_t tokens)
    {
        const auto what = try_grant(tokens, true);
        if (!what)
            return std::nullopt;
        return permit{std::static_pointer_cast<limiter_core>(this->shared_from_this()), *what};
    }

    void start(acquire_waiter& op) { start(op, std::nullopt); }
    void start(acquire_until_waiter<time_point>& op) { start(op, op.until); }

    void cancel(acquire_waiter& op)
    {
        granted_waiters decided;
        {
            std::lock_guard lock{mutex_};
            if (op.decided())
                return;
            remove(op);
            decided.add(op, asio::error::operation_aborted);
            ++statistics_.cancelled;
            serve(decided);
        }
        decided.complete();
    }

    void close(error_code reason)
    {
        granted_waiters refused;
        {
            std::lock_guard lock{mutex_};
            closed_ = true;
            line_.take_all(refused, reason);
            planned_.reset();
            arm();
        }
        refused.complete();
    }

    void pause_until(time_point when)
    {
        std::lock_guard lock{mutex_};
        if (!gate_.pause(std::chrono::ceil<time>(time_since<Clock>(epoch_, when)), clock()))
            return;
        planned_.reset();
        arm();
    }

    void recall(std::size_t tokens, time_point at, std::optional<time_point> answered)
    {
        std::lock_guard lock{mutex_};
        const time now = clock();
        const time then = std::min(now, past(at));
        const time late = answered ? std::max(past(*answered) - then, time{0}) : time::max();
        gate_.recall(tokens, then, late, now);
        planned_.reset();
        arm();
    }

    void exhaust(time_point at)
    {
        std::lock_guard lock{mutex_};
        const time now = clock();
        gate_.exhaust(std::min(now, past(at)), now);
        planned_.reset();
        arm();
    }

    void set_limits(std::span<const limit> limits)
    {
        granted_waiters decided;
        {
            std::lock_guard lock{mutex_};
            gate_.change(limits, clock());
            enforced_.assign(limits.begin(), limits.end());
            planned_.reset();
            line_.take_refused(decided, [this](const acquire_waiter& op) { return refuse(op); });
            serve(decided);
        }
        decided.complete();
    }

    void finish(const permit_source::grant& what, std::size_t used) noexcept override
    {
        granted_waiters decided;
        {
            std::lock_guard lock{mutex_};
            gate_.finish(what.tokens, used, what.at, what.order, clock());
            planned_.reset();
            if (!line_.empty())
                serve(decided);
        }
        decided.complete();
    }

    limiter_statistics statistics() const
    {
        std::lock_guard lock{mutex_};
        limiter_statistics result = statistics_;
        result.waiting = line_.size();
        return result;
    }

    void on_context_shutdown() noexcept override
    {
        granted_waiters abandoned;
        {
            std::lock_guard lock{mutex_};
            closed_ = true;
            timer_.reset();
            line_.take_all(abandoned, {});
        }
        abandoned.destroy();
    }

private:
    time read_clock() const { return std::chrono::floor<time>(Clock::now() - epoch_); }

    /// Time since the limiter was made. It never goes back, whatever the clock does and whichever
    /// thread has read it: a clock that may jump back would hand out the same tokens again.
    time clock(time reading) { return last_now_ = std::max(last_now_, reading); }
    time clock() { return clock(read_clock()); }

    /// What is granted on arrival, if that can be.
    std::optional<permit_source::grant> try_grant(std::size_t tokens, bool held)
    {
        // Reading the clock takes longer than all the rest and need not keep other threads waiting.
        const time reading = read_clock();
        std::lock_guard lock{mutex_};
        if (closed_ || tokens > gate_.limits().most() || !line_.empty() ||
            (!held && gate_.limits().counts_in_flight()))
            return std::nullopt;
        const time now = clock(reading);
        if (tokens > 0 && gate_.due(tokens) > now)
            return std::nullopt;
        return grant(tokens, now, false, held);
    }

    /// A time before the limiter was made is negative.
    time past(time_point at) const
    {
        using duration = typename Clock::duration;
        const time_point first = epoch_ - std::chrono::duration_cast<duration>(limit::max_period);
        return std::chrono::ceil<time>(std::max(at, first) - epoch_);
    }

    time deadline(time_point until) const
    {
        return std::chrono::floor<time>(time_since<Clock>(epoch_, until));
    }

    std::optional<error_code> refuse(const acquire_waiter& op) const
    {
        if (closed_)
            return error::closed;
        if (op.tokens > gate_.limits().most())
            return error::exceeds_limit;
        if (!op.wants_permit && op.tokens > 0 && gate_.limits().counts_in_flight())
            return error::needs_permit;
        return std::nullopt;
    }

    void start(acquire_waiter& op, std::optional<time_point> until)
    {
        granted_waiters decided;
        {
            std::lock_guard lock{mutex_};
            const time now = clock();
            if (const auto refusal = refuse(op)) {
                decided.add(op, *refusal);
            } else if (op.tokens == 0 || (line_.empty() && gate_.due(op.tokens) <= now)) {
                decide_granted(op, now, false, decided);
            } else if (until && misses(op.tokens, deadline(*until), now)) {
                decided.add(op, asio::error::timed_out);
            } else {
                wait(op, now);
                if (until)
                    line_.limit(op, deadline(*until));
                if (line_.size() == 1 || until)
                    arm();
            }
        }
        decided.complete();
    }

    void wait(acquire_waiter& op, time now)
    {
        line_.push_back(op, now);
        statistics_.peak_waiting = std::max(statistics_.peak_waiting, line_.size());
        if (planned_)
            plan(op.tokens, now);
    }

    void remove(acquire_waiter& op)
    {
        line_.remove(op);
        planned_.reset();
    }

    /// Whether the limits alone say that `n` tokens more cannot be there by then.
    bool misses(std::size_t n, time until, time now)
    {
        if (!planned_) {
            planned_.emplace(gate_.limits());
            planned_until_ = now;
            line_.for_each([&](const acquire_waiter& op) { plan(op.tokens, now); });
        }
        return std::max(planned_->due_by_rate(n), std::max(planned_until_, gate_.paused_until())) >
               until;
    }

    void plan(std::size_t n, time now)
    {
        planned_until_ =
            std::max({planned_->due_by_rate(n), gate_.paused_until(), planned_until_, now});
        planned_->charge(n, planned_until_, true, false);
    }

    permit_source::grant grant(std::size_t tokens, time now, bool waited, bool held)
    {
        ++statistics_.granted;
        statistics_.tokens += tokens;
        permit_source::grant result{tokens, now};
        if (tokens > 0)
            result.order = gate_.charge(tokens, now, waited, held);
        return result;
    }

    void decide_granted(acquire_waiter& op, time now, bool waited, granted_waiters& decided)
    {
        const permit_source::grant what = grant(op.tokens, now, waited, op.wants_permit);
        if (op.wants_permit)
            static_cast<acquire_permit_waiter&>(op).granted =
                permit{std::static_pointer_cast<limiter_core>(this->shared_from_this()), what};
        decided.add(op, error_code{});
    }

    /// Grants what is due, in order, tells those who are out of time, and arms the timer for the
    /// first that is left.
    ///
    /// What is due at its deadline is in time, and who serves it may be late for that by what is
    /// granted to the event loop anyway. Not by more: after a stall a grant would come long after
    /// its deadline.
    void serve(granted_waiters& decided)
    {
        const time now = clock();
        expire(now - gate_.credit() - time{1}, decided);
        do {
            while (!line_.empty() && gate_.due(line_.front().tokens) <= now)
                decide_head(now, decided);
            // Behind who is out of time there may be somebody whose turn it is.
        } while (expire(now, decided));
        if (line_.empty())
            planned_.reset();
        arm();
    }

    void decide_head(time now, granted_waiters& decided)
    {
        acquire_waiter& op = line_.front();
        if (op.has_deadline && op.deadline->first < gate_.due(op.tokens)) {
            remove(op);
            decided.add(op, asio::error::timed_out);
            return;
        }
        line_.remove(op);
        statistics_.total_wait += now - op.since;
        decide_granted(op, now, true, decided);
    }

    /// Tells those whose deadline is `last` or before; false if there are none.
    bool expire(time last, granted_waiters& decided)
    {
        const bool any = line_.expire(last, decided);
        if (any)
            planned_.reset();
        return any;
    }

    void arm()
    {
        if (!timer_)
            return;
        const time next =
            std::min(line_.empty() ? time::max() : next_grant(), line_.next_deadline());
        if (next == time::max()) {
            timer_->cancel();
            return;
        }
        timer_->expires_at(epoch_ + std::chrono::ceil<typename Clock::duration>(next));
        timer_->async_wait([self = this->weak_from_this()](error_code failed) {
            if (failed)
                return;
            if (auto alive = self.lock())
                static_cast<limiter_core&>(*alive).on_timer();
        });
    }

    /// When to wake up for the line. At high rates not for each in it, but not later either than
    /// when all are due: nobody is behind them who would keep the schedule.
    time next_grant() const
    {
        const time due = gate_.due(line_.front().tokens);
        const time patience = gate_.patience();
        const time interval = gate_.limits().interval();
        if (due >= woken_at_ + patience || interval >= patience || line_.size() <= short_line)
            return due;
        const auto others = static_cast<time::rep>(line_.size() - 1);
        return std::min(woken_at_ + patience, due + interval * others);
    }

    void on_timer()
    {
        granted_waiters decided;
        {
            std::lock_guard lock{mutex_};
            if (timer_) {
                woken_at_ = clock();
                serve(decided);
            }
        }
        decided.complete();
    }

    static constexpr std::size_t short_line = 64; // is woken one by one

    const Executor executor_;
    const time_point epoch_ = Clock::now();
    mutable std::mutex mutex_;
    std::vector<limit> enforced_;
    gate_state gate_;
    std::optional<limit_set> planned_; // what the limits will be once all who wait are served
    time planned_until_{0};            // when the last of them is
    time last_now_{0};
    time woken_at_{-limit::max_period}; // by the timer
    acquire_line line_;
    std::optional<timer> timer_;
    limiter_statistics statistics_;
    bool closed_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
