#ifndef HEADGATE_SQLITE_DETAIL_BOOT_CLOCK_HPP
#define HEADGATE_SQLITE_DETAIL_BOOT_CLOCK_HPP

#include <headgate/detail/config.hpp>
#include <headgate/sqlite/detail/digest.hpp>
#include <headgate/sqlite/detail/moment.hpp>

#include <time.h>

#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>

namespace HEADGATE_NAMESPACE::sqlite::detail {

/// Which start of the machine this is, where the system says it, as Linux does; else 0.
inline std::int64_t this_boot()
{
    static const std::int64_t boot = [] {
        std::string id;
        std::ifstream file{"/proc/sys/kernel/random/boot_id"};
        return std::getline(file, id) && !id.empty() ? digest{id}.value() : std::int64_t{0};
    }();
    return boot;
}

/// What the clocks of this machine show.
inline moment read_clocks()
{
    moment now;
    now.wall = std::chrono::system_clock::now().time_since_epoch();
#if defined(CLOCK_BOOTTIME)
    timespec up{};
    if (this_boot() != 0 && ::clock_gettime(CLOCK_BOOTTIME, &up) == 0) {
        now.boot = this_boot();
        now.since_boot = std::chrono::seconds{up.tv_sec} + std::chrono::nanoseconds{up.tv_nsec};
    }
#endif
    return now;
}

} // namespace HEADGATE_NAMESPACE::sqlite::detail

#endif
