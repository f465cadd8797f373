#ifndef HEADGATE_SQLITE_DETAIL_MOMENT_HPP
#define HEADGATE_SQLITE_DETAIL_MOMENT_HPP

#include <headgate/detail/config.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>

namespace HEADGATE_NAMESPACE::sqlite::detail {

/// A time as clocks show it, told in a way that another process understands, also after the machine
/// was started again.
struct moment {
    std::int64_t boot = 0;                  ///< which start of the machine; 0 if that is not known
    std::chrono::nanoseconds since_boot{0}; ///< time asleep counts; 0 if it is not known
    std::chrono::nanoseconds wall{0};       ///< since 1970, as far as the machine knows
};

/// How long before `now` that was; never negative.
///
/// Within one boot the wall clock is not asked, for it may be set at any time. For a time before
/// this boot there is no other, but it was before this boot.
inline std::chrono::nanoseconds ago(const moment& then, const moment& now)
{
    constexpr std::chrono::nanoseconds zero{0};
    if (then.boot == now.boot && now.boot != 0)
        return std::max(now.since_boot - then.since_boot, zero);
    return std::max({now.wall - then.wall, now.since_boot, zero});
}

/// How much is left of a pause of that length; never more than all of it.
inline std::chrono::nanoseconds left(const moment& begin, std::chrono::nanoseconds length,
                                     const moment& now)
{
    return std::max(length - ago(begin, now), std::chrono::nanoseconds{0});
}

/// How far back a history of what was spent goes. What is written during one boot is there until
/// the next one; when the machine went down, the last of it may have been lost with the power.
struct history {
    moment begin;                    ///< when it was begun
    std::optional<moment> forgotten; ///< the last that was removed from it

    /// What was spent longer ago than this may be missing. Nothing if nothing is.
    /// @param lookback  how far back it is asked for
    std::optional<std::chrono::nanoseconds> unknown_until(const moment& now,
                                                          std::chrono::nanoseconds lookback) const
    {
        std::optional<std::chrono::nanoseconds> result;
        if (begin.boot != now.boot)
            result = std::min(lookback, now.since_boot);
        if (forgotten)
            result = std::min(result.value_or(lookback), ago(*forgotten, now));
        return result;
    }
};

} // namespace HEADGATE_NAMESPACE::sqlite::detail

#endif
