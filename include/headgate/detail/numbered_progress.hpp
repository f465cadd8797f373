#ifndef HEADGATE_DETAIL_NUMBERED_PROGRESS_HPP
#define HEADGATE_DETAIL_NUMBERED_PROGRESS_HPP

#include <headgate/detail/config.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// What is kept of a list whose pages have numbers: which spans of it are done with, how many
/// records they had, and by what its first page and the last of those are known again, for behind
/// the end servers give these once more. As JSON, with what one page adds to it.
class numbered_progress {
public:
    /// A page as it is known again.
    struct known_page {
        std::uint64_t begin = 0;
        std::size_t digest = 0;
        std::vector<std::size_t> records; ///< their digests

        nlohmann::json json() const
        {
            return {{"begin", begin}, {"digest", digest}, {"records", records}};
        }
        static known_page read(const nlohmann::json& from)
        {
            return {from.at("begin").get<std::uint64_t>(), from.at("digest").get<std::size_t>(),
                    from.at("records").get<std::vector<std::size_t>>()};
        }
    };

    /// Adds a page: a span of `units` from `begin` on with so many `records`, by `step` units a
    /// page, the `last` page that came for it, and the `first` of the list if it is that.
    static void merge(nlohmann::json& progress, const nlohmann::json& receipt)
    {
        if (progress.is_null())
            progress = {{"spans", nlohmann::json::array()},
                        {"records", 0U},
                        {"largest", 0U},
                        {"pages", 0U}};
        const auto number = [](const nlohmann::json& in, const char* name) {
            return in.at(name).get<std::uint64_t>();
        };
        const std::uint64_t records = number(receipt, "records");
        progress["step"] = receipt.at("step");
        progress["records"] = number(progress, "records") + records;
        progress["largest"] = std::max(number(progress, "largest"), records);
        progress["pages"] = number(progress, "pages") + 1;
        progress["spans"] =
            joined(spans(progress), number(receipt, "begin"), number(receipt, "units"));
        for (const char* each : {"first", "total"})
            if (receipt.contains(each))
                progress[each] = receipt.at(each);
        // In a list that is read in order the last is where it goes on, also after a rewind.
        const bool is_last =
            receipt.contains("keys") || !progress.contains("last") ||
            number(progress.at("last"), "begin") <= number(receipt.at("last"), "begin");
        if (is_last)
            progress["last"] = receipt.at("last");
        if (receipt.contains("keys"))
            progress["keys"] = receipt.at("keys");
    }

    /// The same as if all before `begin` were done with, so many records.
    static nlohmann::json skip_to(const nlohmann::json& progress, std::uint64_t begin,
                                  std::uint64_t records)
    {
        const auto step = std::max<std::uint64_t>(1, progress.at("step").get<std::uint64_t>());
        nlohmann::json result = progress;
        result["spans"] = joined({}, 0, begin);
        result["pages"] = std::max<std::uint64_t>(1, begin / step);
        result["records"] = records;
        result["last"] = known_page{begin - std::min(begin, step), 0, {}}.json();
        return result;
    }

    /// How far a list has been read without a gap.
    static std::uint64_t end(const nlohmann::json& progress)
    {
        const auto all = spans(progress);
        return all.empty() || all.begin()->first > 0 ? 0 : all.begin()->second;
    }

    /// The spans, as where each begins and ends.
    static std::map<std::uint64_t, std::uint64_t> spans(const nlohmann::json& progress)
    {
        std::map<std::uint64_t, std::uint64_t> result;
        for (const auto& each : progress.at("spans"))
            result.emplace(each.at(0).get<std::uint64_t>(), each.at(1).get<std::uint64_t>());
        return result;
    }

private:
    static nlohmann::json joined(std::map<std::uint64_t, std::uint64_t> all, std::uint64_t begin,
                                 std::uint64_t units)
    {
        std::uint64_t end = begin + units;
        auto each = all.upper_bound(begin);
        if (each != all.begin() && std::prev(each)->second >= begin)
            --each;
        while (each != all.end() && each->first <= end) {
            begin = std::min(begin, each->first);
            end = std::max(end, each->second);
            each = all.erase(each);
        }
        all.emplace(begin, end);
        nlohmann::json result = nlohmann::json::array();
        for (const auto& [from, to] : all)
            result.push_back({from, to});
        return result;
    }
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
