#ifndef HEADGATE_DETAIL_ASIO_HPP
#define HEADGATE_DETAIL_ASIO_HPP

// The one place that knows how Asio's versions differ.

#include <asio/version.hpp>

#if ASIO_VERSION < 102201
#error "headgate needs Asio 1.22.1 or later"
#endif

#if ASIO_VERSION < 102300
#include <asio/experimental/as_tuple.hpp>
#include <asio/experimental/deferred.hpp>
#else
#include <asio/as_tuple.hpp>
#include <asio/deferred.hpp>
#endif

namespace headgate::detail {

#if ASIO_VERSION < 102300
using asio::experimental::as_tuple;
using asio::experimental::deferred;
#else
using asio::as_tuple;
using asio::deferred;
#endif

} // namespace headgate::detail

#endif
