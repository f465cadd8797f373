#ifndef HEADGATE_REDIS_FWD_HPP
#define HEADGATE_REDIS_FWD_HPP

/// @file
/// Declarations of the types of `headgate::redis`: neither Asio nor hiredis is included. The
/// default arguments of the templates and the aliases are defined here.

#include <headgate/detail/asio_fwd.hpp>
#include <headgate/detail/config.hpp>

#include <chrono>

/// Quota and work shared between processes, over Redis.
namespace HEADGATE_NAMESPACE::redis {

class client_options;
enum class error;
class reply;
class script;
struct server_info;

template <class Executor = asio::any_io_executor>
class basic_client;

/// The client for any executor.
using client = basic_client<>;

class shared_limiter_options;

template <class Clock, class Executor = asio::any_io_executor>
class basic_shared_limiter;

/// The shared limiter on the steady clock, for any executor.
using shared_limiter = basic_shared_limiter<std::chrono::steady_clock>;

} // namespace HEADGATE_NAMESPACE::redis

#endif
