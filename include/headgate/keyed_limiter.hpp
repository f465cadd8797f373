#ifndef HEADGATE_KEYED_LIMITER_HPP
#define HEADGATE_KEYED_LIMITER_HPP

#include <headgate/async_limiter.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/keyed_core.hpp>
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
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE {

/// Limits for each key, such as a host, a route or a credential, under limits that all keys share.
///
/// An acquire is granted when the limits of its key and the shared ones allow it, and is charged to
/// all of them or to none. Within a key the order is strict first in, first out. A key that has to
/// wait for its own limits does not hold up another; among those that do not, whoever became ready
/// first has the shared tokens first. A key that nobody uses is forgotten once its limits have
/// nothing to remember, so memory depends on the keys in use.
///
/// Thread safety, handlers and lifetime are as for `basic_async_limiter`.
///
/// @tparam Key   copyable and equality comparable
/// @tparam Clock a monotonic clock
/// @tparam Hash  of `Key`
template <class Key, class Clock, class Executor, class Hash>
class basic_keyed_limiter {
    using core = detail::keyed_core<Key, Clock, Executor, Hash>;
    using initiate = detail::initiate_wait<detail::acquire_waiter, typename core::line>;
    using initiate_permit =
        detail::initiate_wait<detail::acquire_permit_waiter, typename core::line>;
    using limiter = basic_async_limiter<Clock, Executor>;

public:
    /// What tells the limits apart.
    using key_type = Key;
    /// The clock that it goes by.
    using clock_type = Clock;
    /// The type of the executor that it works on.
    using executor_type = Executor;
    /// What it counts time in.
    using duration = std::chrono::nanoseconds;

    /// Enforces `each` for every key, and `shared` for all together; an empty list allows all.
    /// @throws std::invalid_argument if `credit` is negative or more than `limit::max_period`.
    basic_keyed_limiter(const executor_type& executor, std::vector<limit> each,
                        const std::vector<limit>& shared = {},
                        duration credit = limiter::default_credit)
        : core_{core::create(executor, std::move(each), shared,
                             detail::checked_credit(credit, "headgate::keyed_limiter"))}
    {
    }

    /// As above, with the executor of an execution context.
    template <std::derived_from<asio::execution_context> Context>
    basic_keyed_limiter(Context& context, std::vector<limit> each,
                        const std::vector<limit>& shared = {},
                        duration credit = limiter::default_credit)
        : basic_keyed_limiter(executor_type(context.get_executor()), std::move(each), shared,
                              credit)
    {
    }

    /// Leaves the other one fit for assignment and destruction only.
    basic_keyed_limiter(basic_keyed_limiter&&) noexcept = default;
    /// Ends what this one had, as its destructor does, and takes over the other.
    basic_keyed_limiter& operator=(basic_keyed_limiter&& other) noexcept
    {
        if (this != &other) {
            release();
            core_ = std::move(other.core_);
        }
        return *this;
    }
    ~basic_keyed_limiter() { release(); }

    /// The executor that runs handlers which have none of their own.
    executor_type get_executor() const noexcept { return core_->get_executor(); }

    /// Takes `n` tokens for `key` if they are there now and nobody waits for them.
    bool try_acquire(const Key& key, std::size_t n = 1)
    {
        return core_->try_acquire(*core_->find(key), n);
    }

    /// Waits for `n` tokens for `key`; as `basic_async_limiter::async_acquire`.
    ///
    /// @par Completion signature
    /// `void(error_code)`
    /// @par Cancellation
    /// terminal, partial and total
    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_acquire(const Key& key, std::size_t n,
                       Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, void(error_code)>(initiate{core_->find(key)}, token, n);
    }

    /// The same with a permit; as `basic_async_limiter::async_acquire_permit`.
    ///
    /// @par Completion signature
    /// `void(error_code, permit)`
    /// @par Cancellation
    /// terminal, partial and total
    template <asio::completion_token_for<void(error_code, permit)> Token =
                  asio::default_completion_token_t<executor_type>>
    auto async_acquire_permit(const Key& key, std::size_t n,
                              Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, void(error_code, permit)>(
            initiate_permit{core_->find(key)}, token, n);
    }

    /// Grants nothing for `key` until `when`; as `basic_async_limiter::pause_until`.
    void pause_until(const Key& key, typename Clock::time_point when)
    {
        core_->pause(*core_->find(key), when);
    }

    /// Grants nothing for any key until `when`.
    void pause_until(typename Clock::time_point when) { core_->pause(when); }

    /// Completes all who wait, and all who come later, with `error::closed`.
    void close() { core_->close(error::closed); }

    /// How many keys are remembered.
    std::size_t size() const { return core_->size(); }

    /// Of all keys together.
    limiter_statistics statistics() const { return core_->statistics(); }

private:
    void release() noexcept
    {
        if (core_)
            core_->close(asio::error::operation_aborted);
        core_.reset();
    }

    std::shared_ptr<core> core_;
};

} // namespace HEADGATE_NAMESPACE

#endif
