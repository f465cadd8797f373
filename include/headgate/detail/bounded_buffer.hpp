#ifndef HEADGATE_DETAIL_BOUNDED_BUFFER_HPP
#define HEADGATE_DETAIL_BOUNDED_BUFFER_HPP

#include <headgate/detail/buffer_waiters.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/intrusive_list.hpp>
#include <headgate/detail/pop_line.hpp>
#include <headgate/detail/ring.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>

#include HEADGATE_ASIO(error.hpp)

#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// What a work queue and a result channel have in common: a bounded first in, first out buffer with
/// back-pressure both ways. Everything happens under one mutex; handlers are posted after it.
///
/// An item is in exactly one place at any time: in the waiting push, in the buffer, or decided as
/// the result of a pop. A place that was reserved counts as full until it is used or given back.
template <class T, class Clock, class Executor>
class bounded_buffer final : public shutdown_target {
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "an item is handed on by moving it, which must not fail half-way");

    using time_point = typename Clock::time_point;
    using decided = decided_in_buffer<pop_waiter<T, time_point>>;

public:
    using value_type = T;
    using executor_type = Executor;
    using place = reserved_place<bounded_buffer>;
    using send_op = send_waiter<T>;
    using reserve_op = reserve_waiter<bounded_buffer>;
    using pop_op = pop_waiter<T, time_point>;
    using pop_until_op = pop_until_waiter<T, time_point>;
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

    void start(room_waiter& op)
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            if (closed_) {
                decided_ops.pushes.add(op, error::closed);
            } else {
                senders_.push_back(op);
                admit(decided_ops);
            }
        }
        decided_ops.complete();
    }

    void cancel(room_waiter& op)
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            if (op.decided())
                return;
            senders_.erase(op);
            decided_ops.pushes.add(op, asio::error::operation_aborted);
        }
        decided_ops.complete();
    }

    void start(pop_op& op) { start(op, std::nullopt); }
    void start(pop_until_op& op) { start(op, op.until); }

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
            op.decide(error_code{});
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
                decided_ops.joins.add_all(joiners_, error_code{});
        }
        decided_ops.complete();
    }

    void close()
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            closed_ = true;
            decided_ops.pushes.add_all(senders_, make_error_code(error::closed));
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
            receivers_.stop();
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
            receivers_.drop_timer();
            take_all(decided_ops, {});
        }
        decided_ops.destroy();
    }

private:
    bool room() const noexcept { return items_.size() + places_ < capacity_; }
    bool ended() const noexcept { return closed_ && items_.empty() && places_ == 0; }

    void start(pop_op& op, std::optional<time_point> until)
    {
        decided decided_ops;
        {
            std::lock_guard lock{mutex_};
            if (!items_.empty()) {
                std::optional<T> item = take(decided_ops);
                decided_ops.pops.add(op, error_code{}, std::move(item));
            } else if (ended()) {
                decided_ops.pops.add(op, end_reason_, std::nullopt);
            } else if (!until) {
                receivers_.push_back(op);
            } else if (*until <= Clock::now()) {
                decided_ops.pops.add(op, asio::error::timed_out, std::nullopt);
            } else if (receivers_.push_back(op, *until)) {
                arm();
            }
        }
        decided_ops.complete();
    }

    void put(T&& item, decided& ops)
    {
        if (receivers_.empty()) {
            items_.push_back(std::move(item));
        } else {
            pop_op& op = receivers_.front();
            remove(op);
            ops.pops.add(op, error_code{}, std::optional<T>{std::move(item)});
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
            room_waiter& op = senders_.pop_front();
            if (op.sends) {
                ++unfinished_;
                put(std::move(static_cast<send_op&>(op).item), ops);
            } else {
                static_cast<reserve_op&>(op).reserved = reserve();
            }
            ops.pushes.add(op, error_code{});
        }
    }

    place reserve()
    {
        ++places_;
        return place{std::static_pointer_cast<bounded_buffer>(this->shared_from_this())};
    }

    void tell_end(decided& ops)
    {
        if (ended())
            tell_receivers(ops, error_code{});
    }

    void tell_receivers(decided& ops, error_code reason)
    {
        while (!receivers_.empty()) {
            pop_op& op = receivers_.front();
            remove(op);
            ops.pops.add(op, reason, std::nullopt);
        }
    }

    void take_all(decided& ops, error_code reason)
    {
        ops.pushes.add_all(senders_, reason);
        tell_receivers(ops, reason);
        ops.joins.add_all(joiners_, reason);
    }

    void remove(pop_op& op)
    {
        if (receivers_.erase(op))
            arm();
    }

    void arm()
    {
        if (abandoned_)
            return;
        receivers_.arm(executor_, [self = this->weak_from_this()] {
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
            while (pop_op* const op = receivers_.late(now)) {
                remove(*op);
                decided_ops.pops.add(*op, asio::error::timed_out, std::nullopt);
            }
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
    intrusive_list<room_waiter> senders_;
    pop_line<pop_op, Clock, Executor> receivers_;
    intrusive_list<join_op> joiners_;
    error_code end_reason_;
    bool closed_ = false;
    bool abandoned_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
