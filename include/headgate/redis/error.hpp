#ifndef HEADGATE_REDIS_ERROR_HPP
#define HEADGATE_REDIS_ERROR_HPP

#include <headgate/detail/config.hpp>
#include <headgate/error.hpp>

#include <string>
#include <type_traits>

namespace HEADGATE_NAMESPACE::redis {

/// Why a command has no result, or a limiter no tokens. A command that is out of time completes
/// with `asio::error::timed_out`, a cancelled one with `asio::error::operation_aborted`.
enum class error {
    server_error = 1,      ///< Redis refused the command; the reply has its text
    connect_failed,        ///< no connection could be made; the command was not sent
    connection_lost,       ///< the connection broke; the command may or may not have been executed
    authentication_failed, ///< Redis does not know the user or password, or asks for one
    tls_unavailable,       ///< TLS was asked for, and this hiredis has none
    bad_command,           ///< no arguments, or a command that has no single reply
    unavailable,           ///< the limiter's Redis is away and it is not to wait for it
};

/// The category of `headgate::redis::error`; its name is "headgate.redis".
inline const detail::error_codes::error_category& error_category() noexcept
{
    class category final : public detail::base_category {
    public:
        const char* name() const noexcept override { return "headgate.redis"; }
        std::string message(int value) const override
        {
            switch (static_cast<error>(value)) {
            case error::server_error:
                return "Redis refused the command";
            case error::connect_failed:
                return "connection to Redis failed";
            case error::connection_lost:
                return "connection to Redis lost before the reply";
            case error::authentication_failed:
                return "Redis refused the user or password";
            case error::tls_unavailable:
                return "this hiredis has no TLS";
            case error::bad_command:
                return "not a command with one reply";
            case error::unavailable:
                return "Redis is away";
            }
            return "unknown headgate.redis error";
        }
    };
    static const category instance;
    return instance;
}

/// How `error_code` is made of an error.
inline error_code make_error_code(error value) noexcept
{
    return {static_cast<int>(value), error_category()};
}

} // namespace HEADGATE_NAMESPACE::redis

/// @cond
template <>
struct headgate::detail::error_codes::is_error_code_enum<headgate::redis::error> : std::true_type {
};
/// @endcond

#endif
