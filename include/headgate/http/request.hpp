#ifndef HEADGATE_HTTP_REQUEST_HPP
#define HEADGATE_HTTP_REQUEST_HPP

#include <headgate/detail/config.hpp>
#include <headgate/http/url.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::http {

/// An HTTP request: GET without a body unless told otherwise. Setters can be chained.
///
/// Nothing that could break out of its place in the message is let in: a control character in the
/// method, a header field or the URL is refused with `std::invalid_argument`.
class request {
public:
    /// Header fields in order: names and values.
    using fields = std::vector<std::pair<std::string, std::string>>;

    /// @throws std::invalid_argument as `http::url` does.
    explicit request(const std::string& target) : url_{target} {}
    /// A request for that URL.
    explicit request(http::url target) : url_{std::move(target)} {}

    /// Asks for another URL.
    request& url(http::url target)
    {
        url_ = std::move(target);
        return *this;
    }
    /// Where it goes.
    const http::url& url() const noexcept { return url_; }

    /// @throws std::invalid_argument if it is not a token (RFC 9110).
    request& method(std::string name)
    {
        if (!is_token(name))
            throw std::invalid_argument{"HTTP method is not a token"};
        method_ = std::move(name);
        return *this;
    }
    /// "GET" unless set.
    const std::string& method() const noexcept { return method_; }

    /// Adds a header field.
    /// @throws std::invalid_argument if the name is not a token or the value has a control
    /// character other than a tab, and for Content-Length and Transfer-Encoding, which say how the
    /// body is sent: a server would wait for one that does not come.
    request& header(std::string name, std::string value)
    {
        if (!is_token(name))
            throw std::invalid_argument{"HTTP header name is not a token"};
        if (curl_strequal(name.c_str(), "Content-Length") != 0 ||
            curl_strequal(name.c_str(), "Transfer-Encoding") != 0)
            throw std::invalid_argument{"HTTP header " + name + " is the client's to set"};
        if (std::any_of(value.begin(), value.end(), is_control))
            throw std::invalid_argument{"HTTP header " + name +
                                        " has a control character in its value"};
        headers_.emplace_back(std::move(name), std::move(value));
        return *this;
    }
    /// All header fields, in the order they were added.
    const fields& headers() const noexcept { return headers_; }

    /// Gives it a body and, unless empty, a Content-Type. Does not change the method; with HEAD,
    /// which has no body, the request fails when it is sent.
    request& body(std::string content, std::string content_type = {})
    {
        body_ = std::move(content);
        if (!content_type.empty())
            header("Content-Type", std::move(content_type));
        return *this;
    }
    /// Empty unless there is one.
    const std::optional<std::string>& body() const noexcept { return body_; }

    /// The longest it may take in all; the client's timeout unless set.
    /// @throws std::invalid_argument if not positive or more than 24 days.
    request& timeout(std::chrono::milliseconds longest)
    {
        if (longest.count() <= 0 || longest.count() > std::numeric_limits<int>::max())
            throw std::invalid_argument{"HTTP request timeout is " +
                                        std::to_string(longest.count()) +
                                        " ms, must be positive and at most 24 days"};
        timeout_ = longest;
        return *this;
    }
    /// Empty for the client's.
    const std::optional<std::chrono::milliseconds>& timeout() const noexcept { return timeout_; }

    /// Whether it may go to public addresses only, and fails as `error::private_address` otherwise:
    /// not to loopback, link-local, private or other special addresses.
    request& public_only(bool on) noexcept
    {
        public_only_ = on;
        return *this;
    }
    /// False unless set.
    bool public_only() const noexcept { return public_only_; }

private:
    static bool is_control(unsigned char c) noexcept
    {
        return (c < 0x20 && c != '\t') || c == 0x7f;
    }

    static bool is_token(std::string_view text) noexcept
    {
        constexpr std::string_view allowed =
            "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        return !text.empty() && text.find_first_not_of(allowed) == std::string_view::npos;
    }

    http::url url_;
    std::string method_ = "GET";
    fields headers_;
    std::optional<std::string> body_;
    std::optional<std::chrono::milliseconds> timeout_;
    bool public_only_ = false;
};

} // namespace HEADGATE_NAMESPACE::http

#endif
