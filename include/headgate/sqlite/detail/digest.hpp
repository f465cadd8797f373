#ifndef HEADGATE_SQLITE_DETAIL_DIGEST_HPP
#define HEADGATE_SQLITE_DETAIL_DIGEST_HPP

#include <headgate/detail/config.hpp>

#include <cstdint>
#include <string_view>

namespace HEADGATE_NAMESPACE::sqlite::detail {

/// A number made of all the values of a row, kept beside them: SQLite notices when its own
/// structures are damaged, not when a value is. Against accidents only; whoever means to change a
/// row can compute it.
///
/// FNV-1a with 64 bits: G. Fowler, L. C. Noll, K.-P. Vo, D. Eastlake, RFC 9923.
class digest {
public:
    /// Of a row of a table with that name.
    explicit digest(std::string_view table) { add(table); }

    digest& add(std::int64_t value)
    {
        auto rest = static_cast<std::uint64_t>(value);
        for (int i = 0; i < 8; ++i, rest >>= 8)
            add_byte(static_cast<unsigned char>(rest & 0xff));
        return *this;
    }

    digest& add(std::string_view text)
    {
        add(static_cast<std::int64_t>(text.size()));
        for (char c : text)
            add_byte(static_cast<unsigned char>(c));
        return *this;
    }

    std::int64_t value() const { return static_cast<std::int64_t>(hash_); }

private:
    void add_byte(unsigned char byte)
    {
        hash_ ^= byte;
        hash_ *= 0x100000001b3;
    }

    std::uint64_t hash_ = 0xcbf29ce484222325;
};

} // namespace HEADGATE_NAMESPACE::sqlite::detail

#endif
