#ifndef HEADGATE_REDIS_DETAIL_LOCAL_SHARE_HPP
#define HEADGATE_REDIS_DETAIL_LOCAL_SHARE_HPP

#include <headgate/detail/config.hpp>
#include <headgate/limit.hpp>

#include <algorithm>
#include <cstddef>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// A fraction of each limit: of its burst as well as of its rate, so that several that add up to no
/// more than 1 also do not burst to more than the whole. Of what is less than one there is one,
/// less often.
inline std::vector<limit> share_of(const std::vector<limit>& limits, double fraction)
{
    std::vector<limit> result;
    for (const limit& each : limits) {
        const auto part = [fraction](std::size_t n) {
            return std::max<std::size_t>(
                1, static_cast<std::size_t>(static_cast<double>(n) * fraction));
        };
        const double exact = static_cast<double>(each.count()) * fraction;
        limit mine = each;
        switch (each.type()) {
        case limit::kind::window:
            mine = limit::window(part(each.count()), each.period());
            if (exact < 1)
                mine = mine.slowed(exact);
            break;
        case limit::kind::bucket:
            mine = limit::bucket(each.count(), each.period(), part(each.burst())).slowed(fraction);
            break;
        case limit::kind::paced:
            mine = limit::paced(each.count(), each.period()).slowed(fraction);
            break;
        case limit::kind::in_flight:
            mine = limit::in_flight(part(each.count()));
            break;
        }
        if (each.type() != limit::kind::in_flight && each.slack().count() > 0)
            mine = mine.with_slack(each.slack());
        result.push_back(mine);
    }
    return result;
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
