#ifndef HEADGATE_HTTP_ERROR_HPP
#define HEADGATE_HTTP_ERROR_HPP

#include <headgate/detail/config.hpp>
#include <headgate/error.hpp>

#include <stdexcept>
#include <string>
#include <type_traits>

namespace HEADGATE_NAMESPACE::http {

/// Why a request got no whole answer. A status such as 404 is an answer, not an error.
enum class error {
    failed = 1,           ///< a reason without a name of its own; the response's error text has it
    resolve_failed,       ///< the host name could not be resolved
    connect_failed,       ///< no connection could be made
    tls_failed,           ///< TLS could not be agreed on or the certificate is not trusted
    timed_out,            ///< the request took longer than its timeout
    connection_lost,      ///< the connection ended before the answer did
    bad_answer,           ///< what came is not HTTP
    bad_content_encoding, ///< the body could not be decompressed
    body_too_large,       ///< the decompressed body is larger than the client's limit
    private_address,      ///< the host has no public address, and the request may only go to one
    headers_too_large,    ///< the header fields are larger than the client's limit
};

/// The category of `headgate::http::error`; its name is "headgate.http".
inline const detail::error_codes::error_category& error_category() noexcept
{
    class category final : public detail::base_category {
    public:
        const char* name() const noexcept override { return "headgate.http"; }
        std::string message(int value) const override
        {
            switch (static_cast<error>(value)) {
            case error::failed:
                return "request failed";
            case error::resolve_failed:
                return "host name not resolved";
            case error::connect_failed:
                return "connection failed";
            case error::tls_failed:
                return "TLS failed";
            case error::timed_out:
                return "request timed out";
            case error::connection_lost:
                return "connection lost before the end of the answer";
            case error::bad_answer:
                return "answer is not HTTP";
            case error::bad_content_encoding:
                return "body could not be decompressed";
            case error::body_too_large:
                return "body too large";
            case error::private_address:
                return "address is not public";
            case error::headers_too_large:
                return "header fields too large";
            }
            return "unknown headgate.http error";
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

/// Thrown by `client::send`; `what` names the URL and says what libcurl said.
class transfer_error : public system_error {
public:
    /// Of that code, with a text that names the URL.
    transfer_error(error_code code, const std::string& text) : system_error{code, text}, text_{text}
    {
    }

    /// The text alone.
    const char* what() const noexcept override { return text_.what(); }

private:
    std::runtime_error text_;
};

} // namespace HEADGATE_NAMESPACE::http

/// @cond
template <>
struct headgate::detail::error_codes::is_error_code_enum<headgate::http::error> : std::true_type {
};
/// @endcond

#endif
