#ifndef HEADGATE_DETAIL_CLIENT_SOCKETS_HPP
#define HEADGATE_DETAIL_CLIENT_SOCKETS_HPP

#include <headgate/detail/socket_watcher.hpp>
#include <headgate/detail/used_connections.hpp>

#include <optional>

namespace headgate::detail {

/// Who has to be told that libcurl makes or closes a socket.
struct client_sockets {
    std::optional<socket_watcher> watcher; ///< none any more once the context is gone
    used_connections used;
};

} // namespace headgate::detail

#endif
