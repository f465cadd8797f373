#ifndef HEADGATE_DETAIL_KNOWN_RECORDS_HPP
#define HEADGATE_DETAIL_KNOWN_RECORDS_HPP

#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <unordered_map>
#include <vector>

namespace headgate::detail {

/// Records that may come again, whole: two that only share a key, or a hash, are not the same.
class known_records {
public:
    void clear() { texts_.clear(); }
    void add(const record& one) { texts_.emplace(one.digest(), one.text()); }

    /// Which of these are known.
    std::vector<std::size_t> find(const record_range& list) const
    {
        std::vector<std::size_t> result;
        for (std::size_t i = 0; i < list.size() && !texts_.empty(); ++i)
            if (is_known(list[i]))
                result.push_back(i);
        return result;
    }

private:
    bool is_known(const record& one) const
    {
        const auto [begin, end] = texts_.equal_range(one.digest());
        if (begin == end)
            return false;
        const nlohmann::json whole = one.json();
        return std::any_of(begin, end, [&](const auto& each) {
            return nlohmann::json::parse(each.second) == whole;
        });
    }

    std::unordered_multimap<std::size_t, std::string> texts_;
};

} // namespace headgate::detail

#endif
