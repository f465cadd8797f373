#ifndef HEADGATE_FWD_HPP
#define HEADGATE_FWD_HPP

/// @file
/// Declarations of headgate's types, for headers that only name them: neither Asio nor libcurl nor
/// nlohmann/json is included. The default arguments of the templates and the aliases are defined
/// here. `paging::partitions` is not among them: a template can only be declared with the concept
/// of its argument, which is in <headgate/paging/pager.hpp>.

#include <headgate/detail/asio_fwd.hpp>
#include <headgate/detail/config.hpp>

#include <chrono>
#include <exception>
#include <string>

/// Pulls paginated lists out of HTTP APIs within their limits, and what that is made of.
namespace HEADGATE_NAMESPACE {

// headgate::headgate

enum class error;
class limit;
struct limiter_statistics;
class permit;
class worker_pool;
struct worker_pool_statistics;

template <class Clock, class Executor = asio::any_io_executor>
class basic_async_limiter;

/// The limiter on the steady clock, for any executor.
using async_limiter = basic_async_limiter<std::chrono::steady_clock>;

template <class Key, class Clock, class Executor = asio::any_io_executor,
          class Hash = std::hash<Key>>
class basic_keyed_limiter;

/// The keyed limiter on the steady clock, for any executor.
template <class Key = std::string>
using keyed_limiter = basic_keyed_limiter<Key, std::chrono::steady_clock>;

template <class T, class Clock = std::chrono::steady_clock, class Executor = asio::any_io_executor>
class basic_work_queue;

/// The queue on the steady clock, for any executor.
template <class T>
using work_queue = basic_work_queue<T>;

template <class T, class Outcome = std::exception_ptr, class Executor = asio::any_io_executor>
class result_channel;

// headgate::http

/// An HTTP client inside the Asio loop, and what servers say in header fields.
namespace http {

class client;
class client_options;
struct client_statistics;
enum class error;
class link;
class rate_hint;
class request;
class response;
class transfer_error;
class unsupported_scheme;
class url;

} // namespace http

// headgate::extract

class checkpoint;
class extract_options;
struct extract_statistics;
class json_parser;
struct observed_answer;
struct observed_request;
class observer;
class outcome;
enum class outcome_code;
class page;
class page_stream;
class parsed_page;
class record;
class record_range;
struct record_slice;
class unreadable_body;

/// Styles of paging: which pages a list has, and when it ends.
namespace paging {

class cursor;
class kept;
class keyset;
class next_request;
class next_url;
class offset;
class page_content;
class page_end;
class page_number;

} // namespace paging

// headgate::simdjson

class simdjson_parser;

// headgate::sqlite

namespace sqlite {

class checkpoint;
class checkpoint_error;
enum class checkpoint_error_code;
class checkpoint_options;

} // namespace sqlite

// headgate::redis: <headgate/redis/fwd.hpp>

} // namespace HEADGATE_NAMESPACE

#endif
