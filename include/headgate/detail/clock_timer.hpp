#ifndef HEADGATE_DETAIL_CLOCK_TIMER_HPP
#define HEADGATE_DETAIL_CLOCK_TIMER_HPP

#include <headgate/detail/config.hpp>

#include HEADGATE_ASIO(basic_waitable_timer.hpp)

#include <chrono>

namespace HEADGATE_NAMESPACE::detail {

template <class Clock, class Executor>
struct clock_timer_of {
    using type = asio::basic_waitable_timer<Clock, asio::wait_traits<Clock>, Executor>;
};

template <class Clock, class Executor>
    requires requires { typename Clock::template timer<Executor>; }
struct clock_timer_of<Clock, Executor> {
    using type = typename Clock::template timer<Executor>;
};

/// How to wait on a clock: Asio's timer, unless the clock brings its own, as one must on which only
/// a test can move the time.
template <class Clock, class Executor>
using clock_timer = typename clock_timer_of<Clock, Executor>::type;

/// The time from `epoch` to `when`, which may be any: what is before is taken for a moment before,
/// what is more than ten years after for that, so that there is room to calculate with it.
template <class Clock>
typename Clock::duration time_since(typename Clock::time_point epoch,
                                    typename Clock::time_point when)
{
    using duration = typename Clock::duration;
    constexpr duration most = std::chrono::duration_cast<duration>(std::chrono::hours{24 * 3660});
    if (when < epoch)
        return duration{-1};
    return when < epoch + most ? when - epoch : most;
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
