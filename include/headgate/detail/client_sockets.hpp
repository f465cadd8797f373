#ifndef HEADGATE_DETAIL_CLIENT_SOCKETS_HPP
#define HEADGATE_DETAIL_CLIENT_SOCKETS_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/socket_watcher.hpp>
#include <headgate/detail/used_connections.hpp>

#include <optional>

namespace HEADGATE_NAMESPACE::detail {

/// Who has to be told that libcurl makes or closes a socket.
struct client_sockets {
    std::optional<socket_watcher> watcher; ///< none any more once the context is gone
    used_connections used;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
