#ifndef HEADGATE_WORK_QUEUE_HPP
#define HEADGATE_WORK_QUEUE_HPP

#include <headgate/detail/bounded_buffer.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/error.hpp>
#include <headgate/fwd.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(async_result.hpp)
#include HEADGATE_ASIO(execution_context.hpp)

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>

namespace HEADGATE_NAMESPACE {

/// A bounded first in, first out queue between coroutines: who pushes waits for room, who pops
/// waits for an item.
///
/// Any number may push and pop at once. Waiting pushes and pops are served strictly in order. After
/// `close` what is in the queue is still handed out; then pops complete with an empty optional.
///
/// @par Exactly once
/// An item is popped by one only. A pop that is cancelled or out of time has taken nothing. A push
/// that fails has put nothing in; its item goes with it. To stop waiting after a while use
/// `async_pop_until`, which decides between item and timeout in one step: racing `async_pop`
/// against a timer with `||` may throw an item away that was already handed over.
///
/// @par Thread safety
/// All member functions except the constructors, destructor and moves may be called from any thread
/// at any time. Handlers run through their associated executor, never inside a member function and
/// never under a lock. An operation's cancellation signal must be emitted where its handler would
/// run.
///
/// @par Lifetime
/// Destroying the queue drops its items and completes the waiting operations with
/// `asio::error::operation_aborted`. That cannot fail, so the program ends if there is no memory
/// for it.
///
/// @tparam T        the item: nothrow move constructible, need not be copyable
/// @tparam Clock    the clock of `async_pop_until`
/// @tparam Executor the I/O executor, used by handlers without one of their own
template <class T, class Clock, class Executor>
class basic_work_queue {
    using core = detail::bounded_buffer<T, Clock, Executor>;
    using push_signature = void(error_code);
    using pop_signature = void(error_code, std::optional<T>);
    using initiate_push = detail::initiate_wait<typename core::send_op, core>;
    using initiate_pop = detail::initiate_wait<typename core::pop_op, core>;
    using initiate_pop_until = detail::initiate_wait<typename core::pop_until_op, core>;
    using initiate_join = detail::initiate_wait<typename core::join_op, core>;

public:
    /// What it holds.
    using value_type = T;
    /// The clock that it goes by.
    using clock_type = Clock;
    /// The type of the executor that it works on.
    using executor_type = Executor;

    /// The same queue with another executor type, for `use_awaitable_t<>::as_default_on_t`.
    template <class OtherExecutor>
    struct rebind_executor {
        /// That type.
        using other = basic_work_queue<T, Clock, OtherExecutor>;
    };

    /// An empty queue with room for `capacity` items.
    /// @throws std::invalid_argument if `capacity` is 0.
    basic_work_queue(const executor_type& executor, std::size_t capacity)
        : core_{core::create(executor, capacity, "headgate::work_queue")}
    {
    }

    /// As above, with the executor of an execution context.
    template <std::derived_from<asio::execution_context> Context>
    basic_work_queue(Context& context, std::size_t capacity)
        : basic_work_queue(executor_type(context.get_executor()), capacity)
    {
    }

    /// Leaves the other one fit for assignment and destruction only.
    basic_work_queue(basic_work_queue&&) noexcept = default;
    /// Ends what this one had, as its destructor does, and takes over the other.
    basic_work_queue& operator=(basic_work_queue&& other) noexcept
    {
        if (this != &other) {
            release();
            core_ = std::move(other.core_);
        }
        return *this;
    }
    ~basic_work_queue() { release(); }

    /// The executor that runs handlers which have none of their own.
    executor_type get_executor() const noexcept { return core_->get_executor(); }
    /// For how many items there is room.
    std::size_t capacity() const noexcept { return core_->capacity(); }

    /// How many items are in the queue now.
    std::size_t size() const { return core_->size(); }

    /// Whether `close` was called.
    bool closed() const { return core_->closed(); }

    /// Puts the item in if there is room and nobody waits to; never suspends.
    /// @return whether it did; if not, `item` is untouched. Always false after `close`.
    bool try_push(T&& item) { return core_->try_push(std::move(item)); }
    /// As above, with a copy of the item.
    bool try_push(const T& item) requires std::copy_constructible<T>
    {
        return core_->try_push(T(item));
    }

    /// Takes the first item if there is one; never suspends.
    std::optional<T> try_pop() { return core_->try_pop(); }

    /// Waits for room in turn and puts the item in.
    ///
    /// @par Completion signature
    /// `void(error_code)`
    /// @par Errors
    /// `error::closed` if the queue is or gets closed; `asio::error::operation_aborted` if
    /// cancelled. In both cases the item is not in the queue.
    /// @par Cancellation
    /// terminal, partial and total
    template <asio::completion_token_for<push_signature> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_push(T item, Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, push_signature>(initiate_push{core_}, token,
                                                           std::move(item));
    }

    /// Waits for an item in turn and takes it.
    ///
    /// @par Completion signature
    /// `void(error_code, std::optional<T>)`: an item, or no error and no item when the queue
    /// is closed and empty
    /// @par Errors
    /// `asio::error::operation_aborted` if cancelled; nothing was taken then.
    /// @par Cancellation
    /// terminal, partial and total
    template <asio::completion_token_for<pop_signature> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_pop(Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, pop_signature>(initiate_pop{core_}, token);
    }

    /// As `async_pop`, but fails with `asio::error::timed_out` when `deadline` comes first. An item
    /// that is there now is taken even if the deadline has passed.
    template <asio::completion_token_for<pop_signature> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_pop_until(typename Clock::time_point deadline,
                         Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, pop_signature>(initiate_pop_until{core_}, token,
                                                          deadline);
    }

    /// Says that the work of one popped item is done; `async_join` counts them.
    /// @throws std::logic_error if called more often than items were pushed.
    void task_done() { core_->task_done(); }

    /// Waits until `task_done` was called once for every item that was ever pushed.
    ///
    /// @par Completion signature
    /// `void(error_code)`
    /// @par Errors
    /// `asio::error::operation_aborted` if cancelled.
    /// @par Cancellation
    /// terminal, partial and total
    template <asio::completion_token_for<push_signature> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_join(Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, push_signature>(initiate_join{core_}, token);
    }

    /// Ends the pushing: pushes that wait or come later fail with `error::closed`, pops get what is
    /// left and then an empty optional.
    void close() { core_->close(); }

private:
    void release() noexcept
    {
        if (core_)
            core_->abandon();
        core_.reset();
    }

    std::shared_ptr<core> core_;
};

} // namespace HEADGATE_NAMESPACE

#endif
