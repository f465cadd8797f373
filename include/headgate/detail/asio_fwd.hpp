#ifndef HEADGATE_DETAIL_ASIO_FWD_HPP
#define HEADGATE_DETAIL_ASIO_FWD_HPP

// What headgate/fwd.hpp needs of Asio, which has no header with declarations only.

#include <headgate/detail/config.hpp>

#if defined(HEADGATE_BOOST_ASIO)

#include <boost/asio/detail/config.hpp>

#if defined(BOOST_ASIO_USE_TS_EXECUTOR_AS_DEFAULT)
#include <boost/asio/any_io_executor.hpp> // an alias
#else

namespace boost::asio {
#if defined(BOOST_ASIO_INLINE_NAMESPACE_BEGIN) // of later versions
BOOST_ASIO_INLINE_NAMESPACE_BEGIN
#endif

class any_io_executor;

#if defined(BOOST_ASIO_INLINE_NAMESPACE_END)
BOOST_ASIO_INLINE_NAMESPACE_END
#endif
} // namespace boost::asio

#endif

#else

#include <asio/detail/config.hpp>

#if defined(ASIO_USE_TS_EXECUTOR_AS_DEFAULT)
#include <asio/any_io_executor.hpp> // an alias
#else

namespace asio {
#if defined(ASIO_INLINE_NAMESPACE_BEGIN) // of later versions
ASIO_INLINE_NAMESPACE_BEGIN
#endif

class any_io_executor;

#if defined(ASIO_INLINE_NAMESPACE_END)
ASIO_INLINE_NAMESPACE_END
#endif
} // namespace asio

#endif

#endif

#endif
