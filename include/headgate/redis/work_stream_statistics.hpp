#ifndef HEADGATE_REDIS_WORK_STREAM_STATISTICS_HPP
#define HEADGATE_REDIS_WORK_STREAM_STATISTICS_HPP

#include <headgate/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace HEADGATE_NAMESPACE::redis {

/// What all processes together have done on a job so far, as Redis knows it.
struct work_stream_statistics {
    std::uint64_t available = 0;    ///< items that nobody has now
    std::uint64_t in_work = 0;      ///< items that somebody has now
    std::uint64_t dead = 0;         ///< items that were set aside
    std::uint64_t pushed = 0;       ///< items that were ever put in
    std::uint64_t acknowledged = 0; ///< items that are done
    std::uint64_t taken_over = 0;   ///< how often an item was taken from a worker that was silent
    bool closed = false;            ///< whether no more will be pushed

    /// Whether there is nothing left to do, and never will be. What was set aside counts as done.
    bool finished() const noexcept { return closed && available == 0 && in_work == 0; }
};

/// Names and values that callers keep with a job.
using work_fields = std::map<std::string, std::string>;

/// What seeding has found.
struct seeding {
    bool first = false; ///< it was this one that put the items in
    std::string job;    ///< the text of the job that is there; another one with `error::other_job`
};

/// An item that was set aside.
struct dead_item {
    std::string id;             ///< its name in the stream
    std::string payload;        ///< what it was
    std::string reason;         ///< why: what was told last, or that it was taken over how often
    std::size_t deliveries = 0; ///< how often it was handed out
};

} // namespace HEADGATE_NAMESPACE::redis

#endif
