#ifndef HEADGATE_DETAIL_KNOWN_RECORDS_HPP
#define HEADGATE_DETAIL_KNOWN_RECORDS_HPP

#include <nlohmann/json.hpp>

#include <cstddef>
#include <string>
#include <unordered_set>
#include <vector>

namespace headgate::detail {

/// Records that may come again, whole: two that only share a key, or a hash, are not the same.
class known_records {
public:
    void clear() { texts_.clear(); }
    void add(const nlohmann::json& record) { texts_.insert(record.dump()); }

    /// Which of these are known.
    std::vector<std::size_t> find(const std::vector<nlohmann::json>& list) const
    {
        std::vector<std::size_t> result;
        for (std::size_t i = 0; i < list.size() && !texts_.empty(); ++i)
            if (texts_.count(list[i].dump()) > 0)
                result.push_back(i);
        return result;
    }

private:
    std::unordered_set<std::string> texts_;
};

} // namespace headgate::detail

#endif
