#ifndef HEADGATE_DETAIL_UNIQUE_RECORDS_HPP
#define HEADGATE_DETAIL_UNIQUE_RECORDS_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/page_keys.hpp>
#include <headgate/detail/record_store.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <deque>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Removes records whose key was seen before, as far back as a bound on memory allows.
class unique_records {
public:
    /// @param most_bytes for the keys that are remembered; the oldest are forgotten
    unique_records(nlohmann::json::json_pointer key, std::size_t most_bytes)
        : key_{std::move(key)}, most_bytes_{most_bytes}
    {
    }

    /// @param kept  gets the keys of those that stay, if anybody wants them
    /// @return how many were removed
    /// @throws std::runtime_error if a record has no key
    std::size_t filter(record_store& records, std::vector<std::string>* kept = nullptr)
    {
        return std::erase_if(records.slices(), [&](const record_slice& each) {
            std::string key = key_text(records.at(each), key_);
            if (!is_new(key))
                return true;
            if (kept)
                kept->push_back(std::move(key));
            return false;
        });
    }

    /// A record with that key came in a run before.
    void recall(std::string key) { is_new(std::move(key)); }

    /// Whether keys had to be forgotten, so that a record that came again after them was not known.
    bool has_forgotten() const noexcept { return forgotten_; }

private:
    static std::size_t cost(const std::string& key) noexcept
    {
        constexpr std::size_t node_and_bucket = 2 * sizeof(std::string) + 5 * sizeof(void*);
        return node_and_bucket + 2 * key.capacity();
    }

    bool is_new(std::string key)
    {
        if (!known_.insert(key).second)
            return false;
        bytes_ += cost(key);
        order_.push_back(std::move(key));
        while (bytes_ > most_bytes_ && order_.size() > 1) {
            bytes_ -= cost(order_.front());
            known_.erase(order_.front());
            order_.pop_front();
            forgotten_ = true;
        }
        return true;
    }

    nlohmann::json::json_pointer key_;
    std::size_t most_bytes_;
    std::size_t bytes_ = 0;
    std::unordered_set<std::string> known_;
    std::deque<std::string> order_;
    bool forgotten_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
