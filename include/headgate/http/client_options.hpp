#ifndef HEADGATE_HTTP_CLIENT_OPTIONS_HPP
#define HEADGATE_HTTP_CLIENT_OPTIONS_HPP

#include <headgate/detail/config.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE::http {

/// How a client connects and what it bears. Every option has a default; setters can be chained and
/// throw `std::invalid_argument` for what cannot be.
class client_options {
public:
    /// What timeouts are given in.
    using milliseconds = std::chrono::milliseconds;

    /// The longest time to make a connection, name resolution and TLS included; 10 s unless set.
    client_options& connect_timeout(milliseconds longest)
    {
        connect_timeout_ = positive(longest, "connect_timeout");
        return *this;
    }
    /// What is set, or the default.
    milliseconds connect_timeout() const noexcept { return connect_timeout_; }

    /// The longest time for a request in all, whatever drips in; 30 s unless set.
    client_options& timeout(milliseconds longest)
    {
        timeout_ = positive(longest, "timeout");
        return *this;
    }
    /// What is set, or the default.
    milliseconds timeout() const noexcept { return timeout_; }

    /// The largest body, decompressed, in bytes; 64 MiB unless set.
    client_options& max_body_bytes(std::size_t bytes)
    {
        max_body_bytes_ = bytes;
        return *this;
    }
    /// What is set, or the default.
    std::size_t max_body_bytes() const noexcept { return max_body_bytes_; }

    /// The largest sum of header fields, in bytes; 256 KiB unless set.
    client_options& max_header_bytes(std::size_t bytes)
    {
        max_header_bytes_ = bytes;
        return *this;
    }
    /// What is set, or the default.
    std::size_t max_header_bytes() const noexcept { return max_header_bytes_; }

    /// How many idle connections are kept for later requests; 256 unless set.
    client_options& max_idle_connections(std::size_t connections)
    {
        if (connections > 1'000'000)
            throw std::invalid_argument{"http::client_options: max_idle_connections is above "
                                        "1000000"};
        max_idle_connections_ = connections;
        return *this;
    }
    /// What is set, or the default.
    std::size_t max_idle_connections() const noexcept { return max_idle_connections_; }

    /// The User-Agent of requests that have none of their own; "headgate" unless set.
    /// @throws std::invalid_argument if it has a control character.
    client_options& user_agent(std::string name)
    {
        const auto is_control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
        if (std::any_of(name.begin(), name.end(), is_control))
            throw std::invalid_argument{"http::client_options: user_agent has a control character"};
        user_agent_ = std::move(name);
        return *this;
    }
    /// What is set, or the default.
    const std::string& user_agent() const noexcept { return user_agent_; }

    /// A file of certificates (PEM) to trust instead of the system's.
    client_options& ca_file(std::string path)
    {
        ca_file_ = std::move(path);
        return *this;
    }
    /// Empty for the system's.
    const std::string& ca_file() const noexcept { return ca_file_; }

    /// Connects to whoever answers: certificates and host names are not checked. Never for data or
    /// credentials that matter.
    client_options& insecure_skip_tls_verification()
    {
        verify_tls_ = false;
        return *this;
    }
    /// Whether certificates and host names are checked.
    bool verify_tls() const noexcept { return verify_tls_; }

private:
    static milliseconds positive(milliseconds time, const char* name)
    {
        if (time.count() <= 0 || time.count() > std::numeric_limits<int>::max())
            throw std::invalid_argument{std::string{"http::client_options: "} + name + " is " +
                                        std::to_string(time.count()) +
                                        " ms, must be positive and at most 24 days"};
        return time;
    }

    milliseconds connect_timeout_{10'000};
    milliseconds timeout_{30'000};
    std::size_t max_body_bytes_ = std::size_t{64} << 20;
    std::size_t max_header_bytes_ = std::size_t{256} << 10;
    std::size_t max_idle_connections_ = 256;
    std::string user_agent_ = "headgate";
    std::string ca_file_;
    bool verify_tls_ = true;
};

} // namespace HEADGATE_NAMESPACE::http

#endif
