#ifndef HEADGATE_DETAIL_ANY_STRAND_HPP
#define HEADGATE_DETAIL_ANY_STRAND_HPP

#include <headgate/detail/config.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(io_context.hpp)
#include HEADGATE_ASIO(strand.hpp)

namespace HEADGATE_NAMESPACE::detail {

/// A strand of an executor, as an executor of any type. One of an `io_context` itself is small
/// enough for that to have it in place; a strand of an executor of any type is not, and each of the
/// copies that Asio makes of it, several for a handler that is posted, would take memory of its own.
inline asio::any_io_executor make_any_strand(const asio::any_io_executor& executor)
{
    if (const auto* own = executor.target<asio::io_context::executor_type>())
        return asio::make_strand(*own);
    return asio::make_strand(executor);
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
