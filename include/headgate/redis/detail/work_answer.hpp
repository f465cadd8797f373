#ifndef HEADGATE_REDIS_DETAIL_WORK_ANSWER_HPP
#define HEADGATE_REDIS_DETAIL_WORK_ANSWER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/error.hpp>
#include <headgate/redis/error.hpp>
#include <headgate/redis/reply.hpp>
#include <headgate/redis/work_stream_statistics.hpp>

#include HEADGATE_ASIO(error.hpp)

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// What a script of shared work has answered: what all of them begin with, and the rest.
class work_answer {
public:
    explicit work_answer(const redis::reply& whole) : whole_{whole} {}

    const std::string& status() const { return at(0).text(); }
    const std::string& generation() const { return at(1).text(); }
    const std::string& run() const { return at(2).text(); }
    std::uint64_t version() const { return number(at(3)); }

    /// What comes behind that; nil if there is not so much.
    const redis::reply& rest(std::size_t index) const { return at(4 + index); }

    static std::uint64_t number(const redis::reply& value)
    {
        return static_cast<std::uint64_t>(std::max<std::int64_t>(value.integer(), 0));
    }

    /// An element, or nil.
    static const redis::reply& at(const redis::reply& list, std::size_t index)
    {
        static const redis::reply nil;
        return index < list.size() ? list[index] : nil;
    }

    error_code failure() const
    {
        const std::string& said = status();
        if (said == "ok" || said == "finished")
            return {};
        if (said == "lost")
            return redis::error::state_lost;
        if (said == "unseeded")
            return redis::error::not_seeded;
        if (said == "other")
            return redis::error::other_job;
        if (said == "taken_over")
            return redis::error::taken_over;
        if (said == "closed")
            return error::closed;
        return redis::error::server_error; // nothing that our scripts say
    }

private:
    const redis::reply& at(std::size_t index) const { return at(whole_, index); }

    const redis::reply& whole_;
};

inline void read_work_answer(const work_answer& answer, redis::seeding& result)
{
    result.first = answer.rest(0).integer() == 1;
    result.job = answer.rest(1).text();
}

inline void read_work_answer(const work_answer& answer, redis::work_stream_statistics& result)
{
    std::size_t index = 0;
    for (std::uint64_t* const each : {&result.available, &result.in_work, &result.dead,
                                      &result.pushed, &result.acknowledged, &result.taken_over})
        *each = work_answer::number(answer.rest(index++));
    result.closed = answer.rest(index).integer() == 1;
}

inline void read_work_answer(const work_answer& answer, redis::work_fields& result)
{
    const redis::reply& list = answer.rest(0);
    for (std::size_t i = 0; i + 1 < list.size(); i += 2)
        result[list[i].text()] = list[i + 1].text();
}

inline void read_work_answer(const work_answer& answer, std::vector<redis::dead_item>& result)
{
    for (const redis::reply& each : answer.rest(0).elements()) {
        redis::dead_item item;
        item.id = work_answer::at(each, 0).text();
        item.payload = work_answer::at(each, 1).text();
        item.reason = work_answer::at(each, 2).text();
        item.deliveries = static_cast<std::size_t>(work_answer::number(work_answer::at(each, 3)));
        result.push_back(std::move(item));
    }
}

/// Whether to ask again, because Redis is away or not ready. A command that did not get its answer
/// may have been executed all the same; the steps of shared work can be taken twice.
inline bool is_passing(error_code failed, std::string_view said)
{
    if (failed == redis::error::connect_failed || failed == redis::error::connection_lost ||
        failed == asio::error::timed_out)
        return true;
    constexpr std::array not_ready{"LOADING", "BUSY",     "TRYAGAIN", "CLUSTERDOWN", "MASTERDOWN",
                                   "OOM",     "READONLY", "MISCONF",  "NOREPLICAS"};
    return failed == redis::error::server_error &&
           std::any_of(not_ready.begin(), not_ready.end(),
                       [said](std::string_view word) { return said.starts_with(word); });
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
