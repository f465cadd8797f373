#ifndef HEADGATE_ERROR_HPP
#define HEADGATE_ERROR_HPP

#include <string>
#include <system_error>

namespace headgate {

/// Errors of the flow layer. What Asio already names keeps Asio's name: a cancelled operation
/// completes with `asio::error::operation_aborted`, a timed one that ran out of time with
/// `asio::error::timed_out`.
enum class error {
    /// The limiter, queue or channel was closed.
    closed = 1,
    /// More tokens were asked for at once than the limit can ever grant.
    exceeds_limit,
    /// A limiter with a limit on what is in flight was asked for tokens without a permit.
    needs_permit,
};

/// The category of `headgate::error`; its name is "headgate".
inline const std::error_category& error_category() noexcept
{
    class category final : public std::error_category {
    public:
        const char* name() const noexcept override { return "headgate"; }
        std::string message(int value) const override
        {
            switch (static_cast<error>(value)) {
            case error::closed:
                return "closed";
            case error::exceeds_limit:
                return "more tokens asked for than the limit can ever grant";
            case error::needs_permit:
                return "a limit on what is in flight needs a permit";
            }
            return "unknown headgate error";
        }
    };
    static const category instance;
    return instance;
}

/// How `std::error_code` is made of an error.
inline std::error_code make_error_code(error value) noexcept
{
    return {static_cast<int>(value), error_category()};
}

} // namespace headgate

/// @cond
template <>
struct std::is_error_code_enum<headgate::error> : std::true_type {};
/// @endcond

#endif
