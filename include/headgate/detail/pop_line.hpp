#ifndef HEADGATE_DETAIL_POP_LINE_HPP
#define HEADGATE_DETAIL_POP_LINE_HPP

#include <headgate/detail/clock_timer.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/intrusive_list.hpp>
#include <headgate/error.hpp>

#include <optional>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Those who wait for an item, in order, and one timer for the first of their deadlines. Used under
/// the lock of the object that they wait on.
template <class Pop, class Clock, class Executor>
class pop_line {
    using timer = clock_timer<Clock, Executor>;
    using time_point = typename Clock::time_point;

public:
    bool empty() const noexcept { return waiting_.empty(); }
    Pop& front() const noexcept { return waiting_.front(); }

    void push_back(Pop& op) noexcept { waiting_.push_back(op); }

    /// @return whether another deadline is now the first, so that `arm` has to be called.
    [[nodiscard]] bool push_back(Pop& op, time_point until)
    {
        op.deadline = deadlines_.emplace(until, &op);
        op.has_deadline = true;
        waiting_.push_back(op);
        return op.deadline == deadlines_.begin();
    }

    /// @return as above.
    [[nodiscard]] bool erase(Pop& op) noexcept
    {
        waiting_.erase(op);
        if (!std::exchange(op.has_deadline, false))
            return false;
        const bool was_first = op.deadline == deadlines_.begin();
        deadlines_.erase(op.deadline);
        return was_first;
    }

    /// Whose deadline has come, the earliest first; null if there is nobody.
    Pop* late(time_point now) const noexcept
    {
        const auto first = deadlines_.begin();
        return first != deadlines_.end() && first->first <= now ? first->second : nullptr;
    }

    /// Has `on_time` called when the first deadline has come.
    template <class OnTime>
    void arm(const Executor& executor, OnTime on_time)
    {
        if (deadlines_.empty()) {
            stop();
            return;
        }
        if (!timer_)
            timer_.emplace(executor);
        timer_->expires_at(deadlines_.begin()->first);
        timer_->async_wait([on_time = std::move(on_time)](error_code failed) {
            if (!failed)
                on_time();
        });
    }

    void stop()
    {
        if (timer_)
            timer_->cancel();
    }

    /// The execution context is going away.
    void drop_timer() noexcept { timer_.reset(); }

private:
    intrusive_list<Pop> waiting_;
    typename Pop::deadlines deadlines_;
    std::optional<timer> timer_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
