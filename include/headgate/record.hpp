#ifndef HEADGATE_RECORD_HPP
#define HEADGATE_RECORD_HPP

#include <headgate/detail/config.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace HEADGATE_NAMESPACE {

/// Where in the text of a page a record stands.
struct record_slice {
    /// Its first byte, counted from 0.
    std::size_t begin = 0;
    /// How many bytes it has.
    std::size_t size = 0;
    std::size_t digest = 0; ///< the same for records that are the same
};

/// One record of a page: its JSON text as the server wrote it, every digit of a number included.
/// It is parsed when it is asked for what is in it, anew each time: take `json()` once for several
/// members. Refers to its page and is valid as long as that. Cheap to copy.
class record {
public:
    /// A record with that JSON text; refers to it.
    record(std::string_view text, std::size_t digest) noexcept : text_{text}, digest_{digest} {}

    /// Whole and valid JSON. There may be line breaks between its tokens.
    std::string_view text() const noexcept { return text_; }

    /// The record, parsed.
    nlohmann::json json() const { return nlohmann::json::parse(text_.begin(), text_.end()); }

    /// As a type of the caller's that nlohmann/json can convert to.
    template <class T>
    T get() const
    {
        return json().get<T>();
    }

    /// What stands in it by that name, or at that JSON Pointer.
    /// @throws nlohmann::json::exception as `nlohmann::json::at` does
    nlohmann::json at(const std::string& key) const { return json().at(key); }
    /// As above, at a JSON Pointer.
    nlohmann::json at(const nlohmann::json::json_pointer& pointer) const
    {
        return json().at(pointer);
    }

    /// Whether it is a JSON object.
    bool is_object() const noexcept { return text_.front() == '{'; }

    /// A hash: the same for records that are the same. With `json_parser` the order of members and
    /// white space make no difference.
    std::size_t digest() const noexcept { return digest_; }

private:
    std::string_view text_;
    std::size_t digest_;
};

/// Lets `nlohmann::json` be made of a record.
inline void to_json(nlohmann::json& to, const record& from)
{
    to = from.json();
}

/// The records of a page, in order: a random-access range. Refers to its page and is valid as long
/// as that.
class record_range {
public:
    /// Random access, but that what it refers to is made when it is asked for.
    class iterator {
    public:
        /// @{
        /// As of any iterator.
        using iterator_category = std::input_iterator_tag; // its reference is no reference
        using iterator_concept = std::random_access_iterator_tag;
        using value_type = record;
        using difference_type = std::ptrdiff_t;
        using reference = record;

        iterator() = default;
        iterator(const char* text, const record_slice* slice) noexcept : text_{text}, slice_{slice}
        {
        }

        record operator*() const noexcept
        {
            return {{text_ + slice_->begin, slice_->size}, slice_->digest};
        }
        record operator[](difference_type n) const noexcept { return *(*this + n); }

        iterator& operator++() noexcept { return *this += 1; }
        iterator operator++(int) noexcept { return {text_, slice_++}; }
        iterator& operator--() noexcept { return *this -= 1; }
        iterator operator--(int) noexcept { return {text_, slice_--}; }
        iterator& operator+=(difference_type n) noexcept
        {
            slice_ += n;
            return *this;
        }
        iterator& operator-=(difference_type n) noexcept { return *this += -n; }
        friend iterator operator+(iterator i, difference_type n) noexcept { return i += n; }
        friend iterator operator+(difference_type n, iterator i) noexcept { return i += n; }
        friend iterator operator-(iterator i, difference_type n) noexcept { return i -= n; }
        friend difference_type operator-(iterator a, iterator b) noexcept
        {
            return a.slice_ - b.slice_;
        }
        friend bool operator==(iterator a, iterator b) noexcept { return a.slice_ == b.slice_; }
        friend auto operator<=>(iterator a, iterator b) noexcept { return a.slice_ <=> b.slice_; }
        /// @}

    private:
        const char* text_ = nullptr;
        const record_slice* slice_ = nullptr;
    };

    /// Records of a text, each where its slice says; refers to both.
    record_range(std::string_view text, std::span<const record_slice> slices) noexcept
        : text_{text}, slices_{slices}
    {
    }

    /// The first record.
    iterator begin() const noexcept { return {text_.data(), slices_.data()}; }
    /// Behind the last record.
    iterator end() const noexcept { return begin() + static_cast<std::ptrdiff_t>(size()); }
    /// How many records there are.
    std::size_t size() const noexcept { return slices_.size(); }
    /// Whether there is none.
    bool empty() const noexcept { return slices_.empty(); }

    /// The record at that index, which must be less than `size`.
    record operator[](std::size_t index) const noexcept
    {
        return begin()[static_cast<std::ptrdiff_t>(index)];
    }
    /// The first record; there must be one.
    record front() const noexcept { return (*this)[0]; }
    /// The last record; there must be one.
    record back() const noexcept { return (*this)[size() - 1]; }

    /// @throws std::out_of_range
    record at(std::size_t index) const
    {
        if (index >= size())
            throw std::out_of_range{"headgate::record_range: index is " + std::to_string(index) +
                                    ", size is " + std::to_string(size())};
        return (*this)[index];
    }

private:
    std::string_view text_;
    std::span<const record_slice> slices_;
};

} // namespace HEADGATE_NAMESPACE

#endif
