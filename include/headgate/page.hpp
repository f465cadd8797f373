#ifndef HEADGATE_PAGE_HPP
#define HEADGATE_PAGE_HPP

#include <nlohmann/json.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace headgate {

/// One page of a list: its records, as they came. Movable and copyable.
class page {
public:
    page(std::uint64_t index, std::string where, std::vector<nlohmann::json> records)
        : index_{index}, where_{std::move(where)}, records_(std::move(records))
    {
    }

    /// In which order it was asked for, from 0. Pages come as they arrive, not in this order.
    std::uint64_t index() const noexcept { return index_; }

    /// Its place in the list, for messages: "offset 200".
    const std::string& where() const noexcept { return where_; }

    const std::vector<nlohmann::json>& records() const& noexcept { return records_; }
    std::vector<nlohmann::json>&& records() && noexcept { return std::move(records_); }

private:
    std::uint64_t index_;
    std::string where_;
    std::vector<nlohmann::json> records_;
};

} // namespace headgate

#endif
