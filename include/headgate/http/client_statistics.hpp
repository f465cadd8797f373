#ifndef HEADGATE_HTTP_CLIENT_STATISTICS_HPP
#define HEADGATE_HTTP_CLIENT_STATISTICS_HPP

#include <headgate/detail/config.hpp>

#include <cstddef>
#include <cstdint>

namespace HEADGATE_NAMESPACE::http {

/// What a client does and has done.
struct client_statistics {
    std::uint64_t requests = 0;     ///< requests that were handed to libcurl
    std::uint64_t connections = 0;  ///< connections that were made for them
    std::uint64_t bytes = 0;        ///< bytes of bodies received, decompressed
    std::size_t in_flight = 0;      ///< requests that wait for their answer now
    std::size_t peak_in_flight = 0; ///< the most of them there ever were
};

} // namespace HEADGATE_NAMESPACE::http

#endif
