#ifndef HEADGATE_REDIS_SERVER_INFO_HPP
#define HEADGATE_REDIS_SERVER_INFO_HPP

#include <headgate/detail/config.hpp>

#include <chrono>
#include <cstdint>
#include <string>

namespace HEADGATE_NAMESPACE::redis {

/// Which Redis process a client is connected to, as learned when the connection was made.
struct server_info {
    /// Counts the connections of this client; 0 if there has not been one.
    std::uint64_t session = 0;
    /// Another one after each start of Redis; empty if INFO may not be used.
    std::string run_id;
    /// Such as "7.0.15".
    std::string version;
    /// The clock of the server when the connection was made, since 1970.
    std::chrono::microseconds time{0};
    /// How long the process had run by then, exact to a second.
    std::chrono::seconds uptime{0};

    /// By when the process had started for sure, on the server's clock.
    std::chrono::microseconds started_by() const noexcept
    {
        return uptime > std::chrono::seconds{1} ? time - (uptime - std::chrono::seconds{1}) : time;
    }
};

} // namespace HEADGATE_NAMESPACE::redis

#endif
