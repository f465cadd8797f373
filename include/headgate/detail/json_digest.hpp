#ifndef HEADGATE_DETAIL_JSON_DIGEST_HPP
#define HEADGATE_DETAIL_JSON_DIGEST_HPP

#include <headgate/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Two hashes as one, in this order (the finalizer of MurmurHash3).
inline std::size_t mix(std::size_t a, std::size_t b) noexcept
{
    std::uint64_t x =
        (std::uint64_t{a} ^ (std::uint64_t{b} + 0x9e37'79b9'7f4a'7c15U)) * 0xff51'afd7'ed55'8ccdU;
    x = (x ^ (x >> 33)) * 0xc4ce'b9fe'1a85'ec53U;
    return static_cast<std::size_t>(x ^ (x >> 33));
}

inline std::size_t digest_of(std::nullptr_t) noexcept
{
    return 1;
}
inline std::size_t digest_of(bool value) noexcept
{
    return value ? 3 : 2;
}
inline std::size_t digest_of(std::int64_t value) noexcept
{
    return mix(10, static_cast<std::size_t>(value));
}
inline std::size_t digest_of(std::uint64_t value) noexcept
{
    return mix(4, static_cast<std::size_t>(value));
}
inline std::size_t digest_of(std::string_view text) noexcept
{
    return mix(5, std::hash<std::string_view>{}(text));
}

/// A number that is no integer of 64 bits: two that differ may be the same as doubles.
inline std::size_t digest_of_float(std::string_view text) noexcept
{
    return mix(6, std::hash<std::string_view>{}(text));
}

/// The hash of a JSON array or object from its parts, in the order in which a parser finds them.
/// The order of an object's members makes no difference.
class json_digest {
public:
    bool is_closed() const noexcept { return levels_.empty(); }
    std::size_t depth() const noexcept { return levels_.size(); }

    void open_array() { levels_.push_back({false, 7}); }
    void open_object() { levels_.push_back({true, 8}); }
    void key(std::string_view name) { levels_.back().key = std::hash<std::string_view>{}(name); }

    void add(std::size_t value) noexcept
    {
        level& here = levels_.back();
        here.sum = here.is_object ? here.sum + mix(here.key, value) : mix(here.sum, value);
    }

    /// @return the hash of what is closed, which has been added to what is around it
    std::size_t close() noexcept
    {
        const std::size_t result = mix(levels_.back().sum, 9);
        levels_.pop_back();
        if (!levels_.empty())
            add(result);
        return result;
    }

private:
    struct level {
        bool is_object;
        std::size_t sum;
        std::size_t key = 0;
    };

    std::vector<level> levels_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
