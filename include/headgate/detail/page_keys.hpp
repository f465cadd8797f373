#ifndef HEADGATE_DETAIL_PAGE_KEYS_HPP
#define HEADGATE_DETAIL_PAGE_KEYS_HPP

#include <nlohmann/json.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace headgate::detail {

/// The key of a record as text.
/// @throws std::runtime_error if it has none
inline std::string key_text(const nlohmann::json& record, const nlohmann::json::json_pointer& key)
{
    if (!record.contains(key))
        throw std::runtime_error{"a record has no " + key.to_string()};
    return record.at(key).dump();
}

/// Remembers the keys of the records of one page, to know them again on another.
class page_keys {
public:
    /// @param key  where in a record its key stands
    explicit page_keys(nlohmann::json::json_pointer key) : key_{std::move(key)} {}

    std::string key_of(const nlohmann::json& record) const { return key_text(record, key_); }

    /// How many records there are up to the last one that is known.
    std::size_t known(const std::vector<nlohmann::json>& records) const
    {
        std::size_t result = 0;
        for (std::size_t i = 0; i < records.size(); ++i)
            if (keys_.count(key_of(records[i])) > 0)
                result = i + 1;
        return result;
    }

    void remember(const std::vector<nlohmann::json>& records)
    {
        keys_.clear();
        for (const nlohmann::json& each : records)
            keys_.insert(key_of(each));
    }

private:
    nlohmann::json::json_pointer key_;
    std::unordered_set<std::string> keys_;
};

} // namespace headgate::detail

#endif
