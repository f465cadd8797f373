#ifndef HEADGATE_DETAIL_LIMIT_JSON_HPP
#define HEADGATE_DETAIL_LIMIT_JSON_HPP

#include <headgate/detail/config.hpp>
#include <headgate/limit.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <stdexcept>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Limits as JSON, durations in nanoseconds.
inline nlohmann::json write_limits(const std::vector<limit>& limits)
{
    nlohmann::json result = nlohmann::json::array();
    for (const limit& each : limits)
        result.push_back({{"kind", static_cast<int>(each.type())},
                          {"count", each.count()},
                          {"period", each.period().count()},
                          {"burst", each.burst()},
                          {"slack", each.slack().count()},
                          {"learns", each.learns_slack()}});
    return result;
}

inline limit read_limit(const nlohmann::json& from)
{
    const auto span = [&from](const char* name) {
        return std::chrono::nanoseconds{from.at(name).get<std::chrono::nanoseconds::rep>()};
    };
    const auto count = from.at("count").get<std::size_t>();
    const auto with_slack = [&](const limit& one) {
        return from.at("learns").get<bool>() ? one.with_learned_slack(span("slack"))
                                             : one.with_slack(span("slack"));
    };
    switch (static_cast<limit::kind>(from.at("kind").get<int>())) {
    case limit::kind::window:
        return with_slack(limit::window(count, span("period")));
    case limit::kind::bucket:
        return with_slack(
            limit::bucket(count, span("period"), from.at("burst").get<std::size_t>()));
    case limit::kind::paced:
        return with_slack(limit::paced(count, span("period")));
    case limit::kind::in_flight:
        return limit::in_flight(count);
    }
    throw std::invalid_argument{"a limit of an unknown kind"};
}

/// @throws nlohmann::json::exception or std::invalid_argument if they are none
inline std::vector<limit> read_limits(const nlohmann::json& from)
{
    std::vector<limit> result;
    for (const auto& each : from)
        result.push_back(read_limit(each));
    return result;
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
