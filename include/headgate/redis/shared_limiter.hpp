#ifndef HEADGATE_REDIS_SHARED_LIMITER_HPP
#define HEADGATE_REDIS_SHARED_LIMITER_HPP

#include <headgate/detail/acquire_waiter.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/limit.hpp>
#include <headgate/permit.hpp>
#include <headgate/redis/client.hpp>
#include <headgate/redis/detail/shared_limiter_core.hpp>
#include <headgate/redis/fwd.hpp>
#include <headgate/redis/shared_limiter_options.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(async_result.hpp)
#include HEADGATE_ASIO(execution_context.hpp)

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::redis {

/// An `async_limiter` whose limits are shared by any number of processes on any machines: its state
/// is in Redis, under a key. All who name the same key share the same limits.
///
/// The interface is that of `basic_async_limiter`. What differs:
/// - The limits of the key are those of whoever came first, or of the last `set_limits` of anybody;
///   `limits()` follows as soon as Redis has been asked.
/// - `try_acquire` looks at what this process has leased. Where it fails, some is leased for
/// whoever
///   tries again.
/// - `async_acquire_until` waits for its deadline, whether or not it can be met.
/// - A token of a bucket or a paced limit that is not used, or that a permit gives back, is not
///   given to others.
/// - In any span w there are at most burst + rate * (w + credit) grants of a bucket or paced limit;
///   the credit is `shared_limiter_options::credit`.
///
/// @par Algorithm
/// One Lua script decides, inside Redis, by the clock of Redis, for all limits or none. A process
/// asks it for as many tokens as it has waiters and expects to have soon, once in two thirds of a
/// horizon (100 ms) at most, and gets those that are there or will be within the horizon. Each has
/// a time from which it may be used and one until which. Buckets and paced limits are a generic
/// cell rate algorithm (ITU-T I.371) on one theoretical arrival time for all. A window of N is N
/// slots, each of which has a time at which it is free again: leasing takes those that are free
/// first, and puts them back with the latest possible use + the slack of the limit + the period.
/// With its next question a process says when it has used them really, which moves them, or that it
/// has not. Whatever is lost on the way, a question, an answer, a process, leaves them as they are,
/// on the safe side; nothing ever counts less than it should.
///
/// A process turns times of Redis into its own by bounds: Redis read its clock after the question
/// was sent and before the answer came. It uses a token neither before the latest nor after the
/// earliest that the moment can be.
///
/// Fair between processes: who is not served in full has a mark, by the tokens that it has had, and
/// gets no further ahead of the one behind than a share of what there is within a horizon
/// (start-time fair queueing, Goyal, Vin and Cheng 1996). Who does not come back loses its turn.
///
/// When Redis was restarted, it has another run id than what it kept, or it has kept nothing. Then
/// all is taken for spent at the last moment at which tokens that were leased before it started can
/// have been used; if it cannot be that it was restarted since (a failover, a flush), now. Where it
/// has kept nothing, only a process that had leased tokens before can say that there were any: a
/// Redis that has run for less than 2 s waits for that. A process that comes later says so, too,
/// and what is left is taken back.
///
/// After a pause one goes first, over all processes, and the others wait until its permit ends;
/// then they follow evenly spaced for one period. Others learn of a pause, and of other limits,
/// with their next question: within two thirds of a horizon if they are busy.
///
/// Places of `limit::in_flight` are held for as long as their process says so three times in each
/// `in_flight_ttl`.
///
/// All processes should have the same options: what is taken for spent after a restart goes by
/// those of the one that finds it out.
///
/// What it cannot do: a jump of the clock of Redis forwards lets windows end early. A permit that
/// is held by a process that was stopped for longer than the `in_flight_ttl` is given to others.
///
/// @par Thread safety
/// All member functions except the constructors, destructor and moves may be called from any thread
/// at any time. Handlers run through their associated executor, never inside a member function and
/// never under a lock. As everywhere in Asio, an operation's cancellation signal must be emitted
/// where its handler would run.
///
/// @par Lifetime
/// Destroying the limiter completes the waiting operations with `asio::error::operation_aborted`.
/// That cannot fail, so the program ends if there is no memory for it. What it had leased comes
/// back by itself.
///
/// @tparam Clock    a monotonic clock for waiting; what counts is the clock of Redis
/// @tparam Executor the I/O executor, used by the timer and by handlers without one of their own
template <class Clock, class Executor>
class basic_shared_limiter {
    using core = detail::shared_limiter_core<Clock, Executor>;
    using initiate = detail::initiate_wait<detail::acquire_waiter, core>;
    using initiate_until =
        detail::initiate_wait<detail::acquire_until_waiter<typename Clock::time_point>, core>;
    using initiate_permit = detail::initiate_wait<detail::acquire_permit_waiter, core>;

public:
    /// The clock that it waits by.
    using clock_type = Clock;
    /// The type of the executor that it works on.
    using executor_type = Executor;
    /// What it counts time in.
    using duration = std::chrono::nanoseconds;

    /// The same limiter with another executor type, for `use_awaitable_t<>::as_default_on_t`.
    template <class OtherExecutor>
    struct rebind_executor {
        /// That type.
        using other = basic_shared_limiter<Clock, OtherExecutor>;
    };

    /// Shares the limits under `key` of the Redis of a client, on the client's executor. In Redis
    /// all of its keys begin with `{key}`, so that they are in one slot of a cluster.
    /// @throws std::invalid_argument if the key is empty or has a brace in it.
    basic_shared_limiter(const basic_client<Executor>& where, const std::string& key,
                         const std::vector<limit>& limits,
                         const shared_limiter_options& options = {})
        : core_{core::create(where.get_executor(), where.share(), check(key), limits, options)}
    {
    }

    /// As above, with a client of its own.
    basic_shared_limiter(const executor_type& executor, const client_options& where,
                         const std::string& key, const std::vector<limit>& limits,
                         const shared_limiter_options& options = {})
        : core_{core::create(executor, basic_client<Executor>{executor, where}, check(key), limits,
                             options)}
    {
    }

    /// As above, with the executor of an execution context.
    template <std::derived_from<asio::execution_context> Context>
    basic_shared_limiter(Context& context, const client_options& where, const std::string& key,
                         const std::vector<limit>& limits,
                         const shared_limiter_options& options = {})
        : basic_shared_limiter(executor_type(context.get_executor()), where, key, limits, options)
    {
    }

    /// Leaves the other one fit for assignment and destruction only.
    basic_shared_limiter(basic_shared_limiter&& other) noexcept = default;
    /// Ends what this one had, as its destructor does, and takes over the other.
    basic_shared_limiter& operator=(basic_shared_limiter&& other) noexcept
    {
        if (this != &other) {
            release();
            core_ = std::move(other.core_);
            owner_ = other.owner_;
        }
        return *this;
    }
    ~basic_shared_limiter() { release(); }

    /// The executor that runs handlers which have none of their own.
    executor_type get_executor() const noexcept { return core_->get_executor(); }

    /// The most tokens that one acquire can ask for.
    std::size_t max_tokens() const { return core_->most(); }

    /// Takes `n` tokens if they are leased and can be used now and nobody waits; never suspends.
    /// @return whether they were taken; always false after `close` and if `n > max_tokens()`.
    bool try_acquire(std::size_t n = 1)
    {
        const bool taken = core_->try_acquire(n);
        if (!taken)
            core_->prepare();
        return taken;
    }

    /// As `try_acquire`, but the tokens come as a `permit`; empty if they are not there.
    std::optional<permit> try_acquire_permit(std::size_t n = 1)
    {
        auto taken = core_->try_acquire_permit(n);
        if (!taken)
            core_->prepare();
        return taken;
    }

    /// Waits for `n` tokens in turn and takes them.
    ///
    /// @par Completion signature
    /// `void(error_code)`
    /// @par Errors
    /// As `basic_async_limiter::async_acquire`, and: `redis::error::unavailable` if Redis is away
    /// and it is not to wait for it; `redis::error::server_error`, `authentication_failed` or
    /// `tls_unavailable` if Redis is there and refuses to serve. In each case nothing was taken.
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
    /// `deadline`, having taken nothing.
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

    /// Grants nothing until `when`, here at once and in the other processes as soon as they ask; a
    /// later time replaces an earlier one, never the other way round. Then one goes first: if it
    /// has a permit the others wait until that ends. After it they follow evenly spaced for one
    /// period.
    void pause_until(typename Clock::time_point when) { core_->pause_until(when); }

    /// Enforces other limits from now on, in all processes as soon as they ask. What was granted
    /// still counts under those at the same place and of the same kind. Who waits keeps its turn,
    /// or fails with `error::exceeds_limit` or `error::needs_permit` if it cannot be served any
    /// more.
    void set_limits(const std::vector<limit>& limits) { core_->set_limits(limits); }

    /// The limits that are enforced, as far as is known here.
    std::vector<limit> limits() const { return core_->limits(); }

    /// Completes all who wait here, and all who come later, with `error::closed`.
    void close() { core_->close(headgate::error::closed); }

    /// What it has done so far in this process.
    shared_limiter_statistics statistics() const { return core_->statistics(); }

    /// A second handle on the same limiter that does not end it when destroyed. For components
    /// that must not dangle when the limiter itself goes before them.
    basic_shared_limiter share() const { return basic_shared_limiter{core_}; }

private:
    explicit basic_shared_limiter(std::shared_ptr<core> shared)
        : core_{std::move(shared)}, owner_{false}
    {
    }

    static const std::string& check(const std::string& key)
    {
        if (key.empty() || key.find_first_of("{}") != std::string::npos)
            throw std::invalid_argument{"redis::shared_limiter: the key \"" + key +
                                        "\" is empty or has a brace in it"};
        return key;
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

} // namespace HEADGATE_NAMESPACE::redis

#endif
