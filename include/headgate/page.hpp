#ifndef HEADGATE_PAGE_HPP
#define HEADGATE_PAGE_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/record_store.hpp>
#include <headgate/record.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE {

/// One page of a list: its records, as they came. Movable and copyable.
class page {
public:
    /// For `extract`, which makes pages.
    page(std::uint64_t index, std::string where, detail::record_store records, std::size_t list = 0)
        : index_{index}, where_{std::move(where)}, records_{std::move(records)}, list_{list}
    {
    }

    /// In which order it was asked for, from 0. Pages come as they arrive, not in this order,
    /// unless `extract_options::ordered` asks for it.
    std::uint64_t index() const noexcept { return index_; }

    /// Its place in the list, for messages: "offset 200".
    const std::string& where() const noexcept { return where_; }

    /// Of which list it is, of several; see `paging::partitions`.
    std::size_t list() const noexcept { return list_; }

    /// Its records. They refer to the page and are gone when it is, or is moved from.
    record_range records() const& noexcept { return records_.records(); }
    record_range records() const&& = delete;

private:
    std::uint64_t index_;
    std::string where_;
    detail::record_store records_;
    std::size_t list_;
};

} // namespace HEADGATE_NAMESPACE

#endif
