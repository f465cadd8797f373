#ifndef HEADGATE_REDIS_REPLY_HPP
#define HEADGATE_REDIS_REPLY_HPP

#include <headgate/detail/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::redis {

/// What Redis has answered: a value that owns all of its parts.
class reply {
public:
    /// What kind of value it is.
    enum class kind {
        nil,     ///< nothing, as for a key that does not exist
        integer, ///< `integer()`
        string,  ///< `text()`, of any bytes
        status,  ///< `text()`, such as OK
        error,   ///< `text()`, such as "NOSCRIPT No matching script"
        array,   ///< `elements()`
    };

    /// Nil.
    reply() = default;

    /// An integer.
    static reply of(std::int64_t value)
    {
        reply result{kind::integer, {}};
        result.integer_ = value;
        return result;
    }

    /// A string, a status or an error.
    static reply of(kind type, std::string text) { return reply{type, std::move(text)}; }

    /// An array.
    static reply of(std::vector<reply> elements)
    {
        reply result{kind::array, {}};
        result.elements_ = std::move(elements);
        return result;
    }

    /// What kind of value it is.
    kind type() const noexcept { return kind_; }
    /// Whether there is nothing.
    bool is_nil() const noexcept { return kind_ == kind::nil; }
    /// The number of `kind::integer`, else 0.
    std::int64_t integer() const noexcept { return integer_; }
    /// The text of a string, status or error, else empty. With an error code, what went wrong.
    const std::string& text() const noexcept { return text_; }
    /// The elements of `kind::array`, else none.
    const std::vector<reply>& elements() const noexcept { return elements_; }
    /// How many elements there are.
    std::size_t size() const noexcept { return elements_.size(); }
    /// One element.
    /// @throws std::out_of_range if there are not so many.
    const reply& operator[](std::size_t index) const { return elements_.at(index); }

    /// Whether both are the same, all of their elements included.
    friend bool operator==(const reply&, const reply&) = default;

private:
    reply(kind type, std::string&& text) : kind_{type}, text_{std::move(text)} {}

    kind kind_ = kind::nil;
    std::int64_t integer_ = 0;
    std::string text_;
    std::vector<reply> elements_;
};

} // namespace HEADGATE_NAMESPACE::redis

#endif
