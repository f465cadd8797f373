#ifndef HEADGATE_REDIS_DETAIL_COMMAND_WAITER_HPP
#define HEADGATE_REDIS_DETAIL_COMMAND_WAITER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/redis/reply.hpp>
#include <headgate/redis/script.hpp>
#include <headgate/redis/server_info.hpp>

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// What is to be sent: a command, or a script with its keys and arguments.
struct redis_command {
    using make_arguments = std::function<std::vector<std::string>(const redis::server_info&)>;

    std::vector<std::string> arguments; ///< all of a command; the keys of a script
    make_arguments more;                ///< the arguments of a script, if they depend on the server
    std::vector<std::string> given;     ///< the arguments of a script, if they do not
    std::optional<redis::script> script;
    std::chrono::nanoseconds timeout{0}; ///< 0 for that of the client
    bool only_connects = false;
};

/// Who waits for the reply to a command.
class command_waiter : public waiter<error_code, redis::reply> {
public:
    using clock = std::chrono::steady_clock;
    using deadlines = std::multimap<clock::time_point, command_waiter*>;

    /// What was sent last for it, or for the client itself.
    enum class step { plain, load, call_by_sha1, call_by_text, login, probe };

    struct sent {
        command_waiter* op; ///< null if it is not waited for any more
        step what;
        clock::time_point deadline;
    };

    explicit command_waiter(redis_command&& what) : command{std::move(what)} {}

    redis_command command;
    sent* in_flight = nullptr;
    deadlines::iterator deadline{};

protected:
    ~command_waiter() = default;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
