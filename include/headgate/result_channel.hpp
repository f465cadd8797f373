#ifndef HEADGATE_RESULT_CHANNEL_HPP
#define HEADGATE_RESULT_CHANNEL_HPP

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
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

namespace HEADGATE_NAMESPACE {

/// A bounded channel of results from many workers to a caller, with the outcome of it all at its
/// end.
///
/// A worker reserves a place before it begins what is costly, so that whatever it brings back has
/// somewhere to go: with a slow caller the workers wait before they spend a token, not after.
/// Waiting reservations, sends and receives are served strictly in order. After `close` what is in
/// the channel, and what comes into places that are still reserved, is handed out; then receives
/// complete with an empty optional.
///
/// @par Thread safety
/// All member functions except the constructors, destructor and moves may be called from any thread
/// at any time. Handlers run through their associated executor, never inside a member function and
/// never under a lock. An operation's cancellation signal must be emitted where its handler would
/// run.
///
/// @par Lifetime
/// Destroying the channel drops what is in it and completes the waiting operations with
/// `asio::error::operation_aborted`. That cannot fail, so the program ends if there is no memory
/// for it. A `place` may outlive the channel.
///
/// @tparam T        the result: nothrow move constructible, need not be copyable
/// @tparam Outcome  what is to be told at the end; copyable
/// @tparam Executor the I/O executor, used by handlers without one of their own
template <class T, class Outcome, class Executor>
class result_channel {
    using core = detail::bounded_buffer<T, std::chrono::steady_clock, Executor>;
    using initiate_send = detail::initiate_wait<typename core::send_op, core>;
    using initiate_reserve = detail::initiate_wait<typename core::reserve_op, core>;
    using initiate_receive = detail::initiate_wait<typename core::pop_op, core>;

public:
    /// What it holds.
    using value_type = T;
    /// What is told at its end.
    using outcome_type = Outcome;
    /// The type of the executor that it works on.
    using executor_type = Executor;

    /// The same channel with another executor type, for `use_awaitable_t<>::as_default_on_t`.
    template <class OtherExecutor>
    struct rebind_executor {
        /// That type.
        using other = result_channel<T, Outcome, OtherExecutor>;
    };

    /// Room for one result, kept until it is used or destroyed. Movable; converts to false if there
    /// is no room. `bool send(T&&)` puts the result into the channel, at once and even if the
    /// channel was closed since; it returns false, with the result untouched, if the channel is no
    /// more.
    using place = typename core::place;

    /// An empty channel with room for `capacity` results.
    /// @throws std::invalid_argument if `capacity` is 0.
    result_channel(const executor_type& executor, std::size_t capacity)
        : core_{core::create(executor, capacity, "headgate::result_channel")},
          end_{std::make_shared<end>()}
    {
    }

    /// As above, with the executor of an execution context.
    template <std::derived_from<asio::execution_context> Context>
    result_channel(Context& context, std::size_t capacity)
        : result_channel(executor_type(context.get_executor()), capacity)
    {
    }

    /// Leaves the other one fit for assignment and destruction only.
    result_channel(result_channel&&) noexcept = default;
    /// Ends what this one had, as its destructor does, and takes over the other.
    result_channel& operator=(result_channel&& other) noexcept
    {
        if (this != &other) {
            leave();
            core_ = std::move(other.core_);
            end_ = std::move(other.end_);
        }
        return *this;
    }
    ~result_channel() { leave(); }

    /// The executor that runs handlers which have none of their own.
    executor_type get_executor() const noexcept { return core_->get_executor(); }
    /// For how many results there is room.
    std::size_t capacity() const noexcept { return core_->capacity(); }

    /// How many results are in the channel now; reserved places are not counted.
    std::size_t size() const { return core_->size(); }

    /// Whether `close` was called.
    bool closed() const { return core_->closed(); }

    /// Reserves a place if there is room and nobody waits for it; never suspends.
    /// @return the place, or one that converts to false.
    place try_reserve() { return core_->try_reserve(); }

    /// Waits for room in turn and keeps it for the caller.
    ///
    /// @par Completion signature
    /// `void(error_code, place)`
    /// @par Errors
    /// `error::closed` if the channel is or gets closed; `asio::error::operation_aborted` if
    /// cancelled. The place converts to false then.
    /// @par Cancellation
    /// terminal, partial and total
    template <asio::completion_token_for<void(error_code, place)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_reserve(Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, void(error_code, place)>(initiate_reserve{core_}, token);
    }

    /// Waits for room in turn and puts the result in.
    ///
    /// @par Completion signature
    /// `void(error_code)`
    /// @par Errors
    /// `error::closed` if the channel is or gets closed; `asio::error::operation_aborted` if
    /// cancelled. In both cases the result is not in the channel.
    /// @par Cancellation
    /// terminal, partial and total
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_send(T result, Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, void(error_code)>(initiate_send{core_}, token,
                                                             std::move(result));
    }

    /// Waits for a result in turn and takes it.
    ///
    /// @par Completion signature
    /// `void(error_code, std::optional<T>)`: a result, or no error and no result when the
    /// channel is closed and drained; `outcome` says then how it went
    /// @par Errors
    /// `asio::error::operation_aborted` if cancelled; nothing was taken then.
    /// @par Cancellation
    /// terminal, partial and total
    template <asio::completion_token_for<void(error_code, std::optional<T>)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_receive(Token&& token = asio::default_completion_token_t<Executor>())
    {
        using signature = void(error_code, std::optional<T>);
        return asio::async_initiate<Token, signature>(initiate_receive{core_}, token);
    }

    /// Takes the first result if there is one; never suspends.
    std::optional<T> try_receive() { return core_->try_pop(); }

    /// Ends the sending and says how it went. Only the first call counts.
    void close(Outcome outcome = Outcome{})
    {
        {
            std::lock_guard lock{end_->mutex};
            if (end_->outcome)
                return;
            end_->outcome.emplace(std::move(outcome));
        }
        core_->close();
    }

    /// What `close` was told; empty before.
    std::optional<Outcome> outcome() const
    {
        std::lock_guard lock{end_->mutex};
        return end_->outcome;
    }

private:
    struct end {
        std::mutex mutex;
        std::optional<Outcome> outcome;
    };

    void leave() noexcept
    {
        if (core_)
            core_->abandon();
        core_.reset();
    }

    std::shared_ptr<core> core_;
    std::shared_ptr<end> end_;
};

} // namespace HEADGATE_NAMESPACE

#endif
