#ifndef HEADGATE_DETAIL_SOCKET_USER_HPP
#define HEADGATE_DETAIL_SOCKET_USER_HPP

#include <headgate/detail/config.hpp>

#include <curl/curl.h>

namespace HEADGATE_NAMESPACE::detail {

/// Who is told by a watcher of sockets, on the strand that the watcher waits on.
class socket_user {
public:
    /// A socket is ready for what libcurl waits for: CURL_CSELECT_IN, CURL_CSELECT_OUT or both.
    /// @returns whether there may be more; if not, the others are told of in another turn
    virtual bool on_ready(curl_socket_t socket, int events) = 0;

    /// There is nothing more to tell in this turn.
    virtual void on_pause() = 0;

protected:
    ~socket_user() = default;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
