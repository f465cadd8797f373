#ifndef HEADGATE_HTTP_RESPONSE_HPP
#define HEADGATE_HTTP_RESPONSE_HPP

#include <headgate/detail/config.hpp>

#include <curl/curl.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::http {

/// An answer, or what there is of one. Only the final answer's header fields are kept, not those of
/// a 1xx before it nor trailers.
class response {
public:
    /// Header fields in order: names and values.
    using fields = std::vector<std::pair<std::string, std::string>>;

    response() = default;
    /// An answer as a server might have given it, for tests.
    explicit response(int status, fields headers = {}, std::string body = {})
        : status_{status}, headers_{std::move(headers)}, body_{std::move(body)}
    {
    }

    /// The status, such as 200; 0 if none came.
    int status() const noexcept { return status_; }

    /// All header fields in the order they came, names as the server wrote them.
    const fields& headers() const noexcept { return headers_; }

    /// The value of the first header field of that name, in any case. Valid as long as the
    /// response.
    std::optional<std::string_view> header(const std::string& name) const
    {
        for (const auto& [key, value] : headers_)
            if (curl_strequal(key.c_str(), name.c_str()))
                return std::string_view{value};
        return std::nullopt;
    }

    /// The values of all header fields of that name, in order.
    std::vector<std::string_view> headers(const std::string& name) const
    {
        std::vector<std::string_view> result;
        for (const auto& [key, value] : headers_)
            if (curl_strequal(key.c_str(), name.c_str()))
                result.emplace_back(value);
        return result;
    }

    /// The body, decompressed.
    const std::string& body() const& noexcept { return body_; }
    /// The body, moved out.
    std::string&& body() && noexcept { return std::move(body_); }

    /// Why there is no whole answer: names the URL (without credentials) and libcurl's own reason.
    /// Empty if there is one.
    const std::string& error_text() const noexcept { return error_text_; }
    /// Sets the error text.
    response& error_text(std::string text)
    {
        error_text_ = std::move(text);
        return *this;
    }

    /// The HTTP version: 10, 11 or 20; 0 if no answer came.
    int http_version() const noexcept { return http_version_; }
    /// Sets the version.
    response& http_version(int version) noexcept
    {
        http_version_ = version;
        return *this;
    }

    /// From handing the request to libcurl to the end of the answer.
    std::chrono::microseconds elapsed() const noexcept { return elapsed_; }
    /// Sets the time.
    response& elapsed(std::chrono::microseconds time) noexcept
    {
        elapsed_ = time;
        return *this;
    }

    /// The address that answered, or of the proxy; empty if no connection was made.
    const std::string& remote_address() const noexcept { return remote_address_; }
    /// Sets the address.
    response& remote_address(std::string address)
    {
        remote_address_ = std::move(address);
        return *this;
    }

private:
    int status_ = 0;
    int http_version_ = 0;
    std::chrono::microseconds elapsed_{0};
    fields headers_;
    std::string body_;
    std::string error_text_;
    std::string remote_address_;
};

} // namespace HEADGATE_NAMESPACE::http

#endif
