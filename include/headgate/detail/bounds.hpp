#ifndef HEADGATE_DETAIL_BOUNDS_HPP
#define HEADGATE_DETAIL_BOUNDS_HPP

#include <headgate/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <stdexcept>

namespace HEADGATE_NAMESPACE::detail {

/// What a server sends is larger, deeper or longer than an extraction puts up with.
class bound_exceeded : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Deeper than any API's records; a parser's and a writer's recursion ends here.
inline constexpr std::size_t most_json_depth = 512;

/// What names the next page, a cursor or a URL, in bytes.
inline constexpr std::size_t longest_cursor = 16'384;

/// Far more than the few empty pages in a row that honest servers send.
inline constexpr std::uint64_t most_empty_pages = 1000;

/// Hops that one request may be sent on.
inline constexpr unsigned most_redirects = 5;

} // namespace HEADGATE_NAMESPACE::detail

#endif
