#ifndef HEADGATE_DETAIL_CLOCK_TIMER_HPP
#define HEADGATE_DETAIL_CLOCK_TIMER_HPP

#include <asio/basic_waitable_timer.hpp>

namespace headgate::detail {

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

} // namespace headgate::detail

#endif
