#ifndef HEADGATE_ASYNC_LIMITER_HPP
#define HEADGATE_ASYNC_LIMITER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/limiter_core.hpp>
#include <headgate/detail/limiter_statistics.hpp>
#include <headgate/error.hpp>
#include <headgate/fwd.hpp>
#include <headgate/limit.hpp>
#include <headgate/permit.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(async_result.hpp)
#include HEADGATE_ASIO(execution_context.hpp)

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE {

/// A rate limiter to wait on: each `async_acquire` completes when the limits allow it.
///
/// - Strict first in, first out. While anybody waits, `try_acquire` fails and a later, smaller
///   `async_acquire` does not overtake.
/// - Nothing is charged until it is granted. A cancelled wait has taken nothing, and the next in
///   line is served as if the cancelled one had never been there.
/// - One timer, armed for the first in line; each waiter is woken exactly once. Where a bucket or
///   paced limit has more than one token in half the credit, and more than 64 wait, those of that
///   time are granted together, so that the loop need not wake up for each.
/// - When the event loop is late, waiters keep their places in the schedule up to the `credit`, so
///   that lateness costs no throughput and a stall is not followed by a burst: in any span w there
///   are at most burst + rate * (w + credit) grants of a bucket or paced limit. A window limit is
///   exact: never more than its count in any period.
///
/// @par Algorithm
/// Buckets and paced limits: generic cell rate algorithm (ITU-T I.371), on integers, with the
/// interval rounded up. Windows: the log of the grants of the last period.
///
/// @par Thread safety
/// All member functions except the constructors, destructor and moves may be called from any thread
/// at any time. Handlers run through their associated executor, never inside a member function and
/// never under a lock. As everywhere in Asio, an operation's cancellation signal must be emitted
/// where its handler would run.
///
/// @par Lifetime
/// Destroying the limiter completes the waiting operations with `asio::error::operation_aborted`.
/// That cannot fail, so the program ends if there is no memory for it.
///
/// @tparam Clock    a monotonic clock; `testing::virtual_clock` in tests
/// @tparam Executor the I/O executor, used by the timer and by handlers without one of their own
template <class Clock, class Executor>
class basic_async_limiter {
    using core = detail::limiter_core<Clock, Executor>;
    using initiate = detail::initiate_wait<detail::acquire_waiter, core>;
    using initiate_until =
        detail::initiate_wait<detail::acquire_until_waiter<typename Clock::time_point>, core>;
    using initiate_permit = detail::initiate_wait<detail::acquire_permit_waiter, core>;

public:
    /// The clock that it goes by.
    using clock_type = Clock;
    /// The type of the executor that it works on.
    using executor_type = Executor;
    /// What it counts time in.
    using duration = std::chrono::nanoseconds;

    /// The same limiter with another executor type, for `use_awaitable_t<>::as_default_on_t`.
    template <class OtherExecutor>
    struct rebind_executor {
        /// That type.
        using other = basic_async_limiter<Clock, OtherExecutor>;
    };

    /// How late a waiter may be woken without losing its place in the schedule, unless stated.
    static constexpr duration default_credit = std::chrono::milliseconds{2};

    /// Never more than `count` in any `period`, the first `count` at once: `limit::window`.
    /// @throws std::invalid_argument as `limit::window` does.
    basic_async_limiter(const executor_type& executor, std::size_t count, duration period)
        : basic_async_limiter{executor, limit::window(count, period)}
    {
    }

    /// Enforces one limit.
    /// @throws std::invalid_argument if `credit` is negative or more than `limit::max_period`.
    basic_async_limiter(const executor_type& executor, const limit& allowed,
                        duration credit = default_credit)
        : core_{core::create(executor, std::span{&allowed, 1}, check(credit))}
    {
    }

    /// Enforces several limits as one: an acquire is granted when all of them allow it, and is
    /// charged to all of them or to none. An empty list allows everything.
    /// @throws std::invalid_argument if `credit` is negative or more than `limit::max_period`.
    basic_async_limiter(const executor_type& executor, const std::vector<limit>& limits,
                        duration credit = default_credit)
        : core_{core::create(executor, limits, check(credit))}
    {
    }

    /// As the constructors above, with the executor of an execution context.
    template <std::derived_from<asio::execution_context> Context>
    basic_async_limiter(Context& context, std::size_t count, duration period)
        : basic_async_limiter(executor_type(context.get_executor()), count, period)
    {
    }
    /// As with an executor, with one limit.
    template <std::derived_from<asio::execution_context> Context>
    basic_async_limiter(Context& context, const limit& allowed, duration credit = default_credit)
        : basic_async_limiter(executor_type(context.get_executor()), allowed, credit)
    {
    }
    /// As with an executor, with several limits.
    template <std::derived_from<asio::execution_context> Context>
    basic_async_limiter(Context& context, const std::vector<limit>& limits,
                        duration credit = default_credit)
        : basic_async_limiter(executor_type(context.get_executor()), limits, credit)
    {
    }

    /// Leaves the other one fit for assignment and destruction only.
    basic_async_limiter(basic_async_limiter&& other) noexcept = default;
    /// Ends what this one had, as its destructor does, and takes over the other.
    basic_async_limiter& operator=(basic_async_limiter&& other) noexcept
    {
        if (this != &other) {
            release();
            core_ = std::move(other.core_);
            owner_ = other.owner_;
        }
        return *this;
    }
    ~basic_async_limiter() { release(); }

    /// The executor that runs handlers which have none of their own.
    executor_type get_executor() const noexcept { return core_->get_executor(); }

    /// The most tokens that one acquire can ask for.
    std::size_t max_tokens() const { return core_->most(); }

    /// Takes `n` tokens if they are there now and nobody waits; never suspends.
    /// @return whether they were taken; always false after `close` and if `n > max_tokens()`.
    bool try_acquire(std::size_t n = 1) { return core_->try_acquire(n); }

    /// As `try_acquire`, but the tokens come as a `permit`; empty if they are not there.
    std::optional<permit> try_acquire_permit(std::size_t n = 1)
    {
        return core_->try_acquire_permit(n);
    }

    /// Waits for `n` tokens in turn and takes them.
    ///
    /// @par Completion signature
    /// `void(error_code)`
    /// @par Errors
    /// `error::exceeds_limit` at once if `n > max_tokens()`, `error::needs_permit` if there is a
    /// `limit::in_flight`; `error::closed` if the limiter is or gets closed;
    /// `asio::error::operation_aborted` if cancelled. In each case nothing was taken. `n == 0`
    /// succeeds at once.
    /// @par Cancellation
    /// terminal, partial and total
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_acquire(std::size_t n, Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, void(error_code)>(initiate{core_}, token, n);
    }

    /// Waits for one token in turn and takes it.
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
        requires(!std::integral<std::remove_cvref_t<Token>>)
    auto async_acquire(Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, void(error_code)>(initiate{core_}, token,
                                                             std::size_t{1});
    }

    /// As `async_acquire`, but fails with `asio::error::timed_out` if the tokens are not there by
    /// `deadline`: at once if the limits and who waits already say so, having taken nothing. A
    /// token that is waited for is not granted later than the `credit` after the deadline, however
    /// late the event loop is.
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_acquire_until(std::size_t n, typename Clock::time_point deadline,
                             Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, void(error_code)>(initiate_until{core_}, token, n,
                                                             deadline);
    }

    /// As `async_acquire`, but the tokens come as a `permit`, which gives them back unless they are
    /// used, and takes part in `limit::in_flight` as long as it lives.
    ///
    /// @par Completion signature
    /// `void(error_code, permit)`
    template <asio::completion_token_for<void(error_code, permit)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_acquire_permit(std::size_t n,
                              Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, void(error_code, permit)>(initiate_permit{core_}, token,
                                                                     n);
    }

    /// Grants nothing until `when`, because the server said so; a later time replaces an earlier
    /// one, never the other way round. Then one goes first: if it has a permit the others wait
    /// until that ends, and so until its holder knows whether to pause again. After it they follow
    /// evenly spaced for one period. What is more than ten years away is taken for that.
    void pause_until(typename Clock::time_point when) { core_->pause_until(when); }

    /// Counts `n` tokens as taken at `at`, which may be long before now: what another process, or
    /// this program before it was killed, has spent of the same limits. To be told in the order of
    /// time, before anything is acquired. They may be more than the limits allow. For
    /// `limit::in_flight` it says nothing.
    /// @param n         how many, together
    /// @param at        when they were granted
    /// @param answered  when the answer came, if it is known; for windows with slack
    void recall(std::size_t n, typename Clock::time_point at,
                std::optional<typename Clock::time_point> answered = std::nullopt)
    {
        core_->recall(n, at, answered);
    }

    /// As if at `at` everything that the limits allow had just been taken: where it is not known
    /// what was spent before that.
    void exhaust(typename Clock::time_point at) { core_->exhaust(at); }

    /// Enforces other limits from now on. What was granted still counts under those at the same
    /// place and of the same kind: windows keep their grants, buckets and paced limits what is
    /// missing of them and what is owed, in tokens. Who waits keeps its turn at its new time, or
    /// fails with `error::exceeds_limit` if it has asked for more than there can be now, or with
    /// `error::needs_permit` if it waits without one and there is a `limit::in_flight` now.
    void set_limits(const std::vector<limit>& limits) { core_->set_limits(limits); }

    /// The limits that are enforced now.
    std::vector<limit> limits() const { return core_->limits(); }

    /// Completes all who wait, and all who come later, with `error::closed`.
    void close() { core_->close(error::closed); }

    /// What it has done so far.
    limiter_statistics statistics() const { return core_->statistics(); }

    /// A second handle on the same limiter that does not end it when destroyed. For components
    /// that must not dangle when the limiter itself goes before them.
    basic_async_limiter share() const { return basic_async_limiter{core_}; }

private:
    explicit basic_async_limiter(std::shared_ptr<core> shared)
        : core_{std::move(shared)}, owner_{false}
    {
    }

    static duration check(duration credit)
    {
        return detail::checked_credit(credit, "headgate::async_limiter");
    }

    void release() noexcept
    {
        if (core_ && owner_)
            core_->close(asio::error::operation_aborted);
        core_.reset();
    }

    std::shared_ptr<core> core_;
    bool owner_ = true;
};

} // namespace HEADGATE_NAMESPACE

#endif
