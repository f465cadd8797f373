#ifndef HEADGATE_DETAIL_FLIGHT_HPP
#define HEADGATE_DETAIL_FLIGHT_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/extraction.hpp>

#include <algorithm>
#include <exception>
#include <mutex>

namespace HEADGATE_NAMESPACE::detail {

/// Ends a run; where it is thrown the outcome has been noted already.
class run_ended : public std::exception {
public:
    const char* what() const noexcept override { return "the extraction has ended"; }
};

/// Counts a request as in flight as long as it lives.
class flight {
public:
    flight(std::recursive_mutex& mutex, extract_statistics& all, bool again)
        : mutex_{mutex}, all_{all}
    {
        std::lock_guard lock{mutex_};
        ++all_.requests;
        all_.retries += again ? 1 : 0;
        all_.peak_in_flight = std::max(all_.peak_in_flight, ++all_.in_flight);
    }
    flight(const flight&) = delete;
    flight& operator=(const flight&) = delete;
    ~flight()
    {
        std::lock_guard lock{mutex_};
        --all_.in_flight;
    }

private:
    std::recursive_mutex& mutex_;
    extract_statistics& all_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
