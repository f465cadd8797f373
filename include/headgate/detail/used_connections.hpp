#ifndef HEADGATE_DETAIL_USED_CONNECTIONS_HPP
#define HEADGATE_DETAIL_USED_CONNECTIONS_HPP

#include <headgate/detail/config.hpp>

#include <curl/curl.h>

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// The sockets of connections by the addresses at their ends: before libcurl 8 that is all that is
/// known of a connection when a request is about to go over it.
class used_connections {
public:
    struct ends {
        std::string_view remote_address;
        std::string_view local_address;
        int remote_port = 0;
        int local_port = 0;
    };

    /// Of the connection that a transfer goes over. Valid until the next is started with it.
    static ends ends_of(CURL* transfer) noexcept
    {
        const auto text = [transfer](CURLINFO which) -> std::string_view {
            const char* value = nullptr;
            curl_easy_getinfo(transfer, which, &value);
            return value ? value : "";
        };
        const auto port = [transfer](CURLINFO which) {
            long value = 0;
            curl_easy_getinfo(transfer, which, &value);
            return static_cast<int>(value);
        };
        return {text(CURLINFO_PRIMARY_IP), text(CURLINFO_LOCAL_IP), port(CURLINFO_PRIMARY_PORT),
                port(CURLINFO_LOCAL_PORT)};
    }

    void add(curl_socket_t socket, const ends& which)
    {
        sockets_.emplace(which.local_port,
                         entry{std::string{which.remote_address}, std::string{which.local_address},
                               which.remote_port, socket});
    }

    /// To be called before the socket is closed: its number will be given to another.
    void remove(curl_socket_t socket) noexcept
    {
        std::erase_if(sockets_, [&](const auto& each) { return each.second.socket == socket; });
    }

    void clear() noexcept { sockets_.clear(); }

    /// CURL_SOCKET_BAD if there is no such connection.
    curl_socket_t find(const ends& which) const noexcept
    {
        auto [at, end] = sockets_.equal_range(which.local_port);
        for (; at != end; ++at)
            if (at->second.remote_port == which.remote_port &&
                at->second.remote_address == which.remote_address &&
                at->second.local_address == which.local_address)
                return at->second.socket;
        return CURL_SOCKET_BAD;
    }

private:
    struct entry {
        std::string remote_address;
        std::string local_address;
        int remote_port;
        curl_socket_t socket;
    };

    std::unordered_multimap<int, entry> sockets_; // by their local port
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
