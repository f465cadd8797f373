#ifndef HEADGATE_DETAIL_SOCKET_WATCHER_HPP
#define HEADGATE_DETAIL_SOCKET_WATCHER_HPP

#include <headgate/detail/config.hpp>

/// @def HEADGATE_PORTABLE_SOCKETS
/// Define it, in all translation units alike, to have libcurl's sockets watched with nothing but
/// what Asio offers everywhere also where there is epoll.
#if defined(__linux__) && !defined(HEADGATE_PORTABLE_SOCKETS)
#define HEADGATE_DETAIL_EPOLL_SOCKETS
#include <headgate/detail/epoll_sockets.hpp>
#else
#include <headgate/detail/descriptor_sockets.hpp>
#endif

namespace HEADGATE_NAMESPACE::detail {

/// What waits for libcurl's sockets. Whatever libcurl watches will do: sockets, pipes, event
/// descriptors. Used on one strand only.
///
/// - `watch(socket, wanted)` waits from now on for CURL_POLL_IN, CURL_POLL_OUT or both, and throws
///   if the socket cannot be watched; `forget(socket)` when libcurl does not want it any more;
/// - `opened(socket)` and `closed(socket)` say that libcurl has made the socket and is about to
///   close it. For descriptors that others make and close there is only `forget`;
/// - `settle()` is called after calls of these and begins or ends the wait;
/// - `forget_all()` drops all.
///
/// While nothing is wanted nothing is waited for, so that the loop can end.
#ifdef HEADGATE_DETAIL_EPOLL_SOCKETS
using socket_watcher = epoll_sockets;
#else
using socket_watcher = descriptor_sockets;
#endif

} // namespace HEADGATE_NAMESPACE::detail

#endif
