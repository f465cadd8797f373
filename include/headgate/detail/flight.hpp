#ifndef HEADGATE_DETAIL_FLIGHT_HPP
#define HEADGATE_DETAIL_FLIGHT_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/extraction.hpp>

#include <algorithm>
#include <exception>
#include <mutex>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Ends a run; where it is thrown the outcome has been noted already.
class run_ended : public std::exception {
public:
    const char* what() const noexcept override { return "the extraction has ended"; }
};

/// Counts a request as in flight from `begin` to `end`, which are called with the mutex held, or as
/// long as it lives.
class flight {
public:
    flight(std::recursive_mutex& mutex, extract_statistics& all) : mutex_{mutex}, all_{all} {}
    flight(const flight&) = delete;
    flight& operator=(const flight&) = delete;
    ~flight()
    {
        if (!is_counted_)
            return;
        std::lock_guard lock{mutex_};
        end();
    }

    void begin(bool again)
    {
        ++all_.requests;
        all_.retries += again ? 1 : 0;
        all_.peak_in_flight = std::max(all_.peak_in_flight, ++all_.in_flight);
        is_counted_ = true;
    }

    void end() { all_.in_flight -= std::exchange(is_counted_, false) ? 1 : 0; }

private:
    std::recursive_mutex& mutex_;
    extract_statistics& all_;
    bool is_counted_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
