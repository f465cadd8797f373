#ifndef HEADGATE_DETAIL_SEAM_HPP
#define HEADGATE_DETAIL_SEAM_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/page_keys.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Joins the pages of a list that may change while it is read, in order. Each page is asked for
/// with the last record of the one before it; where that record is now tells how the rows have
/// moved. Remembers the keys of one page.
class seam {
public:
    explicit seam(nlohmann::json::json_pointer key) : keys_{std::move(key)} {}

    struct verdict {
        std::size_t repeated;                    ///< so many of the first records are known
        std::optional<std::uint64_t> again_from; ///< read the list again from there
    };

    /// @param begin, count  the span of the page, without the record before it
    /// @param step          the span of a usual page
    /// @throws std::runtime_error if a record has no key
    verdict join(std::uint64_t begin, std::uint64_t count, std::uint64_t step,
                 const record_range& records)
    {
        if (is_lost())
            return {records.size(), std::nullopt};
        const std::size_t known = keys_.known(records);
        if (known > 0 || (begin == 0 && rewinds_ == 0)) {
            to_search_ = 0;
            is_searching_ = false;
            if (known < records.size()) {
                attempts_ = 0;
                keys_.remember(records);
            }
            at_end_ = records.size() < count + (begin > 0 ? 1 : 0);
            return {known, std::nullopt};
        }
        if (records.empty() && at_end_) // behind the page that came short
            return {0, std::nullopt};
        if (to_search_ > 0) { // what comes before the place that is looked for was delivered
            --to_search_;
            return {records.size(), std::nullopt};
        }
        if (attempts_ == most_attempts) {
            lost_at_ = torn_at_;
            return {records.size(), std::nullopt};
        }
        if (attempts_ == 0)
            torn_at_ = begin;
        const std::uint64_t pages = std::uint64_t{1} << attempts_++;
        const std::uint64_t back = pages * std::max<std::uint64_t>(step, 1);
        to_search_ = 2 * pages;
        at_end_ = false;
        ++rewinds_;
        is_searching_ = true;
        return {0, torn_at_ - std::min(torn_at_, back)};
    }

    /// What a run that goes on from here has to know: the keys of the page that was joined last.
    std::vector<std::string> keys() const { return keys_.all(); }
    void resume(const std::vector<std::string>& keys) { keys_.resume(keys); }

    /// The key of a record as text.
    std::string key_of(const record& one) const { return keys_.key_of(one); }

    std::uint64_t rewinds() const noexcept { return rewinds_; }
    bool is_lost() const noexcept { return lost_at_.has_value(); }
    std::uint64_t lost_at() const noexcept { return lost_at_.value_or(torn_at_); }

    /// Whether the list is being read again and the place was not found yet.
    bool is_searching() const noexcept { return is_searching_; }

private:
    /// Goes back one page, then two, four and eight, and looks as far ahead.
    static constexpr unsigned most_attempts = 4;

    page_keys keys_;
    std::uint64_t to_search_ = 0;
    unsigned attempts_ = 0;
    bool at_end_ = false;
    bool is_searching_ = false;
    std::uint64_t torn_at_ = 0;
    std::uint64_t rewinds_ = 0;
    std::optional<std::uint64_t> lost_at_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
