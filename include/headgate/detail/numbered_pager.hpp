#ifndef HEADGATE_DETAIL_NUMBERED_PAGER_HPP
#define HEADGATE_DETAIL_NUMBERED_PAGER_HPP

#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/numbered_plan.hpp>
#include <headgate/detail/origin_guard.hpp>
#include <headgate/http/request.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/pager.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace headgate::detail {

/// What paging by offset and by page number have in common.
class numbered_pager {
public:
    explicit numbered_pager(http::request list) : guard_{std::move(list)} {}

    /// How many records the server says there are, as far as it has.
    std::optional<std::uint64_t> expected() const noexcept { return total_; }

    const origin_guard& guard() const noexcept { return guard_; }

    /// How many requests may be in flight, and so go to what lies behind the end. If that is more
    /// than one, an empty page must be followed by another to be the end: which of the two comes in
    /// first, and so what a list with an empty page in its midst gives, is not left to chance.
    /// @param in_order whether pages are delivered in order
    void may_overrun(std::size_t requests, bool in_order) noexcept
    {
        plan_.empties_at_end(requests > 1 ? 2 : 1);
        plan_.in_order(in_order);
    }

    /// Whether as many records have come as there are, says the total.
    std::optional<paging::page_end> reached() const
    {
        if (!total_ || received_ != *total_)
            return std::nullopt;
        return paging::page_end{outcome_code::complete,
                                "total of " + std::to_string(*total_) + " records reached"};
    }

protected:
    static constexpr std::uint64_t largest_total = std::numeric_limits<std::int64_t>::max();

    /// Takes the total out of a body, if there is one.
    void read_total(const nlohmann::json& document)
    {
        const auto found = unsigned_at(document, total_pointer_);
        if (!found)
            return;
        const std::uint64_t told = std::min(*found, largest_total);
        total_moved_ = total_moved_ || (total_ && told != *total_);
        total_ = told;
    }

    /// Takes an answer other than a page for the end, if it is one of those that servers give
    /// behind it.
    bool is_missing(const numbered_plan::span& which, int status)
    {
        if (which.begin == 0 || (status != 404 && status != 416 && status != 422))
            return false;
        plan_.missing(which);
        missing_status_ = status;
        return true;
    }

    /// A page cannot be had; what comes before it is still read.
    void give_up(const numbered_plan::span& which, paging::page_end why)
    {
        if (plan_.failed(which))
            failure_ = std::move(why);
    }

    /// Takes a page in, without its records if it is a copy of another.
    bool is_new(const numbered_plan::span& which, std::uint64_t units,
                const paging::page_content& content)
    {
        if (plan_.received(which, units, content.digest()))
            return true;
        copy_may_be_data_ = copy_may_be_data_ || !content.tells_records_apart();
        return false;
    }

    /// @param name of a place, such as "offset 200"
    template <class Name>
    std::optional<paging::page_end> judge(Name name) const
    {
        using paging::page_end;
        if (!plan_.is_over())
            return std::nullopt;
        if (auto whole = reached())
            return whole;
        if (failure_ && plan_.failed_at() < plan_.ended_at())
            return failure_;
        const std::string came = std::to_string(received_) + " received";
        const std::string told =
            total_ ? "the server tells of " + std::to_string(*total_) + " records, "
                   : std::string{};
        // Rows that were put in before the place that was reached are not missing.
        const bool short_of_total =
            total_ && received_ < *total_ && !(seams_are_checked_ && total_moved_);
        if (const auto& copy = plan_.repetition()) {
            const std::string what =
                "the page at " + name(copy->begin) + " repeats that at " + name(copy->count);
            if (plan_.is_stuck() || short_of_total || copy_may_be_data_ ||
                plan_.has_data_behind(copy->begin))
                return page_end{outcome_code::loop, what + "; " + told + came};
            return page_end{outcome_code::complete, what + ", behind the end"};
        }
        const bool by_status = plan_.is_missing_at_end() && plan_.ended_at() != numbered_plan::none;
        const std::string last =
            by_status
                ? "status " + std::to_string(missing_status_) + " at " + name(plan_.ended_at())
                : "empty page at " + name(std::min(plan_.ended_at(), plan_.end()));
        if (plan_.has_data_behind(plan_.ended_at()))
            return page_end{by_status ? outcome_code::page_failed : outcome_code::count_mismatch,
                            (by_status ? "page at " + name(plan_.ended_at()) + ": status " +
                                             std::to_string(missing_status_)
                                       : last) +
                                ", but there are records behind it; " + told + came};
        if (short_of_total)
            return page_end{by_status ? outcome_code::server_ceiling : outcome_code::count_mismatch,
                            last + ", but " + told + came};
        return page_end{outcome_code::complete,
                        last + ", the end" + (total_ ? "; " + told + came : std::string{})};
    }

    origin_guard guard_;
    numbered_plan plan_;
    nlohmann::json::json_pointer total_pointer_{"/count"};
    std::optional<std::uint64_t> total_;
    std::uint64_t received_ = 0; // records that belong to the list
    bool seams_are_checked_ = false;

private:
    std::optional<paging::page_end> failure_;
    int missing_status_ = 0;
    bool copy_may_be_data_ = false;
    bool total_moved_ = false;
};

} // namespace headgate::detail

#endif
