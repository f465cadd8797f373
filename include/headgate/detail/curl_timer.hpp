#ifndef HEADGATE_DETAIL_CURL_TIMER_HPP
#define HEADGATE_DETAIL_CURL_TIMER_HPP

#include <headgate/detail/config.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(steady_timer.hpp)

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// The one time that libcurl wants to be called at, and the wait for it. Used on one strand only.
///
/// libcurl changes its mind several times for each transfer. A timer that fires too early costs
/// less than setting it anew each time, so it is only ever set to an earlier time.
class curl_timer {
public:
    explicit curl_timer(const asio::any_io_executor& strand) : timer_{strand} {}

    /// What libcurl says: so many milliseconds from now, or not at all if negative.
    void wanted_in(long milliseconds)
    {
        if (milliseconds < 0)
            wanted_.reset();
        else // most are for now, and the clock need not be asked for those
            wanted_ = milliseconds == 0 ? at_once
                                        : clock::now() + std::chrono::milliseconds{milliseconds};
    }

    /// Whether the time has come. It is then no longer wanted.
    bool take_due()
    {
        const bool due = wanted_ && (*wanted_ == at_once || *wanted_ <= clock::now());
        if (due)
            wanted_.reset();
        return due;
    }

    /// Waits for the time that is wanted, if any, unless it waits for an earlier one already.
    template <class Function>
    void wait(Function on_time)
    {
        if (!wanted_ || (waited_for_ && *waited_for_ <= *wanted_))
            return;
        waited_for_ = wanted_;
        timer_.expires_at(std::max(*wanted_, clock::time_point{}));
        timer_.async_wait(std::move(on_time));
    }

    bool waiting() const noexcept { return waited_for_.has_value(); }

    /// To be called first when the wait has ended by itself.
    void waited() noexcept { waited_for_.reset(); }

    /// Ends the wait. The time is still wanted.
    void stop()
    {
        if (waited_for_)
            timer_.cancel();
        waited_for_.reset();
    }

private:
    using clock = std::chrono::steady_clock;
    static constexpr clock::time_point at_once = clock::time_point::min();

    asio::steady_timer timer_;
    std::optional<clock::time_point> wanted_;
    std::optional<clock::time_point> waited_for_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
