#ifndef HEADGATE_DETAIL_KNOWN_RECORDS_HPP
#define HEADGATE_DETAIL_KNOWN_RECORDS_HPP

#include <headgate/detail/config.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Records that may come again, whole: two that only share a key, or a hash, are not the same.
///
/// Most records are never looked for, so that one is parsed only when another with its hash comes,
/// and then once: a server can make as many with the same hash as it likes.
class known_records {
public:
    void clear() { groups_.clear(); }
    void add(const record& one) { groups_[one.digest()].unread.emplace_back(one.text()); }

    /// Which of these are known.
    std::vector<std::size_t> find(const record_range& list)
    {
        std::vector<std::size_t> result;
        for (std::size_t i = 0; i < list.size() && !groups_.empty(); ++i)
            if (is_known(list[i]))
                result.push_back(i);
        return result;
    }

    /// All of them for a run that goes on from here, and how it takes them over.
    nlohmann::json json() const
    {
        nlohmann::json result = nlohmann::json::array();
        for (const auto& [hash, those] : groups_) {
            for (const std::string& each : those.unread)
                result.push_back({hash, each});
            for (const std::string& each : those.read)
                result.push_back({hash, each});
        }
        return result;
    }
    void resume(const nlohmann::json& all)
    {
        groups_.clear();
        for (const auto& each : all)
            groups_[each.at(0).get<std::size_t>()].unread.push_back(each.at(1).get<std::string>());
    }

private:
    /// Records with the same hash: as they came, or read and written in one way.
    struct group {
        std::vector<std::string> unread;
        std::set<std::string, std::less<>> read;
    };

    bool is_known(const record& one)
    {
        const auto found = groups_.find(one.digest());
        if (found == groups_.end())
            return false;
        group& those = found->second;
        // A server most often writes a record as it did before.
        if (!those.unread.empty() && those.unread.front() == one.text())
            return true;
        for (const std::string& each : std::exchange(those.unread, {}))
            those.read.insert(written_alike(each));
        return those.read.count(written_alike(one.text())) > 0;
    }

    /// The same for records that differ only in white space or the order of their members.
    static std::string written_alike(std::string_view text)
    {
        return nlohmann::json::parse(text.begin(), text.end()).dump();
    }

    std::map<std::size_t, group> groups_; // by hash
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
