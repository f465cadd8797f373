#ifndef HEADGATE_DETAIL_CURL_TRANSFER_HPP
#define HEADGATE_DETAIL_CURL_TRANSFER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/curl_handle.hpp>
#include <headgate/detail/curl_result.hpp>
#include <headgate/detail/header_reader.hpp>
#include <headgate/detail/printable.hpp>
#include <headgate/detail/public_address.hpp>
#include <headgate/detail/socket_peek.hpp>
#include <headgate/detail/used_connections.hpp>
#include <headgate/error.hpp>
#include <headgate/http/client_options.hpp>
#include <headgate/http/error.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>

#include HEADGATE_ASIO_IP(tcp.hpp)

#include <curl/curl.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// One request on its way: an easy handle and what libcurl reads from and writes to meanwhile.
/// Reused for request after request. What is the same for all requests of a client is set once;
/// what a request can ask for is set for each, or left as it is where that is what is wanted: it
/// must be one or the other for every option, so that no request sees another's.
class curl_transfer {
public:
    curl_transfer(const http::client_options& options, used_connections& used)
        : options_{options}, used_{used}, easy_{make_curl_easy()}
    {
        set(CURLOPT_NOSIGNAL, 1L);
#if LIBCURL_VERSION_NUM >= 0x075700
        // A request that ends while its host name is looked up does not wait for that: the thread
        // that does it cannot be stopped, and the event loop would stand still until it is done.
        set(CURLOPT_QUICK_EXIT, 1L);
#endif
        set(CURLOPT_PROTOCOLS_STR, "http,https");
        set(CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
        set(CURLOPT_ERRORBUFFER, error_);
        set(CURLOPT_ACCEPT_ENCODING, "");
        set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(options_.connect_timeout().count()));
        set(CURLOPT_HEADERFUNCTION, &on_header);
        set(CURLOPT_HEADERDATA, this);
        set(CURLOPT_WRITEFUNCTION, &on_body);
        set(CURLOPT_WRITEDATA, this);
        set(CURLOPT_PREREQFUNCTION, &on_connected);
        set(CURLOPT_PREREQDATA, this);
        // Beside the parsed URL, by which it goes, libcurl keeps a text, of which it makes another
        // should it want to send a request again by itself. It must not, so the text leads nowhere:
        // to put together the right one costs more than anything else that is done here.
        set(CURLOPT_URL, "http://nowhere:none");
        if (environment_names_proxy()) {
            set(CURLOPT_USERAGENT, options_.user_agent().c_str()); // for what is said to the proxy
        } else { // or libcurl asks the environment for each request
            set(CURLOPT_PROXY, "");
            set(CURLOPT_NOPROXY, "");
        }
    }
    curl_transfer(const curl_transfer&) = delete;
    curl_transfer& operator=(const curl_transfer&) = delete;

    CURL* handle() const noexcept
    {
        return easy_.get();
    }

    /// Takes a request. If that throws the transfer is of no use any more.
    void prepare(http::request&& request)
    {
        const std::optional<http::request> before =
            std::exchange(request_, std::optional<http::request>{std::move(request)});
        body_.clear();
        header_bytes_ = 0;
        refused_.reset();
        sent_ = false;
        has_thrown_ = false;
        found_input_ = false;
        opened_.clear();
        made_ = CURL_SOCKET_BAD;
        if (std::exchange(wants_new_, false))
            set(CURLOPT_FRESH_CONNECT, 0L);
        error_[0] = '\0';
        set(CURLOPT_CURLU, request_->url().native_handle());
        prepare_timeout();
        prepare_tls();
        prepare_method(before);
        prepare_headers(before);
    }

    /// Makes the socket for a connection, unless it would go where it may not: CURL_SOCKET_BAD.
    curl_socket_t open(const curl_sockaddr& address) noexcept
    {
        if (request_->public_only() && !is_public(address)) {
            refused_ = http::error::private_address;
            return CURL_SOCKET_BAD;
        }
        return ::socket(address.family, address.socktype | SOCK_CLOEXEC, address.protocol);
    }

    /// Of the sockets that were made for the request one becomes its connection.
    void opened(curl_socket_t socket)
    {
        opened_.push_back(socket);
    }

    /// Whether the request, of which nothing was sent, has to be started once more, for which it is
    /// then ready: the connection that was there already had something to read before. That is no
    /// answer to it.
    bool wants_new_connection()
    {
        if (!std::exchange(found_input_, false))
            return false;
        error_[0] = '\0';
        set(CURLOPT_FRESH_CONNECT, 1L);
        wants_new_ = true;
        return true;
    }

    /// What came of it.
    http::response take(CURLcode result, error_code& failed)
    {
        long status = 0;
        curl_easy_getinfo(easy_.get(), CURLINFO_RESPONSE_CODE, &status);
        long version = 0;
        curl_easy_getinfo(easy_.get(), CURLINFO_HTTP_VERSION, &version);
        curl_off_t elapsed = 0;
        curl_easy_getinfo(easy_.get(), CURLINFO_TOTAL_TIME_T, &elapsed);
        http::response response{static_cast<int>(status), fields_.take(), std::move(body_)};
        body_ = {};
        response.http_version(detail::http_version(version))
            .elapsed(std::chrono::microseconds{elapsed});
        const char* address = nullptr;
        curl_easy_getinfo(easy_.get(), CURLINFO_PRIMARY_IP, &address);
        response.remote_address(address ? address : "");
        failed = {};
        if (result != CURLE_OK) {
            if (result == CURLE_URL_MALFORMAT && sent_ && !refused_)
                refused_ = http::error::connection_lost; // it wanted to send again
            // That is what libcurl 7.88 says of a header field that is too long for it.
            if (result == CURLE_OUT_OF_MEMORY && body_.empty() && sent_)
                refused_ = http::error::headers_too_large;
            // And that of what it cannot decode, such as a gzip stream with something behind it.
            if (result == CURLE_WRITE_ERROR && !refused_ && !has_thrown_)
                refused_ = http::error::bad_content_encoding;
            failed = refused_ ? make_error_code(*refused_) : error_of(result);
            response.error_text(describe(result));
        }
        return response;
    }

    /// What to call a request in a message.
    static std::string name(const http::request& request)
    {
        return request.method() + ' ' +
               shortened(request.url().without_credentials(), longest_shown_url);
    }
    std::string name() const
    {
        return name(*request_);
    }

private:
    template <class Value>
    void set(CURLoption option, Value value)
    {
        if (const CURLcode failed = curl_easy_setopt(easy_.get(), option, value))
            throw std::runtime_error{name() + ": " + curl_easy_strerror(failed)};
    }

    /// Whether libcurl would use a proxy for some URL though nobody has told it to.
    static bool environment_names_proxy() noexcept
    {
        const auto named = [](const char* name) {
            const char* const value = std::getenv(name);
            return value && *value != '\0';
        };
        return named("http_proxy") || named("https_proxy") || named("HTTPS_PROXY") ||
               named("all_proxy") || named("ALL_PROXY");
    }

    void prepare_timeout()
    {
        const auto longest = request_->timeout().value_or(options_.timeout());
        if (std::exchange(timeout_, longest) != longest)
            set(CURLOPT_TIMEOUT_MS, static_cast<long>(longest.count()));
    }

    void prepare_tls()
    {
        const bool secure = request_->url().scheme() == "https";
        if (std::exchange(secure_, secure) == secure)
            return;
        // One connection that speaks HTTP/2 carries many requests: wait for it rather than open
        // one for each.
        set(CURLOPT_PIPEWAIT, secure ? 1L : 0L);
        if (!secure || std::exchange(tls_set_, true))
            return;
        set(CURLOPT_SSL_VERIFYPEER, options_.verify_tls() ? 1L : 0L);
        set(CURLOPT_SSL_VERIFYHOST, options_.verify_tls() ? 2L : 0L);
        if (!options_.ca_file().empty())
            set(CURLOPT_CAINFO, options_.ca_file().c_str());
    }

    void prepare_method(const std::optional<http::request>& before)
    {
        const std::string& method = request_->method();
        const auto& body = request_->body();
        if (body && method == "HEAD")
            throw std::invalid_argument{name() + ": a HEAD request with a body cannot be sent"};
        if (before && !before->body() && !body && before->method() == method)
            return;
        // In this order: each of them makes a method of its own the one that is sent.
        set(CURLOPT_POSTFIELDSIZE_LARGE, body ? static_cast<curl_off_t>(body->size()) : -1);
        set(CURLOPT_POSTFIELDS, body ? body->data() : nullptr);
        if (!body)
            set(CURLOPT_HTTPGET, 1L);
        set(CURLOPT_NOBODY, method == "HEAD" ? 1L : 0L);
        const bool usual = method == (body ? "POST" : "GET") || method == "HEAD";
        set(CURLOPT_CUSTOMREQUEST, usual ? nullptr : method.c_str());
    }

    void prepare_headers(const std::optional<http::request>& before)
    {
        if (before && before->headers() == request_->headers() &&
            before->body().has_value() == request_->body().has_value())
            return;
        lines_.clear();
        for (const auto& [key, value] : request_->headers()) {
            // libcurl sends a field without a value only if it is told so.
            const bool blank = value.find_first_not_of(" \t") == std::string::npos;
            lines_.add((blank ? key + ';' : key + ": " + value).c_str());
        }
        if (request_->body()) {
            // Neither the wait for "100 Continue" nor the form type that libcurl would add.
            lines_.add("Expect:");
            if (!has_header("Content-Type"))
                lines_.add("Content-Type:");
        }
        // libcurl would write the same lines, but put them together anew for each request.
        if (!has_header("User-Agent") && !options_.user_agent().empty())
            lines_.add(("User-Agent: " + options_.user_agent()).c_str());
        if (static const std::string known = curl_encodings();
            !has_header("Accept-Encoding") && !known.empty())
            lines_.add(("Accept-Encoding: " + known).c_str());
        set(CURLOPT_HTTPHEADER, lines_.get());
    }

    bool has_header(const char* name) const
    {
        const auto& all = request_->headers();
        return std::any_of(all.begin(), all.end(), [&](const auto& field) {
            return curl_strequal(field.first.c_str(), name) != 0;
        });
    }

    static bool is_public(const curl_sockaddr& address) noexcept
    {
        try {
            return detail::is_public(endpoint_of(address).address());
        } catch (...) { // an address of another family is not public either
            return false;
        }
    }

    static asio::ip::tcp::endpoint endpoint_of(const curl_sockaddr& address)
    {
        asio::ip::tcp::endpoint result;
        if (address.addrlen > result.capacity())
            return result;
        std::memcpy(result.data(), &address.addr, address.addrlen);
        result.resize(address.addrlen);
        return result;
    }

    /// Called before the request is sent. Refuses an address that it may not go to over a
    /// connection that was made before, for another request; a second time: libcurl sends a request
    /// again by itself when a connection turns out to be dead, but each request has to pay a token;
    /// and a connection on which there is an answer before the request.
    static int on_connected(void* self, char* address, char*, int, int) noexcept
    {
        auto& transfer = *static_cast<curl_transfer*>(self);
        if (transfer.request_->public_only() &&
            !(address && detail::is_public(std::string{address})))
            transfer.refused_ = http::error::private_address;
        else if (transfer.sent_)
            transfer.refused_ = http::error::connection_lost;
        else if (transfer.is_input_waiting())
            transfer.found_input_ = true;
        else {
            transfer.sent_ = true;
            return CURL_PREREQFUNC_OK;
        }
        return CURL_PREREQFUNC_ABORT;
    }

    /// Whether the server has said something on a connection that is used again, while nobody had
    /// asked: RFC 9112, 9.2, has it be closed. libcurl would take it for the answer to the request
    /// that is about to be sent. HTTP/2 has answers carry the number of their request, and all
    /// kinds of things sent unasked. What comes over TLS may be no answer, but a new connection is
    /// what that costs.
    bool is_input_waiting() noexcept
    {
        const used_connections::ends here = used_connections::ends_of(easy_.get());
        long made = 0;
        curl_easy_getinfo(easy_.get(), CURLINFO_NUM_CONNECTS, &made);
        if (made == 0) {
            const curl_socket_t socket = used_.find(here);
            return socket != CURL_SOCKET_BAD && has_unread_input(socket);
        }
        const auto is_here = [&](curl_socket_t each) {
            return local_port(each) == here.local_port;
        };
        const auto found = std::find_if(opened_.begin(), opened_.end(), is_here);
        made_ = found == opened_.end() ? CURL_SOCKET_BAD : *found;
        return false;
    }

    /// Only now it is known which version of HTTP a new connection speaks.
    void note_version(std::string_view line)
    {
        if (made_ == CURL_SOCKET_BAD || !line.starts_with("HTTP/"))
            return;
        const curl_socket_t socket = std::exchange(made_, CURL_SOCKET_BAD);
        if (line.starts_with("HTTP/1."))
            used_.add(socket, used_connections::ends_of(easy_.get()));
    }

    static std::size_t on_header(char* data, std::size_t size, std::size_t count,
                                 void* self) noexcept
    {
        auto& transfer = *static_cast<curl_transfer*>(self);
        const std::size_t bytes = size * count;
        transfer.header_bytes_ += bytes;
        if (transfer.header_bytes_ > transfer.options_.max_header_bytes()) {
            transfer.refused_ = http::error::headers_too_large;
            return 0;
        }
        try {
            transfer.note_version({data, bytes});
            transfer.fields_.line({data, bytes});
            return bytes;
        } catch (...) {
            transfer.has_thrown_ = true;
            return 0;
        }
    }

    static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self) noexcept
    {
        auto& transfer = *static_cast<curl_transfer*>(self);
        const std::size_t bytes = size * count;
        if (bytes > transfer.options_.max_body_bytes() - transfer.body_.size()) {
            transfer.refused_ = http::error::body_too_large;
            return bytes == 0 ? 1 : 0;
        }
        try {
            if (transfer.body_.empty())
                transfer.expect_body(bytes);
            transfer.body_.append(data, bytes);
            return bytes;
        } catch (...) {
            transfer.has_thrown_ = true;
            return 0;
        }
    }

    /// Makes room for a body of which the first bytes have come. Its length is only what the server
    /// says, so it is believed up to a limit.
    void expect_body(std::size_t first)
    {
        fields_.body();
        curl_off_t length = -1;
        curl_easy_getinfo(easy_.get(), CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        constexpr curl_off_t believed = 1 << 20;
        const auto expected = static_cast<std::size_t>(std::clamp<curl_off_t>(length, 0, believed));
        if (expected > first)
            body_.reserve(std::min(expected, options_.max_body_bytes()));
    }

    std::string describe(CURLcode result) const
    {
        std::string text = name() + ": ";
        if (refused_ == http::error::body_too_large)
            return text + "body larger than " + std::to_string(options_.max_body_bytes()) +
                   " bytes";
        if (refused_ == http::error::private_address)
            return text + "its host has no public address, and the request may go to no other";
        if (refused_ == http::error::connection_lost)
            return text + "the connection was lost before an answer came";
        if (refused_ == http::error::bad_content_encoding)
            return text + "the body's content encoding could not be decoded";
        if (refused_ == http::error::headers_too_large)
            return text + "header fields larger than " +
                   std::to_string(options_.max_header_bytes()) + " bytes";
        return text + (error_[0] != '\0' ? error_ : curl_easy_strerror(result));
    }

    const http::client_options& options_;
    used_connections& used_;
    curl_easy easy_;
    std::optional<http::request> request_;
    std::optional<std::chrono::milliseconds> timeout_; // as it is set, like the next two
    std::optional<bool> secure_;
    bool tls_set_ = false;
    curl_lines lines_;
    header_reader fields_;
    std::string body_;
    std::size_t header_bytes_ = 0;
    std::optional<http::error> refused_;
    bool has_thrown_ = false; // what takes header fields and body
    bool sent_ = false;
    bool found_input_ = false;             // where the request was to be sent,
    bool wants_new_ = false;               // so that it goes over a connection of its own
    std::vector<curl_socket_t> opened_;    // for the request,
    curl_socket_t made_ = CURL_SOCKET_BAD; // and the one of its connection, before an answer came
    char error_[CURL_ERROR_SIZE] = {};
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
