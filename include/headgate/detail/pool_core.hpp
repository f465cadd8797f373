#ifndef HEADGATE_DETAIL_POOL_CORE_HPP
#define HEADGATE_DETAIL_POOL_CORE_HPP

#include <headgate/detail/any_strand.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/intrusive_list.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(awaitable.hpp)
#include HEADGATE_ASIO(bind_cancellation_slot.hpp)
#include HEADGATE_ASIO(cancellation_signal.hpp)
#include HEADGATE_ASIO(cancellation_type.hpp)
#include HEADGATE_ASIO(co_spawn.hpp)
#include HEADGATE_ASIO(error.hpp)
#include HEADGATE_ASIO(post.hpp)

#include <algorithm>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <utility>

namespace HEADGATE_NAMESPACE {

/// What a worker pool does and has done.
struct worker_pool_statistics {
    std::size_t live = 0;           ///< workers that run now
    std::size_t in_flight = 0;      ///< of those, the ones between taking work and being done
    std::size_t peak_live = 0;      ///< the most workers that ever ran at once
    std::size_t peak_in_flight = 0; ///< the most that were ever in flight at once
};

namespace detail {

class pool_core;

/// One worker: a coroutine on a strand of its own, and the signal that cancels it. Kept alive by
/// the coroutine's completion handler.
struct pool_worker : list_hook, std::enable_shared_from_this<pool_worker> {
    pool_worker(std::shared_ptr<pool_core> owner, const asio::any_io_executor& executor)
        : pool{std::move(owner)}, strand{make_any_strand(executor)}
    {
    }

    const std::shared_ptr<pool_core> pool;
    const asio::any_io_executor strand;
    asio::cancellation_signal signal; // used on the strand only
    bool done = false;                // used on the strand only
};

class run_waiter : public waiter<std::exception_ptr> {
public:
    using job = std::function<asio::awaitable<void>(std::shared_ptr<pool_worker>)>;

    static constexpr asio::cancellation_type cancellable =
        asio::cancellation_type::terminal | asio::cancellation_type::partial;

    explicit run_waiter(job what) : work{std::move(what)} {}

    job work;

protected:
    ~run_waiter() = default;
};

/// The state of a worker pool. Everything happens under one mutex; workers are started and
/// cancelled by posting to their strands.
class pool_core final : public shutdown_target {
public:
    using executor_type = asio::any_io_executor;

    static std::shared_ptr<pool_core> create(const executor_type& executor, std::size_t initial,
                                             std::size_t ceiling)
    {
        auto core = std::make_shared<pool_core>(executor, initial, ceiling);
        core->join(executor);
        return core;
    }

    pool_core(const executor_type& executor, std::size_t initial, std::size_t ceiling)
        : executor_{executor}, initial_{initial}, ceiling_{ceiling}
    {
    }

    executor_type get_executor() const noexcept { return executor_; }
    std::size_t ceiling() const noexcept { return ceiling_; }

    void start(run_waiter& op)
    {
        {
            std::lock_guard lock{mutex_};
            if (!run_) {
                run_ = &op;
                job_ = std::make_shared<const run_waiter::job>(std::move(op.work));
                error_ = nullptr;
                state_ = state::growing;
                for (std::size_t i = 0; i < initial_; ++i)
                    spawn();
                return;
            }
            op.decide(std::make_exception_ptr(
                std::logic_error{"headgate::worker_pool: async_run while it runs already"}));
        }
        op.complete();
    }

    /// Does nothing to the run if it is another's: that of `op` was refused.
    void cancel(run_waiter& op)
    {
        std::lock_guard lock{mutex_};
        if (run_ == &op)
            cancel_run();
    }

    void cancel()
    {
        std::lock_guard lock{mutex_};
        if (run_)
            cancel_run();
    }

    void begin_flight()
    {
        std::lock_guard lock{mutex_};
        ++statistics_.in_flight;
        statistics_.peak_in_flight = std::max(statistics_.peak_in_flight, statistics_.in_flight);
        // Whoever else lives is waiting for work, a place or a token. If nobody is, and the limit
        // goes on giving out tokens, somebody must be there to take them.
        if (state_ == state::growing && statistics_.in_flight >= statistics_.live &&
            statistics_.live < ceiling_)
            spawn();
    }

    void end_flight() noexcept
    {
        std::lock_guard lock{mutex_};
        --statistics_.in_flight;
    }

    worker_pool_statistics statistics() const
    {
        std::lock_guard lock{mutex_};
        return statistics_;
    }

    void on_context_shutdown() noexcept override
    {
        run_waiter* abandoned = nullptr;
        std::shared_ptr<const run_waiter::job> job;
        {
            std::lock_guard lock{mutex_};
            abandoned = std::exchange(run_, nullptr);
            job = std::move(job_);
            state_ = state::ending;
        }
        if (abandoned)
            abandoned->destroy();
    }

private:
    enum class state {
        growing,   ///< workers are added as they are needed
        ending,    ///< a worker found nothing more to do; the others finish
        cancelled, ///< a worker failed or the run was cancelled
    };

    void spawn()
    {
        auto worker = std::make_shared<pool_worker>(
            std::static_pointer_cast<pool_core>(shared_from_this()), executor_);
        workers_.push_back(*worker);
        ++statistics_.live;
        statistics_.peak_live = std::max(statistics_.peak_live, statistics_.live);
        asio::post(worker->strand, [worker, job = job_] { launch(worker, job); });
    }

    static void launch(const std::shared_ptr<pool_worker>& worker,
                       const std::shared_ptr<const run_waiter::job>& job)
    {
        auto slot = worker->signal.slot();
        try {
            asio::co_spawn(worker->strand, (*job)(worker),
                           asio::bind_cancellation_slot(slot, [worker, job](std::exception_ptr e) {
                               worker->done = true;
                               worker->pool->joined(*worker, e);
                           }));
        } catch (...) {
            worker->done = true;
            worker->pool->joined(*worker, std::current_exception());
        }
    }

    void joined(pool_worker& worker, const std::exception_ptr& failure)
    {
        run_waiter* finished = nullptr;
        std::shared_ptr<const run_waiter::job> job;
        {
            std::lock_guard lock{mutex_};
            workers_.erase(worker);
            --statistics_.live;
            if (failure)
                fail(failure);
            else if (state_ == state::growing)
                state_ = state::ending;
            if (statistics_.live == 0) {
                finished = std::exchange(run_, nullptr);
                job = std::move(job_);
                if (finished)
                    finished->decide(std::exchange(error_, nullptr));
            }
        }
        if (finished)
            finished->complete();
    }

    void cancel_run()
    {
        fail(std::make_exception_ptr(
            system_error{make_error_code(asio::error::operation_aborted)}));
    }

    /// Keeps the first reason and cancels everybody, once.
    void fail(const std::exception_ptr& reason)
    {
        if (state_ == state::cancelled)
            return;
        state_ = state::cancelled;
        error_ = reason;
        workers_.for_each([](pool_worker& worker) {
            asio::post(worker.strand, [self = worker.shared_from_this()] {
                if (!self->done)
                    self->signal.emit(asio::cancellation_type::terminal);
            });
        });
    }

    const executor_type executor_;
    const std::size_t initial_;
    const std::size_t ceiling_;
    mutable std::mutex mutex_;
    intrusive_list<pool_worker> workers_;
    run_waiter* run_ = nullptr;
    std::shared_ptr<const run_waiter::job> job_;
    std::exception_ptr error_;
    state state_ = state::growing;
    worker_pool_statistics statistics_;
};

} // namespace detail
} // namespace HEADGATE_NAMESPACE

#endif
