#ifndef HEADGATE_REDIS_DETAIL_RANDOM_NAME_HPP
#define HEADGATE_REDIS_DETAIL_RANDOM_NAME_HPP

#include <headgate/detail/config.hpp>

#include <random>
#include <string>

namespace HEADGATE_NAMESPACE::detail {

/// 128 bits of the system's randomness as a text, which nothing else in the world is named by.
inline std::string random_name()
{
    std::random_device source;
    std::string result;
    for (int part = 0; part < 4; ++part) {
        auto bits = static_cast<unsigned long>(source());
        for (int digit = 0; digit < 8; ++digit, bits >>= 4)
            result += "0123456789abcdef"[bits & 0xF];
    }
    return result;
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
