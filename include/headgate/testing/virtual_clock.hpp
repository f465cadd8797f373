#ifndef HEADGATE_TESTING_VIRTUAL_CLOCK_HPP
#define HEADGATE_TESTING_VIRTUAL_CLOCK_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/intrusive_list.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(async_result.hpp)
#include HEADGATE_ASIO(error.hpp)
#include HEADGATE_ASIO(execution_context.hpp)
#include HEADGATE_ASIO(io_context.hpp)
#include HEADGATE_ASIO(wait_traits.hpp)

#include <algorithm>
#include <atomic>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

/// A clock, servers and an API for tests.
namespace HEADGATE_NAMESPACE::testing {

template <class Executor>
class basic_virtual_timer;

namespace detail {

class virtual_timer_base;

/// The timers that somebody waits for, by expiry.
struct virtual_timers {
    std::mutex mutex;
    std::multimap<std::chrono::nanoseconds, virtual_timer_base*> waiting;

    static virtual_timers& all()
    {
        static virtual_timers instance;
        return instance;
    }
};

} // namespace detail

/// A clock that stands still until it is told to go on.
///
/// Use it as the clock of `basic_async_limiter` and of `basic_work_queue`, wait on it with a
/// `virtual_timer`, and let `run` or `run_for` take the place of `io_context::run`: they run what
/// is ready, then move the clock to the next expiry, so that an hour of waiting takes no time at
/// all and every run is the same as the last.
///
/// The clock is one for the whole process, as clocks are. It starts at one day, and a test can put
/// it back there with `reset`. Asio's own timers cannot wait on it.
///
/// @par Thread safety
/// `now` may be called from any thread; the rest from one thread at a time, with no other thread
/// running handlers of the context.
class virtual_clock {
public:
    /// What it counts time in.
    using duration = std::chrono::nanoseconds;
    /// The type of a count of nanoseconds.
    using rep = duration::rep;
    /// Nanoseconds.
    using period = duration::period;
    /// A point in time on the clock.
    using time_point = std::chrono::time_point<virtual_clock>;
    /// As far as nobody calls `advance` with a negative time, or `reset`.
    static constexpr bool is_steady = true;

    /// How the library waits on this clock.
    template <class Executor>
    using timer = basic_virtual_timer<Executor>;

    /// What the clock shows.
    static time_point now() noexcept { return time_point{duration{now_.load()}}; }

    /// Moves the clock forwards, or backwards to show what a bad clock would do.
    static void advance(duration by) noexcept { now_ += by.count(); }

    /// Puts the clock back to its start.
    static void reset() noexcept { now_ = start; }

    /// Runs `context` until nothing is left to do, moving the clock whenever only time can help.
    /// @return the number of handlers that ran.
    static std::size_t run(asio::io_context& context)
    {
        return run_until(context, time_point::max());
    }

    /// Runs `context` until nothing is left to do or `span` of virtual time has passed; in the
    /// second case the clock stands at the end of the span.
    static std::size_t run_for(asio::io_context& context, duration span)
    {
        return run_until(context, now() + span);
    }

    /// Runs `context` until nothing is left to do or the clock has reached `end`.
    static std::size_t run_until(asio::io_context& context, time_point end)
    {
        std::size_t handlers = 0;
        for (int idle = 0; idle < patience;) {
            context.restart();
            const std::size_t ran = context.poll();
            handlers += ran;
            if (ran > 0 || fire(end)) {
                idle = 0;
            } else if (context.stopped()) {
                break;
            } else if (end != time_point::max()) {
                ++idle; // what is waited for is no timer: another thread, or a socket
            } else {
                handlers += context.run_one_for(std::chrono::milliseconds{1});
            }
        }
        if (end != time_point::max())
            now_ = std::max(now_.load(), end.time_since_epoch().count());
        return handlers;
    }

private:
    static constexpr rep start = rep{86'400'000'000'000};
    static constexpr int patience = 1000;

    /// Moves the clock to the next expiry, if that is not after `end`, and lets the timer expire.
    static inline bool fire(time_point end);

    static inline std::atomic<rep> now_{start};
};

namespace detail {

/// What all timers have in common, whatever their executor.
class virtual_timer_base : public headgate::detail::shutdown_target {
public:
    using time_point = virtual_clock::time_point;

    class wait_operation : public headgate::detail::waiter<error_code> {
    protected:
        ~wait_operation() = default;
    };

    time_point expiry() const noexcept { return expiry_; }

    std::size_t expires_at(time_point when)
    {
        const std::size_t cancelled = finish(asio::error::operation_aborted);
        expiry_ = when;
        return cancelled;
    }

    void start(wait_operation& op)
    {
        {
            std::lock_guard lock{all_.mutex};
            if (expiry_ > virtual_clock::now()) {
                waiting_.push_back(op);
                if (!place_)
                    place_ = all_.waiting.emplace(expiry_.time_since_epoch(), this);
                return;
            }
            op.decide(error_code{});
        }
        op.complete();
    }

    void cancel(wait_operation& op)
    {
        {
            std::lock_guard lock{all_.mutex};
            if (op.decided())
                return;
            waiting_.erase(op);
            op.decide(asio::error::operation_aborted);
            if (waiting_.empty())
                leave_line();
        }
        op.complete();
    }

    /// Completes all who wait.
    std::size_t finish(error_code result)
    {
        headgate::detail::decided_waiters<wait_operation> decided;
        std::size_t count = 0;
        {
            std::lock_guard lock{all_.mutex};
            count = waiting_.size();
            decided.add_all(waiting_, result);
            leave_line();
        }
        decided.complete();
        return count;
    }

    void on_context_shutdown() noexcept override
    {
        headgate::detail::decided_waiters<wait_operation> abandoned;
        {
            std::lock_guard lock{all_.mutex};
            abandoned.add_all(waiting_, error_code{});
            leave_line();
        }
        abandoned.destroy();
    }

protected:
    ~virtual_timer_base() = default;

private:
    void leave_line()
    {
        if (place_)
            all_.waiting.erase(*std::exchange(place_, std::nullopt));
    }

    virtual_timers& all_ = virtual_timers::all();
    time_point expiry_{};
    headgate::detail::intrusive_list<wait_operation> waiting_;
    std::optional<decltype(virtual_timers::waiting)::iterator> place_;
};

} // namespace detail

inline bool virtual_clock::fire(time_point end)
{
    std::shared_ptr<headgate::detail::shutdown_target> next;
    {
        auto& all = detail::virtual_timers::all();
        std::lock_guard lock{all.mutex};
        if (all.waiting.empty() || all.waiting.begin()->first > end.time_since_epoch())
            return false;
        now_ = std::max(now_.load(), all.waiting.begin()->first.count());
        next = all.waiting.begin()->second->shared_from_this();
    }
    static_cast<detail::virtual_timer_base&>(*next).finish({});
    return true;
}

/// A timer on the virtual clock, with the interface of `asio::basic_waitable_timer`.
template <class Executor = asio::any_io_executor>
class basic_virtual_timer {
    class core final : public detail::virtual_timer_base {
    public:
        using executor_type = Executor;
        explicit core(const Executor& executor) : executor_{executor} {}
        executor_type get_executor() const noexcept { return executor_; }
        void join() { detail::virtual_timer_base::join(executor_); }

    private:
        const Executor executor_;
    };
    using initiate =
        headgate::detail::initiate_wait<detail::virtual_timer_base::wait_operation, core>;

public:
    /// The type of the executor that it works on.
    using executor_type = Executor;
    /// The clock that it goes by.
    using clock_type = virtual_clock;
    /// What it counts time in.
    using duration = virtual_clock::duration;
    /// A point in time on the clock.
    using time_point = virtual_clock::time_point;

    /// A timer whose expiry is in the past.
    explicit basic_virtual_timer(const Executor& executor) : core_{std::make_shared<core>(executor)}
    {
        core_->join();
    }
    /// A timer that expires after that time.
    basic_virtual_timer(const Executor& executor, duration expiry) : basic_virtual_timer{executor}
    {
        expires_after(expiry);
    }
    /// As above, with the executor of an execution context.
    template <std::derived_from<asio::execution_context> Context>
    explicit basic_virtual_timer(Context& context)
        : basic_virtual_timer{Executor(context.get_executor())}
    {
    }
    /// As above, with the executor of an execution context.
    template <std::derived_from<asio::execution_context> Context>
    basic_virtual_timer(Context& context, duration expiry)
        : basic_virtual_timer{Executor(context.get_executor()), expiry}
    {
    }
    /// Leaves the other one fit for assignment and destruction only.
    basic_virtual_timer(basic_virtual_timer&&) noexcept = default;
    /// Ends what this one had, as its destructor does, and takes over the other.
    basic_virtual_timer& operator=(basic_virtual_timer&& other) noexcept
    {
        if (this != &other) {
            release();
            core_ = std::move(other.core_);
        }
        return *this;
    }
    ~basic_virtual_timer() { release(); }

    /// The executor that runs handlers which have none of their own.
    executor_type get_executor() const noexcept { return core_->get_executor(); }

    /// When it expires.
    time_point expiry() const noexcept { return core_->expiry(); }
    /// Sets the expiry and cancels the waits.
    /// @return how many were cancelled.
    std::size_t expires_at(time_point when) { return core_->expires_at(when); }
    /// As `expires_at`, counted from now.
    std::size_t expires_after(duration span)
    {
        return core_->expires_at(virtual_clock::now() + span);
    }
    /// Cancels the waits.
    /// @return how many were cancelled.
    std::size_t cancel() { return core_->finish(asio::error::operation_aborted); }

    template <asio::completion_token_for<void(error_code)> Token =
                  asio::default_completion_token_t<executor_type>>
    /// Waits until the clock has reached the expiry.
    ///
    /// @par Completion signature
    /// `void(error_code)`
    /// @par Errors
    /// `asio::error::operation_aborted` if cancelled.
    /// @par Cancellation
    /// terminal, partial and total
    auto async_wait(Token&& token = asio::default_completion_token_t<Executor>())
    {
        return asio::async_initiate<Token, void(error_code)>(initiate{core_}, token);
    }

private:
    void release() noexcept
    {
        if (core_)
            core_->finish(asio::error::operation_aborted);
        core_.reset();
    }

    std::shared_ptr<core> core_;
};

/// The timer for any executor.
using virtual_timer = basic_virtual_timer<>;

} // namespace HEADGATE_NAMESPACE::testing

/// Not defined: Asio's own timers would wait for real time to pass.
template <>
struct headgate::asio::wait_traits<headgate::testing::virtual_clock>;

#endif
