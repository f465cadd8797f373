#ifndef HEADGATE_DETAIL_LIMITER_STATISTICS_HPP
#define HEADGATE_DETAIL_LIMITER_STATISTICS_HPP

#include <headgate/detail/config.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace HEADGATE_NAMESPACE {

/// What a limiter has done so far.
struct limiter_statistics {
    std::uint64_t granted = 0;              ///< acquires that were granted
    std::uint64_t tokens = 0;               ///< tokens that were granted
    std::uint64_t cancelled = 0;            ///< acquires that were cancelled while they waited
    std::size_t waiting = 0;                ///< acquires that wait now
    std::size_t peak_waiting = 0;           ///< the most that ever waited at once
    std::chrono::nanoseconds total_wait{0}; ///< time that granted acquires spent waiting
};

} // namespace HEADGATE_NAMESPACE

#endif
