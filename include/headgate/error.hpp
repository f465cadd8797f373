#ifndef HEADGATE_ERROR_HPP
#define HEADGATE_ERROR_HPP

#include <headgate/detail/config.hpp>

#if defined(HEADGATE_BOOST_ASIO)
#include <boost/system/error_category.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#endif

#include <string>
#include <system_error>
#include <type_traits>

namespace HEADGATE_NAMESPACE {

/// @cond
namespace detail {
#if defined(HEADGATE_BOOST_ASIO)
namespace error_codes = ::boost::system;

// Its destructor is protected, but it has friends, for which g++ warns of each class derived from it.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wnon-virtual-dtor"
#endif
class base_category : public error_codes::error_category {
protected:
    base_category() = default;
    ~base_category() = default;
};
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#else
namespace error_codes = ::std;
using base_category = error_codes::error_category;
#endif
} // namespace detail
/// @endcond

/// What operations complete with: `std::error_code`, and with Boost.Asio, whose completion tokens
/// know no other, `boost::system::error_code`. That one converts to `std::error_code`, so a handler
/// may take either.
using error_code = detail::error_codes::error_code;

/// What is thrown for one: `std::system_error`, with Boost.Asio `boost::system::system_error`,
/// which is not derived from it. Both are a `std::runtime_error` with a `code()`.
using system_error = detail::error_codes::system_error;

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
inline const detail::error_codes::error_category& error_category() noexcept
{
    class category final : public detail::base_category {
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

/// How `error_code` is made of an error.
inline error_code make_error_code(error value) noexcept
{
    return {static_cast<int>(value), error_category()};
}

} // namespace HEADGATE_NAMESPACE

/// @cond
template <>
struct headgate::detail::error_codes::is_error_code_enum<headgate::error> : std::true_type {
};
/// @endcond

#endif
