#ifndef HEADGATE_DETAIL_PAGE_KEYS_HPP
#define HEADGATE_DETAIL_PAGE_KEYS_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/json_text.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Whether there is a number in it that is no integer of 64 bits. Two of those that differ may be
/// the same in a tree.
inline bool has_float(const nlohmann::json& value)
{
    return value.is_number_float() ||
           (value.is_structured() && std::any_of(value.begin(), value.end(), has_float));
}

/// The key of a record as text. Numbers are what was written, to the last digit.
/// @throws std::runtime_error if it has none
inline std::string key_text(const record& one, const nlohmann::json::json_pointer& key)
{
    const nlohmann::json whole = one.json();
    if (!whole.contains(key))
        throw std::runtime_error{"a record has no " + key.to_string()};
    const nlohmann::json& value = whole.at(key);
    return has_float(value) ? std::string{text_at(one.text(), key)} : value.dump();
}

/// Remembers the keys of the records of one page, to know them again on the next. Records that
/// stood behind those that both have may have been moved on by new ones: they are remembered until
/// they come again, or for some pages.
class page_keys {
public:
    /// @param key  where in a record its key stands
    explicit page_keys(nlohmann::json::json_pointer key) : key_{std::move(key)} {}

    std::string key_of(const record& one) const { return key_text(one, key_); }

    /// How many records there are up to the last one that is known; none if all that are were moved
    /// on, for then others may stand before them.
    std::size_t known(const record_range& records) const
    {
        std::size_t result = 0;
        for (std::size_t i = 0; i < records.size(); ++i) {
            const std::string key = key_of(records[i]);
            if (keys_.count(key) > 0 || (result > 0 && moved_on_.count(key) > 0))
                result = i + 1;
        }
        return result;
    }

    void remember(const record_range& records)
    {
        std::size_t passed = 0; // of those that are remembered
        std::unordered_map<std::string, std::size_t> here;
        for (const record each : records) {
            std::string key = key_of(each);
            moved_on_.erase(key);
            if (const auto before = keys_.find(key); before != keys_.end())
                passed = std::max(passed, before->second + 1);
            here.emplace(std::move(key), here.size());
        }
        if (++pages_ % most_pages == 0)
            moved_on_.clear();
        for (auto& [key, place] : keys_)
            if (passed > 0 && place >= passed && here.count(key) == 0)
                moved_on_.insert(key);
        keys_ = std::move(here);
    }

    /// The keys of the page, in its order, and how they are taken over.
    std::vector<std::string> all() const
    {
        std::vector<std::string> result(keys_.size());
        for (const auto& [key, place] : keys_)
            result[place] = key;
        return result;
    }
    void resume(const std::vector<std::string>& keys)
    {
        for (const std::string& each : keys)
            keys_.emplace(each, keys_.size());
    }

private:
    static constexpr unsigned most_pages = 16;

    nlohmann::json::json_pointer key_;
    std::unordered_map<std::string, std::size_t> keys_; // and their places on the page
    std::unordered_set<std::string> moved_on_;
    unsigned pages_ = 0;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
