#ifndef HEADGATE_WORKER_POOL_HPP
#define HEADGATE_WORKER_POOL_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/pool_core.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(async_result.hpp)
#include HEADGATE_ASIO(awaitable.hpp)
#include HEADGATE_ASIO(execution_context.hpp)

#include <concepts>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

namespace HEADGATE_NAMESPACE {

/// As many workers as it takes to keep a limit in full use.
///
/// How many requests must be in flight to fill a limit is its rate times the latency, and only the
/// run can know the latency. So a pool begins with one worker and adds another whenever none is
/// left waiting: a worker that has got its work and its token says so with `worker::in_flight`, and
/// if it was the last that waited, another takes its place, up to the ceiling.
/// @code
/// asio::awaitable<void> work(headgate::worker_pool::worker me, context& the)
/// {
///     while (auto item = co_await the.queue.async_pop(asio::use_awaitable)) {
///         co_await the.limiter.async_acquire(asio::use_awaitable);
///         const auto busy = me.in_flight();
///         ...
///     }
/// }
/// @endcode
/// No worker is added once one has returned: there is nothing more to do. The first exception that
/// leaves a worker cancels the others and is what `async_run` completes with.
///
/// Each worker is a coroutine on a strand of its own, so a pool on a thread pool uses its threads.
///
/// @par Thread safety
/// All member functions except the constructors, destructor and moves may be called from any
/// thread.
///
/// @par Lifetime
/// Destroying the pool cancels its workers; `async_run` then completes when they have ended, so
/// what they use has to live until then. That cannot fail, so the program ends if there is no
/// memory for it.
class worker_pool {
public:
    /// The type of the executor that it works on.
    using executor_type = asio::any_io_executor;

    /// A worker's own handle on its pool. Copyable; valid as long as the worker runs.
    class worker {
    public:
        /// Counts the worker as in flight until destroyed.
        class flight {
        public:
            flight(const flight&) = delete;
            flight& operator=(const flight&) = delete;
            ~flight() { pool_->end_flight(); }

        private:
            friend worker;
            explicit flight(std::shared_ptr<detail::pool_core> pool) : pool_{std::move(pool)}
            {
                pool_->begin_flight();
            }

            const std::shared_ptr<detail::pool_core> pool_;
        };

        /// Call it when the worker stops waiting and starts what takes time. If no other worker is
        /// left waiting and the ceiling permits, the pool adds one.
        [[nodiscard]] flight in_flight() const { return flight{self_->pool}; }

    private:
        friend worker_pool;
        explicit worker(std::shared_ptr<detail::pool_worker> self) : self_{std::move(self)} {}

        std::shared_ptr<detail::pool_worker> self_;
    };

    /// A pool of at most `ceiling` workers that starts with `initial`.
    /// @throws std::invalid_argument if one is 0 or `initial` is more than `ceiling`.
    worker_pool(const executor_type& executor, std::size_t ceiling, std::size_t initial = 1)
        : core_{detail::pool_core::create(executor, check(initial, ceiling), ceiling)}
    {
    }

    /// As above, with the executor of an execution context.
    template <std::derived_from<asio::execution_context> Context>
    worker_pool(Context& context, std::size_t ceiling, std::size_t initial = 1)
        : worker_pool(executor_type(context.get_executor()), ceiling, initial)
    {
    }

    /// Leaves the other one fit for assignment and destruction only.
    worker_pool(worker_pool&&) noexcept = default;
    /// Ends what this one had, as its destructor does, and takes over the other.
    worker_pool& operator=(worker_pool&& other) noexcept
    {
        if (this != &other) {
            leave();
            core_ = std::move(other.core_);
        }
        return *this;
    }
    ~worker_pool() { leave(); }

    /// The executor that runs handlers which have none of their own.
    executor_type get_executor() const noexcept { return core_->get_executor(); }
    /// The most workers that it runs at once.
    std::size_t ceiling() const noexcept { return core_->ceiling(); }
    /// How many workers there are and were.
    worker_pool_statistics statistics() const { return core_->statistics(); }

    /// Runs workers until all have ended.
    ///
    /// `work` is called once for each worker with that worker's handle and returns the coroutine to
    /// run: `asio::awaitable<void>(worker_pool::worker)`. It is kept until all workers have ended.
    /// A pool runs one job at a time, and can run another afterwards.
    ///
    /// @par Completion signature
    /// `void(std::exception_ptr)`, which `asio::use_awaitable` turns into an exception
    /// @par Errors
    /// The first exception that left a worker; `system_error` with
    /// `asio::error::operation_aborted` if cancelled; `std::logic_error` if the pool runs already.
    /// @par Cancellation
    /// terminal and partial: all workers get a terminal cancellation, the operation completes when
    /// the last has ended
    template <class Work, asio::completion_token_for<void(std::exception_ptr)> Token>
    requires std::is_invocable_r_v<asio::awaitable<void>, Work&, worker> auto
    async_run(Work work, Token&& token)
    {
        using initiate = detail::initiate_wait<detail::run_waiter, detail::pool_core>;
        // A function object in shared storage, because std::function wants to copy it.
        detail::run_waiter::job job =
            [work = std::make_shared<Work>(std::move(work))](
                std::shared_ptr<detail::pool_worker> self) -> asio::awaitable<void> {
            return std::invoke(*work, worker{std::move(self)});
        };
        return asio::async_initiate<Token, void(std::exception_ptr)>(initiate{core_}, token,
                                                                     std::move(job));
    }

    /// Cancels the workers, as the cancellation of `async_run` does.
    void cancel() { core_->cancel(); }

private:
    static std::size_t check(std::size_t initial, std::size_t ceiling)
    {
        if (ceiling == 0)
            throw std::invalid_argument{"headgate::worker_pool: ceiling is 0, must be at least 1"};
        if (initial == 0 || initial > ceiling)
            throw std::invalid_argument{"headgate::worker_pool: starts with " +
                                        std::to_string(initial) + " workers, must be 1 to " +
                                        std::to_string(ceiling)};
        return initial;
    }

    void leave() noexcept
    {
        if (core_)
            core_->cancel();
        core_.reset();
    }

    std::shared_ptr<detail::pool_core> core_;
};

} // namespace HEADGATE_NAMESPACE

#endif
