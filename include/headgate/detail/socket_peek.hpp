#ifndef HEADGATE_DETAIL_SOCKET_PEEK_HPP
#define HEADGATE_DETAIL_SOCKET_PEEK_HPP

#include <headgate/detail/config.hpp>

#include HEADGATE_ASIO_IP(tcp.hpp)

#include <curl/curl.h>
#include <sys/socket.h>

namespace HEADGATE_NAMESPACE::detail {

/// Whether there are bytes to read, without waiting for them or taking them. Where nobody can tell,
/// there are none.
inline bool has_unread_input([[maybe_unused]] curl_socket_t socket) noexcept
{
#ifdef MSG_DONTWAIT
    char first = 0;
    return ::recv(socket, &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
#else
    return false;
#endif
}

/// The port on this side; 0 if the socket has none, or is none.
inline int local_port(curl_socket_t socket) noexcept
{
    asio::ip::tcp::endpoint name;
    auto size = static_cast<socklen_t>(name.capacity());
    return ::getsockname(socket, name.data(), &size) == 0 ? name.port() : 0;
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
