#ifndef HEADGATE_DETAIL_ASIO_FWD_HPP
#define HEADGATE_DETAIL_ASIO_FWD_HPP

// What headgate/fwd.hpp needs of Asio, which has no header with declarations only.

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
