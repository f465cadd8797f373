#ifndef HEADGATE_DETAIL_BOUNDED_BUFFER_HPP
#define HEADGATE_DETAIL_BOUNDED_BUFFER_HPP

#include <headgate/detail/buffer_waiters.hpp>
#include <headgate/detail/clock_timer.hpp>
#include <headgate/detail/intrusive_list.hpp>
#include <headgate/detail/ring.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>

#include <asio/error.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

namespace headgate::detail {

/// What a work queue and a result channel have in common: a bounded first in, first out buffer with
/// back-pressure both ways. Everything happens under one mutex; handlers are posted after it.
///
/// An item is in exactly one place at any time: in the waiting push, in the buffer, or decided as
/// the result of a pop. A place that was reserved counts as full until it is used or given back.
template <class T, class Clock, class Executor>
class bounded_buffer final : public shutdown_target {
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "an item is handed on by moving it, which must not fail half-way");

    using timer = clock_timer<Clock, Executor>;

public:
    using value_type = T;
    using executor_type = Executor;
    using place = reserved_place<bounded_buffer>;
    using push_op = push_waiter<bounded_buffer>;
    using send_op = send_waiter<bounded_buffer>;
    using pop_op = pop_waiter<T, typename Clock::time_point>;
    using join_op = join_waiter;

    static std::shared_ptr<bounded_buffer> create(const Executor& executor, std::size_t capacity,
                                                  const char* owner)
    {
        if (capacity == 0)
            throw std::invalid_argument{std::string{owner} + ": capacity is 0, must be at least 1"};
        auto core = std::make_shared<bounded_buffer>(executor, capacity);
        core->join(executor);
        return core;
    }

    bounded_buffer(const Executor& executor, std::size_t capacity)
        : executor_{executor}, capacity_{capacity}
    {
    }

    executor_type get_executor() const noexcept { return executor_; }
    std::size_t capacity() const noexcept { return capacity_; }

    std::size_t size() const
    {
        std::lock_guard lock{mutex_};
        return items_.size();
    }

    bool closed() const
    {
        std::lock_guard lock{mutex_};
        return closed_;
    }

    bool try_push(T&& item)
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            if (closed_ || !senders_.empty() || !room())
                return false;
            put(std::move(item), decided_ops);
            ++unfinished_;
        }
        decided_ops.complete();
        return true;
    }

    place try_reserve()
    {
        std::lock_guard lock{mutex_};
        if (closed_ || !senders_.empty() || !room())
            return place{};
        return reserve();
    }

    std::optional<T> try_pop()
    {
        std::optional<T> item;
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            if (items_.empty())
                return item;
            item = take(decided_ops);
        }
        decided_ops.complete();
        return item;
    }

    void start(push_op& op)
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            if (closed_) {
                decided_ops.pushes.add(op, error::closed, place{});
            } else {
                senders_.push_back(op);
                admit(decided_ops);
            }
        }
        decided_ops.complete();
    }

    void cancel(push_op& op)
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            if (op.decided())
                return;
            senders_.erase(op);
            decided_ops.pushes.add(op, asio::error::operation_aborted, place{});
        }
        decided_ops.complete();
    }

    void start(pop_op& op)
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            if (!items_.empty()) {
                std::optional<T> item = take(decided_ops);
                decided_ops.pops.add(op, std::error_code{}, std::move(item));
            } else if (ended()) {
                decided_ops.pops.add(op, end_reason_, std::nullopt);
            } else if (op.deadline && *op.deadline <= Clock::now()) {
                decided_ops.pops.add(op, asio::error::timed_out, std::nullopt);
            } else {
                receivers_.push_back(op);
                if (op.deadline) {
                    op.position = deadlines_.emplace(*op.deadline, &op);
                    if (op.position == deadlines_.begin())
                        arm();
                }
            }
        }
        decided_ops.complete();
    }

    void cancel(pop_op& op)
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            if (op.decided())
                return;
            remove(op);
            decided_ops.pops.add(op, asio::error::operation_aborted, std::nullopt);
        }
        decided_ops.complete();
    }

    /// Puts an item into a place that was reserved. False if the buffer's owner is gone.
    bool send(T&& item)
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            if (abandoned_)
                return false;
            --places_;
            ++unfinished_;
            put(std::move(item), decided_ops);
            admit(decided_ops);
            tell_end(decided_ops);
        }
        decided_ops.complete();
        return true;
    }

    /// Gives back a place that was reserved.
    void release() noexcept
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            if (abandoned_)
                return;
            --places_;
            admit(decided_ops);
            tell_end(decided_ops);
        }
        decided_ops.complete();
    }

    void start(join_op& op)
    {
        {
            std::lock_guard lock{mutex_};
            if (unfinished_ > 0 && !abandoned_) {
                joiners_.push_back(op);
                return;
            }
            op.decide(std::error_code{});
        }
        op.complete();
    }

    void cancel(join_op& op)
    {
        {
            std::lock_guard lock{mutex_};
            if (op.decided())
                return;
            joiners_.erase(op);
            op.decide(asio::error::operation_aborted);
        }
        op.complete();
    }

    void task_done()
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            if (unfinished_ == 0)
                throw std::logic_error{
                    "headgate::work_queue: task_done called more often than items were pushed"};
            if (--unfinished_ == 0)
                decided_ops.joins.add_all(joiners_, std::error_code{});
        }
        decided_ops.complete();
    }

    void close()
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            closed_ = true;
            refuse_senders(decided_ops, error::closed);
            tell_end(decided_ops);
        }
        decided_ops.complete();
    }

    /// The owner goes away: whoever waits is told so, and what is in the buffer is dropped.
    void abandon()
    {
        decided decided_ops;
        ring<T> dropped;
        {
            std::lock_guard lock{mutex_};
            closed_ = abandoned_ = true;
            places_ = 0;
            end_reason_ = asio::error::operation_aborted;
            dropped.swap(items_);
            take_all(decided_ops, asio::error::operation_aborted);
            // Somebody may keep this object, in an operation that is not started yet.
            if (timer_)
                timer_->cancel();
        }
        decided_ops.complete();
    }

    void on_context_shutdown() noexcept override
    {
        decided decided_ops;
        ring<T> dropped;
        {
            std::lock_guard lock{mutex_};
            closed_ = abandoned_ = true;
            dropped.swap(items_);
            timer_.reset();
            take_all(decided_ops, {});
        }
        decided_ops.destroy();
    }

private:
    struct decided {
        decided_waiters<push_op> pushes;
        decided_waiters<pop_op> pops;
        decided_waiters<join_op> joins;

        void complete()
        {
            pushes.complete();
            pops.complete();
            joins.complete();
        }
        void destroy() noexcept
        {
            pushes.destroy();
            pops.destroy();
            joins.destroy();
        }
    };

    bool room() const noexcept { return items_.size() + places_ < capacity_; }
    bool ended() const noexcept { return closed_ && items_.empty() && places_ == 0; }

    void put(T&& item, decided& ops)
    {
        if (receivers_.empty()) {
            items_.push_back(std::move(item));
        } else {
            pop_op& op = receivers_.front();
            remove(op);
            ops.pops.add(op, std::error_code{}, std::optional<T>{std::move(item)});
        }
    }

    std::optional<T> take(decided& ops)
    {
        std::optional<T> item{std::move(items_.front())};
        items_.pop_front();
        admit(ops);
        tell_end(ops);
        return item;
    }

    void admit(decided& ops)
    {
        while (!senders_.empty() && room()) {
            push_op& op = senders_.pop_front();
            if (op.item) {
                ++unfinished_;
                put(std::move(*op.item), ops);
                ops.pushes.add(op, std::error_code{}, place{});
            } else {
                ops.pushes.add(op, std::error_code{}, reserve());
            }
        }
    }

    place reserve()
    {
        ++places_;
        return place{std::static_pointer_cast<bounded_buffer>(this->shared_from_this())};
    }

    void refuse_senders(decided& ops, std::error_code reason)
    {
        while (!senders_.empty())
            ops.pushes.add(senders_.pop_front(), reason, place{});
    }

    void tell_end(decided& ops)
    {
        if (!ended())
            return;
        while (!receivers_.empty()) {
            pop_op& op = receivers_.front();
            remove(op);
            ops.pops.add(op, std::error_code{}, std::nullopt);
        }
    }

    void take_all(decided& ops, std::error_code reason)
    {
        refuse_senders(ops, reason);
        while (!receivers_.empty()) {
            pop_op& op = receivers_.front();
            remove(op);
            ops.pops.add(op, reason, std::nullopt);
        }
        ops.joins.add_all(joiners_, reason);
    }

    void remove(pop_op& op)
    {
        receivers_.erase(op);
        if (!op.deadline)
            return;
        const bool was_first = op.position == deadlines_.begin();
        deadlines_.erase(op.position);
        if (was_first)
            arm();
    }

    void arm()
    {
        if (abandoned_)
            return;
        if (deadlines_.empty()) {
            if (timer_)
                timer_->cancel();
            return;
        }
        if (!timer_)
            timer_.emplace(executor_);
        timer_->expires_at(deadlines_.begin()->first);
        timer_->async_wait([self = this->weak_from_this()](std::error_code failed) {
            if (failed)
                return;
            if (auto alive = self.lock())
                static_cast<bounded_buffer&>(*alive).on_timer();
        });
    }

    void on_timer()
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            const auto now = Clock::now();
            while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
                pop_op& op = *deadlines_.begin()->second;
                remove(op);
                decided_ops.pops.add(op, asio::error::timed_out, std::nullopt);
            }
            if (!deadlines_.empty())
                arm();
        }
        decided_ops.complete();
    }

    const Executor executor_;
    const std::size_t capacity_;
    mutable std::mutex mutex_;
    ring<T> items_;
    std::size_t places_ = 0;
    std::size_t unfinished_ = 0;
    intrusive_list<push_op> senders_;
    intrusive_list<pop_op> receivers_;
    intrusive_list<join_op> joiners_;
    typename pop_op::deadlines deadlines_;
    std::optional<timer> timer_;
    std::error_code end_reason_;
    bool closed_ = false;
    bool abandoned_ = false;
};

} // namespace headgate::detail

#endif
