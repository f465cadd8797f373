#ifndef HEADGATE_DETAIL_ACQUIRE_LINE_HPP
#define HEADGATE_DETAIL_ACQUIRE_LINE_HPP

#include <headgate/detail/acquire_waiter.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/intrusive_list.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>

#include HEADGATE_ASIO(error.hpp)

#include <chrono>
#include <cstddef>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Those who wait for tokens, first in, first out, and the deadlines of those who have one. Owns
/// nobody. Time is handed in.
class acquire_line {
public:
    using time = std::chrono::nanoseconds;
    using decided_acquires = decided_waiters<acquire_waiter>;

    bool empty() const noexcept { return waiting_.empty(); }
    std::size_t size() const noexcept { return waiting_.size(); }
    acquire_waiter& front() const noexcept { return waiting_.front(); }

    /// How many tokens they want, all together.
    std::size_t tokens() const noexcept { return tokens_; }

    template <class Function>
    void for_each(Function function) const
    {
        waiting_.for_each(function);
    }

    void push_back(acquire_waiter& op, time now)
    {
        op.since = now;
        waiting_.push_back(op);
        tokens_ += op.tokens;
    }

    /// One who waits does so until `last`.
    void limit(acquire_waiter& op, time last)
    {
        op.deadline = deadlines_.emplace(last, &op);
        op.has_deadline = true;
    }

    void remove(acquire_waiter& op)
    {
        waiting_.erase(op);
        tokens_ -= op.tokens;
        if (std::exchange(op.has_deadline, false))
            deadlines_.erase(op.deadline);
    }

    /// Tells all of them that.
    void take_all(decided_acquires& decided, error_code reason)
    {
        while (!waiting_.empty())
            take(waiting_.front(), decided, reason);
    }

    /// Tells those to whom `refusal` gives a reason; the others keep their turns.
    template <class Refusal>
    void take_refused(decided_acquires& decided, Refusal refusal)
    {
        intrusive_list<acquire_waiter> kept;
        while (!waiting_.empty()) {
            acquire_waiter& op = waiting_.front();
            if (const auto reason = refusal(op))
                take(op, decided, *reason);
            else
                kept.push_back(waiting_.pop_front());
        }
        waiting_ = std::move(kept);
    }

    /// Tells those whose deadline is `last` or before that they are out of time; false if there are
    /// none.
    bool expire(time last, decided_acquires& decided)
    {
        bool any = false;
        for (; !deadlines_.empty() && deadlines_.begin()->first <= last; any = true)
            take(*deadlines_.begin()->second, decided, asio::error::timed_out);
        return any;
    }

    /// The first deadline; `time::max()` if there is none.
    time next_deadline() const noexcept
    {
        return deadlines_.empty() ? time::max() : deadlines_.begin()->first;
    }

private:
    template <class Reason>
    void take(acquire_waiter& op, decided_acquires& decided, const Reason& reason)
    {
        remove(op);
        decided.add(op, reason);
    }

    intrusive_list<acquire_waiter> waiting_;
    std::size_t tokens_ = 0;
    acquire_waiter::deadlines deadlines_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
