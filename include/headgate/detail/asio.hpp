#ifndef HEADGATE_DETAIL_ASIO_HPP
#define HEADGATE_DETAIL_ASIO_HPP

// The one place that knows how Asio's versions differ.

#include <headgate/detail/config.hpp>

#include HEADGATE_ASIO(version.hpp)

#if defined(HEADGATE_BOOST_ASIO)
#include <boost/version.hpp>
#if BOOST_VERSION < 108100
#error "headgate needs Boost 1.81 or later"
#endif
#elif ASIO_VERSION < 102201
#error "headgate needs Asio 1.22.1 or later"
#endif

#if !defined(HEADGATE_BOOST_ASIO) && ASIO_VERSION < 102300
#include <asio/experimental/as_tuple.hpp>
#include <asio/experimental/deferred.hpp>
#else
#include HEADGATE_ASIO(as_tuple.hpp)
#include HEADGATE_ASIO(deferred.hpp)
#endif

namespace HEADGATE_NAMESPACE::detail {

#if !defined(HEADGATE_BOOST_ASIO) && ASIO_VERSION < 102300
using asio::experimental::as_tuple;
using asio::experimental::deferred;
#else
using asio::as_tuple;
using asio::deferred;
#endif

} // namespace HEADGATE_NAMESPACE::detail

#endif
