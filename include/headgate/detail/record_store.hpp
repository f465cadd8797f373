#ifndef HEADGATE_DETAIL_RECORD_STORE_HPP
#define HEADGATE_DETAIL_RECORD_STORE_HPP

#include <headgate/detail/config.hpp>
#include <headgate/record.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Adds a record found in a text of that size. Room is made for as many as there will be if they go
/// on like this: doubling would cost a page of the smallest records thrice what it needs.
inline void add_record(std::vector<record_slice>& all, const record_slice& one,
                       std::size_t text_size)
{
    if (all.size() == all.capacity()) {
        const auto read = static_cast<double>(one.begin + one.size);
        const double more = std::min((static_cast<double>(text_size) - read) / read, 1.0) *
                            static_cast<double>(all.size());
        all.reserve(all.size() + static_cast<std::size_t>(more) + 16);
    }
    all.push_back(one);
}

/// Records and the text that they stand in.
class record_store {
public:
    record_store() = default;
    record_store(std::string text, std::vector<record_slice> slices)
        : text_{std::move(text)}, slices_{std::move(slices)}
    {
    }

    record_range records() const noexcept { return {text_, slices_}; }
    bool empty() const noexcept { return slices_.empty(); }
    std::size_t size() const noexcept { return slices_.size(); }

    /// For who leaves records out; their text stays.
    std::vector<record_slice>& slices() noexcept { return slices_; }
    record at(const record_slice& slice) const noexcept
    {
        return {{text_.data() + slice.begin, slice.size}, slice.digest};
    }

    /// How long the text is that is kept for the records, in bytes.
    std::size_t bytes() const noexcept { return text_.size(); }

    /// Adds the records of another text. Of that no more is kept than the records themselves: a
    /// page may come in as many parts as it has records, with much around each.
    void append(std::string&& text, std::vector<record_slice>&& slices)
    {
        if (empty()) {
            text_ = std::move(text);
            slices_ = std::move(slices);
            return;
        }
        for (record_slice each : slices) {
            const std::size_t begin = std::exchange(each.begin, text_.size());
            text_.append(text, begin, each.size);
            slices_.push_back(each);
        }
    }

private:
    std::string text_;
    std::vector<record_slice> slices_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
