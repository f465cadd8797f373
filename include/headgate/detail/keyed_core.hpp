#ifndef HEADGATE_DETAIL_KEYED_CORE_HPP
#define HEADGATE_DETAIL_KEYED_CORE_HPP

#include <headgate/detail/acquire_waiter.hpp>
#include <headgate/detail/clock_timer.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/gate_state.hpp>
#include <headgate/detail/intrusive_list.hpp>
#include <headgate/detail/limiter_statistics.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/limit.hpp>
#include <headgate/permit.hpp>

#include HEADGATE_ASIO(error.hpp)

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// The state of a keyed limiter: a line of waiters with limits of its own for each key, the limits
/// that all share, and one timer. The heads of the lines are ordered by when their own limits let
/// them pass, so that a key that has to wait is not in the way of another, and those whose turn it
/// is share what all share first come, first served. Everything happens under one mutex.
template <class Key, class Clock, class Executor, class Hash>
class keyed_core final : public shutdown_target {
    using time = std::chrono::nanoseconds;
    using time_point = typename Clock::time_point;
    using timer = clock_timer<Clock, Executor>;
    using granted_waiters = decided_waiters<acquire_waiter>;

public:
    /// Those who wait for one key. Lives as long as anybody waits or holds a permit for it, or as
    /// its limits remember anything.
    class line final : public permit_source, public std::enable_shared_from_this<line> {
    public:
        using executor_type = Executor;

        line(const std::shared_ptr<keyed_core>& core, std::span<const limit> limits, time credit)
            : core_{core}, executor_{core->executor_}, gate_{limits, credit}
        {
        }

        executor_type get_executor() const noexcept { return executor_; }

        void start(acquire_waiter& op)
        {
            if (const auto core = core_.lock()) {
                core->start(*this, op);
                return;
            }
            op.decide(error::closed);
            op.complete();
        }

        /// Nothing to do without a limiter: it has decided all who waited when it went.
        void cancel(acquire_waiter& op)
        {
            if (const auto core = core_.lock())
                core->cancel(*this, op);
        }

        bool context_gone() const noexcept
        {
            const auto core = core_.lock();
            return !core || core->context_gone();
        }

        void finish(const permit_source::grant& what, std::size_t used) noexcept override
        {
            if (const auto core = core_.lock())
                core->finish(*this, what, used);
        }

    private:
        friend class keyed_core;
        using heads = std::multimap<time, line*>;

        const std::weak_ptr<keyed_core> core_;
        const Executor executor_;
        gate_state gate_;
        intrusive_list<acquire_waiter> waiting_;
        std::optional<typename heads::iterator> head_;
    };

    static std::shared_ptr<keyed_core> create(const Executor& executor, std::vector<limit> each,
                                              std::span<const limit> shared, time credit)
    {
        auto core = std::make_shared<keyed_core>(executor, std::move(each), shared, credit);
        core->join(executor);
        return core;
    }

    keyed_core(const Executor& executor, std::vector<limit> each, std::span<const limit> shared,
               time credit)
        : executor_{executor},
          each_{std::move(each)},
          credit_{credit},
          shared_{shared, credit},
          timer_{std::in_place, executor}
    {
    }

    Executor get_executor() const noexcept { return executor_; }

    /// The line of a key, a new one if there is none.
    std::shared_ptr<line> find(const Key& key)
    {
        std::lock_guard lock{mutex_};
        if (lines_.size() >= forget_at_)
            forget();
        auto& found = lines_[key];
        if (!found)
            found = std::make_shared<line>(
                std::static_pointer_cast<keyed_core>(this->shared_from_this()), each_, credit_);
        return found;
    }

    bool try_acquire(line& of, std::size_t tokens)
    {
        std::lock_guard lock{mutex_};
        const time now = clock();
        if (refuse(of, tokens, false) || !of.waiting_.empty() || due(of, tokens) > now ||
            (!heads_.empty() && heads_.begin()->first <= now))
            return false;
        grant(of, tokens, now, false, false);
        return true;
    }

    void pause(line& of, time_point until)
    {
        std::lock_guard lock{mutex_};
        of.gate_.pause(std::chrono::ceil<time>(time_since<Clock>(epoch_, until)), clock());
        place(of);
        arm();
    }

    void pause(time_point until)
    {
        std::lock_guard lock{mutex_};
        shared_.pause(std::chrono::ceil<time>(time_since<Clock>(epoch_, until)), clock());
        arm();
    }

    void close(error_code reason)
    {
        granted_waiters refused;
        {
            std::lock_guard lock{mutex_};
            closed_ = true;
            take_all(refused, reason);
            arm();
        }
        refused.complete();
    }

    limiter_statistics statistics() const
    {
        std::lock_guard lock{mutex_};
        return statistics_;
    }

    std::size_t size() const
    {
        std::lock_guard lock{mutex_};
        return lines_.size();
    }

    void on_context_shutdown() noexcept override
    {
        granted_waiters abandoned;
        {
            std::lock_guard lock{mutex_};
            closed_ = true;
            timer_.reset();
            take_all(abandoned, {});
        }
        abandoned.destroy();
    }

private:
    /// As in `limiter_core`: never goes back.
    time clock()
    {
        const auto reading = std::chrono::floor<time>(Clock::now() - epoch_);
        return last_now_ = std::max(last_now_, reading);
    }

    time due(const line& of, std::size_t tokens) const
    {
        return std::max(of.gate_.due(tokens), shared_.due(tokens));
    }

    std::optional<error_code> refuse(const line& of, std::size_t tokens, bool permits) const
    {
        if (closed_)
            return error::closed;
        if (tokens > std::min(of.gate_.limits().most(), shared_.limits().most()))
            return error::exceeds_limit;
        if (!permits && tokens > 0 &&
            (of.gate_.limits().counts_in_flight() || shared_.limits().counts_in_flight()))
            return error::needs_permit;
        return std::nullopt;
    }

    void start(line& of, acquire_waiter& op)
    {
        granted_waiters decided;
        {
            std::lock_guard lock{mutex_};
            const time now = clock();
            if (const auto refusal = refuse(of, op.tokens, op.wants_permit)) {
                decided.add(op, *refusal);
            } else if (op.tokens == 0) {
                decide_granted(of, op, now, decided);
            } else {
                op.since = now;
                of.waiting_.push_back(op);
                ++statistics_.waiting;
                if (of.waiting_.size() == 1) {
                    place(of);
                    serve(decided);
                }
                statistics_.peak_waiting = std::max(statistics_.peak_waiting, statistics_.waiting);
            }
        }
        decided.complete();
    }

    void cancel(line& of, acquire_waiter& op)
    {
        granted_waiters decided;
        {
            std::lock_guard lock{mutex_};
            if (op.decided())
                return;
            of.waiting_.erase(op);
            --statistics_.waiting;
            ++statistics_.cancelled;
            decided.add(op, asio::error::operation_aborted);
            place(of);
            serve(decided);
        }
        decided.complete();
    }

    void finish(line& of, const permit_source::grant& what, std::size_t used)
    {
        granted_waiters decided;
        {
            std::lock_guard lock{mutex_};
            const time now = clock();
            of.gate_.finish(what.tokens, used, what.at, what.order, now);
            shared_.finish(what.tokens, used, what.at, what.shared_order, now);
            place(of);
            if (!heads_.empty())
                serve(decided);
        }
        decided.complete();
    }

    /// Puts the head of a line where it belongs among the heads.
    void place(line& of)
    {
        if (of.waiting_.empty()) {
            if (of.head_)
                heads_.erase(*std::exchange(of.head_, std::nullopt));
            return;
        }
        const acquire_waiter& first = of.waiting_.front();
        const time from = std::max(of.gate_.due(first.tokens), first.since);
        if (!of.head_) {
            of.head_ = heads_.emplace(from, &of);
        } else if ((*of.head_)->first != from) {
            auto node = heads_.extract(*of.head_);
            node.key() = from;
            of.head_ = heads_.insert(std::move(node));
        }
    }

    permit_source::grant grant(line& of, std::size_t tokens, time now, bool waited, bool held)
    {
        ++statistics_.granted;
        statistics_.tokens += tokens;
        permit_source::grant result{tokens, now};
        if (tokens > 0) {
            result.order = of.gate_.charge(tokens, now, waited, held);
            result.shared_order = shared_.charge(tokens, now, waited, held);
        }
        return result;
    }

    void decide_granted(line& of, acquire_waiter& op, time now, granted_waiters& decided)
    {
        const permit_source::grant what =
            grant(of, op.tokens, now, op.since < now, op.wants_permit);
        if (op.wants_permit)
            static_cast<acquire_permit_waiter&>(op).granted = permit{of.shared_from_this(), what};
        decided.add(op, error_code{});
    }

    void serve(granted_waiters& decided)
    {
        const time now = clock();
        while (!heads_.empty() && heads_.begin()->first <= now) {
            line& of = *heads_.begin()->second;
            if (shared_.due(of.waiting_.front().tokens) > now)
                break;
            acquire_waiter& op = of.waiting_.pop_front();
            --statistics_.waiting;
            statistics_.total_wait += now - op.since;
            decide_granted(of, op, now, decided);
            place(of);
        }
        arm();
    }

    void arm()
    {
        if (!timer_)
            return;
        time next = time::max();
        if (!heads_.empty()) {
            const auto& [from, of] = *heads_.begin();
            next = std::max(from, shared_.due(of->waiting_.front().tokens));
        }
        if (next == time::max()) {
            timer_->cancel();
            return;
        }
        timer_->expires_at(epoch_ + std::chrono::ceil<typename Clock::duration>(next));
        timer_->async_wait([self = this->weak_from_this()](error_code failed) {
            if (failed)
                return;
            if (auto alive = self.lock())
                static_cast<keyed_core&>(*alive).on_timer();
        });
    }

    void on_timer()
    {
        granted_waiters decided;
        {
            std::lock_guard lock{mutex_};
            if (timer_)
                serve(decided);
        }
        decided.complete();
    }

    void take_all(granted_waiters& decided, error_code reason)
    {
        for (auto& [key, of] : lines_) {
            while (!of->waiting_.empty())
                decided.add(of->waiting_.pop_front(), reason);
            place(*of);
        }
        statistics_.waiting = 0;
    }

    /// Drops the keys that nobody uses and whose limits have forgotten all. Done when their number
    /// has doubled, so that it costs each acquire next to nothing.
    void forget()
    {
        const time now = clock();
        std::erase_if(lines_, [&](const auto& each) {
            return each.second.use_count() == 1 && each.second->waiting_.empty() &&
                   each.second->gate_.is_as_new(now);
        });
        forget_at_ = std::max(few, 2 * lines_.size());
    }

    static constexpr std::size_t few = 64;

    const Executor executor_;
    const std::vector<limit> each_;
    const time credit_;
    const time_point epoch_ = Clock::now();
    mutable std::mutex mutex_;
    gate_state shared_;
    std::unordered_map<Key, std::shared_ptr<line>, Hash> lines_;
    typename line::heads heads_;
    std::size_t forget_at_ = few;
    time last_now_{0};
    std::optional<timer> timer_;
    limiter_statistics statistics_;
    bool closed_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
