#ifndef HEADGATE_DETAIL_LIMITER_CORE_HPP
#define HEADGATE_DETAIL_LIMITER_CORE_HPP

#include <headgate/detail/intrusive_list.hpp>
#include <headgate/detail/limit_set.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>

#include <asio/basic_waitable_timer.hpp>
#include <asio/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <system_error>
#include <utility>

namespace headgate {

/// What a limiter has done so far.
struct limiter_statistics {
    std::uint64_t granted = 0;              ///< acquires that were granted
    std::uint64_t tokens = 0;               ///< tokens that were granted
    std::uint64_t cancelled = 0;            ///< acquires that were cancelled while they waited
    std::size_t waiting = 0;                ///< acquires that wait now
    std::size_t peak_waiting = 0;           ///< the most that ever waited at once
    std::chrono::nanoseconds total_wait{0}; ///< time that granted acquires spent waiting
};

namespace detail {

class acquire_waiter : public waiter<std::error_code> {
public:
    explicit acquire_waiter(std::size_t n) noexcept : tokens{n} {}

    const std::size_t tokens;
    std::chrono::nanoseconds since{0};

protected:
    ~acquire_waiter() = default;
};

/// The state of a limiter: the limits, the line of those who wait, and one timer armed for the
/// first of them. Everything happens under one mutex; handlers are posted after it is released.
template <class Clock, class Executor>
class limiter_core final : public shutdown_target {
    using time = std::chrono::nanoseconds;
    using timer = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;

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
        : executor_{executor}, limits_{limits, credit}, timer_{std::in_place, executor}
    {
    }

    executor_type get_executor() const noexcept { return executor_; }

    std::size_t most() const noexcept { return limits_.most(); }

    bool try_acquire(std::size_t tokens)
    {
        std::lock_guard lock{mutex_};
        if (closed_ || tokens > limits_.most() || !waiting_.empty())
            return false;
        const time now = clock();
        if (tokens > 0 && limits_.due(tokens) > now)
            return false;
        grant(tokens, now, false);
        return true;
    }

    void start(acquire_waiter& op)
    {
        {
            std::lock_guard lock{mutex_};
            const time now = clock();
            if (closed_) {
                op.decide(error::closed);
            } else if (op.tokens > limits_.most()) {
                op.decide(error::exceeds_limit);
            } else if (op.tokens > 0 && (!waiting_.empty() || limits_.due(op.tokens) > now)) {
                op.since = now;
                waiting_.push_back(op);
                statistics_.peak_waiting = std::max(statistics_.peak_waiting, waiting_.size());
                if (waiting_.size() == 1)
                    arm();
                return;
            } else {
                grant(op.tokens, now, false);
                op.decide(std::error_code{});
            }
        }
        op.complete();
    }

    void cancel(acquire_waiter& op)
    {
        decided_waiters<acquire_waiter> granted;
        {
            std::lock_guard lock{mutex_};
            if (op.decided())
                return;
            const bool was_first = &waiting_.front() == &op;
            waiting_.erase(op);
            op.decide(asio::error::operation_aborted);
            ++statistics_.cancelled;
            if (was_first)
                serve(granted);
        }
        op.complete();
        granted.complete();
    }

    void close(std::error_code reason)
    {
        decided_waiters<acquire_waiter> refused;
        {
            std::lock_guard lock{mutex_};
            closed_ = true;
            refused.add_all(waiting_, reason);
            arm();
        }
        refused.complete();
    }

    limiter_statistics statistics() const
    {
        std::lock_guard lock{mutex_};
        limiter_statistics result = statistics_;
        result.waiting = waiting_.size();
        return result;
    }

    void on_context_shutdown() noexcept override
    {
        decided_waiters<acquire_waiter> abandoned;
        {
            std::lock_guard lock{mutex_};
            closed_ = true;
            abandoned.add_all(waiting_, std::error_code{});
            timer_.reset();
        }
        abandoned.destroy();
    }

private:
    /// Time since the limiter was made. It never goes back, whatever the clock does and whichever
    /// thread reads it: a clock that may jump back would hand out the same tokens again.
    time clock()
    {
        const auto reading = std::chrono::floor<time>(Clock::now() - epoch_);
        return last_now_ = std::max(last_now_, reading);
    }

    void grant(std::size_t tokens, time now, bool waited)
    {
        if (tokens > 0)
            limits_.charge(tokens, now, waited);
        ++statistics_.granted;
        statistics_.tokens += tokens;
    }

    /// Grants what is due, in order, and arms the timer for the first that is not.
    void serve(decided_waiters<acquire_waiter>& granted)
    {
        const time now = clock();
        while (!waiting_.empty() && limits_.due(waiting_.front().tokens) <= now) {
            acquire_waiter& op = waiting_.pop_front();
            grant(op.tokens, now, true);
            statistics_.total_wait += now - op.since;
            granted.add(op, std::error_code{});
        }
        arm();
    }

    void arm()
    {
        if (!timer_)
            return;
        if (waiting_.empty()) {
            timer_->cancel();
            return;
        }
        const auto due = limits_.due(waiting_.front().tokens);
        timer_->expires_at(epoch_ + std::chrono::ceil<typename Clock::duration>(due));
        timer_->async_wait([self = this->weak_from_this()](std::error_code failed) {
            if (failed)
                return;
            if (auto alive = self.lock())
                static_cast<limiter_core&>(*alive).on_timer();
        });
    }

    void on_timer()
    {
        decided_waiters<acquire_waiter> granted;
        {
            std::lock_guard lock{mutex_};
            if (timer_)
                serve(granted);
        }
        granted.complete();
    }

    const Executor executor_;
    const typename Clock::time_point epoch_ = Clock::now();
    mutable std::mutex mutex_;
    limit_set limits_;
    time last_now_{0};
    intrusive_list<acquire_waiter> waiting_;
    std::optional<timer> timer_;
    limiter_statistics statistics_;
    bool closed_ = false;
};

} // namespace detail
} // namespace headgate

#endif
