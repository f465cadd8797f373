#ifndef HEADGATE_TESTING_VIRTUAL_CLOCK_HPP
#define HEADGATE_TESTING_VIRTUAL_CLOCK_HPP

#include <asio/basic_waitable_timer.hpp>
#include <asio/io_context.hpp>
#include <asio/wait_traits.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace headgate::testing {

/// A clock that stands still until it is told to go on.
///
/// Use it as the clock of `basic_async_limiter`, of `basic_work_queue` and of
/// `asio::basic_waitable_timer`, and let `run` or `run_for` take the place of `io_context::run`:
/// they run what is ready, then move the clock to the next expiry, so that an hour of waiting takes
/// no time at all and every run is the same as the last.
///
/// The clock is one for the whole process, as clocks are. It starts at one day, and a test can put
/// it back there with `reset`.
///
/// @par Thread safety
/// `now` may be called from any thread; the rest from one thread at a time, with no other thread
/// running handlers of the context.
class virtual_clock {
public:
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<virtual_clock>;
    static constexpr bool is_steady = true;

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
        for (;;) {
            next_expiry_ = none;
            context.restart();
            const std::size_t ran = context.poll();
            handlers += ran;
            if (ran > 0)
                continue;
            if (context.stopped()) {
                if (end != time_point::max())
                    now_ = std::max(now_.load(), end.time_since_epoch().count());
                return handlers;
            }
            // Timers tell their expiry each time the reactor looks at them. If none has been told,
            // either the reactor has not looked yet or what is waited for is not a timer.
            const rep expiry = next_expiry_.load();
            if (expiry == none) {
                if (end == time_point::max())
                    handlers += context.run_one_for(std::chrono::milliseconds{1});
                else if (++idle_polls_ > patience)
                    return finish(handlers, end);
                continue;
            }
            idle_polls_ = 0;
            if (expiry > end.time_since_epoch().count())
                return finish(handlers, end);
            now_ = std::max(now_.load(), expiry);
        }
    }

private:
    friend struct asio::wait_traits<virtual_clock>;

    static constexpr rep start = rep{86'400'000'000'000};
    static constexpr rep none = INT64_MAX;
    static constexpr int patience = 1000;

    static std::size_t finish(std::size_t handlers, time_point end)
    {
        idle_polls_ = 0;
        now_ = std::max(now_.load(), end.time_since_epoch().count());
        return handlers;
    }

    static inline std::atomic<rep> now_{start};
    static inline std::atomic<rep> next_expiry_{none};
    static inline int idle_polls_ = 0;
};

/// A timer on the virtual clock.
using virtual_timer = asio::basic_waitable_timer<virtual_clock>;

} // namespace headgate::testing

/// How Asio waits on the virtual clock: not at all, but it says what it would have waited for.
template <>
struct asio::wait_traits<headgate::testing::virtual_clock> {
    using clock = headgate::testing::virtual_clock;

    static clock::duration to_wait_duration(const clock::duration& wait) noexcept
    {
        clock::next_expiry_ =
            (clock::now() + std::max(wait, clock::duration{0})).time_since_epoch().count();
        return clock::duration::zero();
    }

    static clock::duration to_wait_duration(const clock::time_point& expiry) noexcept
    {
        return to_wait_duration(expiry - clock::now());
    }
};

#endif
