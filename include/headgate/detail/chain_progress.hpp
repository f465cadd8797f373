#ifndef HEADGATE_DETAIL_CHAIN_PROGRESS_HPP
#define HEADGATE_DETAIL_CHAIN_PROGRESS_HPP

#include <headgate/detail/config.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// What is kept of a list in which each page names the next: what was known behind the last page
/// before which all are done with, and of those behind it that are done with what was known then.
/// As JSON, with what one page adds to it.
class chain_progress {
public:
    /// Adds the page with that `number`: what was known `after` it. A page without that is asked
    /// for again, for it did not lead on; those of its `records` that were delivered are done with.
    static void merge(nlohmann::json& progress, const nlohmann::json& receipt)
    {
        if (progress.is_null())
            progress = {{"number", 0U}, {"beyond", nlohmann::json::object()}};
        nlohmann::json& beyond = progress["beyond"];
        beyond[std::to_string(receipt.at("number").get<std::uint64_t>())] = receipt;
        for (;;) {
            const auto number = progress.at("number").get<std::uint64_t>();
            const auto next = beyond.find(std::to_string(number));
            if (next == beyond.end() || !next->contains("after"))
                break;
            progress["after"] = next->at("after");
            progress["number"] = number + 1;
            beyond.erase(next);
        }
    }

    /// The numbers of the pages that are done with, but have to be asked for again.
    static std::set<std::uint64_t> delivered(const nlohmann::json& progress)
    {
        std::set<std::uint64_t> result;
        for (const auto& [number, receipt] : progress.at("beyond").items())
            if (receipt.contains("after"))
                result.insert(receipt.at("number").get<std::uint64_t>());
        return result;
    }

    /// The number of the page that did not lead on, and the digests of its records that are done
    /// with; none if all did.
    static std::pair<std::uint64_t, std::set<std::size_t>> part(const nlohmann::json& progress)
    {
        for (const auto& [number, receipt] : progress.at("beyond").items())
            if (!receipt.contains("after"))
                return {receipt.at("number").get<std::uint64_t>(),
                        receipt.at("records").get<std::set<std::size_t>>()};
        return {};
    }
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
