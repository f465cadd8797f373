#ifndef HEADGATE_DETAIL_PUBLIC_ADDRESS_HPP
#define HEADGATE_DETAIL_PUBLIC_ADDRESS_HPP

#include <headgate/detail/config.hpp>
#include <headgate/error.hpp>

#include HEADGATE_ASIO_IP(address.hpp)
#include HEADGATE_ASIO_IP(address_v4.hpp)
#include HEADGATE_ASIO_IP(address_v6.hpp)

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

namespace HEADGATE_NAMESPACE::detail {

/// Whether an address is one of the internet, according to the special-purpose address registries
/// of IANA (RFC 6890): not loopback, link-local, private, shared, multicast or reserved.
inline bool is_public(const asio::ip::address_v4& address)
{
    struct block {
        asio::ip::address_v4::uint_type first;
        int bits;
    };
    static constexpr std::array<block, 14> special{{
        {0x00000000, 8},  // this network
        {0x0a000000, 8},  // private
        {0x64400000, 10}, // shared by carriers
        {0x7f000000, 8},  // loopback
        {0xa9fe0000, 16}, // link-local
        {0xac100000, 12}, // private
        {0xc0000000, 24}, // protocol assignments
        {0xc0000200, 24}, // documentation
        {0xc0a80000, 16}, // private
        {0xc6120000, 15}, // benchmarks
        {0xc6336400, 24}, // documentation
        {0xcb007100, 24}, // documentation
        {0xe0000000, 4},  // multicast
        {0xf0000000, 4},  // reserved
    }};
    const auto value = address.to_uint();
    return std::none_of(special.begin(), special.end(), [value](const block& each) {
        return (value ^ each.first) >> (32 - each.bits) == 0;
    });
}

inline bool is_public(const asio::ip::address_v6& address)
{
    const auto bytes = address.to_bytes();
    const auto embedded = [&bytes](std::size_t at) {
        return asio::ip::address_v4{{bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]}};
    };
    if (address.is_v4_mapped())
        return is_public(embedded(12));
    if (bytes[0] == 0x00 && bytes[1] == 0x64 && bytes[2] == 0xff && bytes[3] == 0x9b)
        return is_public(embedded(12)); // NAT64
    if (bytes[0] == 0x20 && bytes[1] == 0x02)
        return is_public(embedded(2));  // 6to4
    return (bytes[0] & 0xe0) == 0x20 && // global unicast
           !(bytes[0] == 0x20 && bytes[1] == 0x01 && bytes[2] == 0x0d && bytes[3] == 0xb8);
}

inline bool is_public(const asio::ip::address& address)
{
    return address.is_v4() ? is_public(address.to_v4()) : is_public(address.to_v6());
}

/// The same for an address as text; false for what is none.
inline bool is_public(const std::string& address)
{
    error_code malformed;
    const auto parsed = asio::ip::make_address(address.substr(0, address.find('%')), malformed);
    return !malformed && is_public(parsed);
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
