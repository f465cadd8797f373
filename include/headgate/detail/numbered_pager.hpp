#ifndef HEADGATE_DETAIL_NUMBERED_PAGER_HPP
#define HEADGATE_DETAIL_NUMBERED_PAGER_HPP

#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/numbered_plan.hpp>
#include <headgate/detail/origin_guard.hpp>
#include <headgate/detail/page_tail.hpp>
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

    /// How many requests may be in flight, and so go to what lies behind the end. What looks like
    /// the end must be followed by more of it: an empty page, a 404 or a copy in the midst of a
    /// list may be a slip of the server.
    /// @param in_order whether pages are delivered in order
    void may_overrun(std::size_t requests, bool in_order) noexcept
    {
        plan_.marks_at_end(std::clamp(requests, least_marks, most_marks));
        plan_.in_order(in_order);
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
        largest_told_ = std::max(largest_told_, told);
    }

    /// Takes an answer other than a page for the end, if it is one of those that servers give
    /// behind it.
    bool is_missing(const numbered_plan::span& which, int status)
    {
        if (which.begin == 0 || (status != 404 && status != 416 && status != 422))
            return false;
        plan_.missing(which, status);
        return true;
    }

    /// A page cannot be had; what comes before it is still read.
    void give_up(const numbered_plan::span& which, paging::page_end why)
    {
        if (plan_.failed(which))
            failure_ = std::move(why);
    }

    /// Takes a page in, without its records if they do not belong to the list.
    /// @param name of a place, such as "offset 200"
    template <class Name>
    bool is_new(const numbered_plan::span& which, std::uint64_t units,
                const paging::page_content& content, Name name)
    {
        const bool came_late = plan_.is_in_order() && plan_.is_asked_again(which);
        if (!plan_.received(which, units, content.digest())) {
            copy_may_be_data_ = copy_may_be_data_ || !content.tells_records_apart();
            return false;
        }
        if (units > 0 && came_late) {
            give_up(which, {outcome_code::count_mismatch,
                            name(which.begin) +
                                " had no new records at first and has now, when pages behind "
                                "it were delivered"});
            return false;
        }
        if (units > 0)
            tail_.add(which.begin, content.list());
        return true;
    }

    /// The end, where no more may be asked for: a total that was reached, or at least two marks. A
    /// total that only one page told may be the size of that.
    /// @param name of a place, such as "offset 200"
    template <class Name>
    std::optional<paging::page_end> reached_by(Name name) const
    {
        if (is_reached() && !total_fell() && plan_.pages() > 1)
            return paging::page_end{outcome_code::complete, reached_reason()};
        if (plan_.marks_in_a_row() < least_marks)
            return std::nullopt;
        return verdict(name);
    }

    /// The end, once there is nothing more to ask for.
    template <class Name>
    std::optional<paging::page_end> judge(Name name) const
    {
        return plan_.is_over() ? std::optional{verdict(name)} : std::nullopt;
    }

    origin_guard guard_;
    numbered_plan plan_;
    nlohmann::json::json_pointer total_pointer_{"/count"};
    std::optional<std::uint64_t> total_;
    std::uint64_t received_ = 0; // records that belong to the list
    bool seams_are_checked_ = false;

private:
    template <class Name>
    paging::page_end verdict(Name name) const
    {
        using paging::page_end;
        const auto ended = plan_.ended();
        const auto& hole = plan_.hole();
        const std::uint64_t failed = plan_.failed_at();
        if (failed < plan_.ended_at()) {
            if (hole && hole->begin == failed)
                return with_records_behind(hole->begin, hole->sign, name);
            return *failure_;
        }
        if (ended && plan_.has_data_behind(ended->begin))
            return with_records_behind(ended->begin, ended->sign, name);
        if (ended && ended->sign.what == numbered_plan::mark::kind::copy)
            return judge_copy(*ended, name);
        const bool by_status = ended && ended->sign.what == numbered_plan::mark::kind::missing;
        // What is missing may be where an empty page was read over.
        const std::uint64_t gap = is_short() || !ended ? plan_.first_gap() : numbered_plan::none;
        const std::string last =
            by_status ? "status " + std::to_string(ended->sign.status) + " at " + name(ended->begin)
                      : "empty page at " + name(std::min(plan_.ended_at(), gap));
        if (is_short()) {
            if (received_ >= *total_)
                return page_end{outcome_code::list_changed, last + "; " + fall()};
            return page_end{by_status ? outcome_code::server_ceiling : outcome_code::count_mismatch,
                            last + ", but " + told_and_came()};
        }
        if (is_reached())
            return page_end{outcome_code::complete, reached_reason()};
        return page_end{outcome_code::complete,
                        last + ", the end" + (total_ ? "; " + told_and_came() : std::string{})};
    }

    /// What looks like the end, so many times in a row, is believed to be it.
    static constexpr std::size_t least_marks = 2;
    static constexpr std::size_t most_marks = 3;

    bool is_reached() const noexcept { return total_ && received_ == *total_; }
    bool total_fell() const noexcept { return total_ && *total_ < largest_told_; }

    /// Rows that were put in before the place that was reached are not missing.
    bool is_short() const noexcept
    {
        return total_ && received_ < largest_told_ && !(seams_are_checked_ && total_moved_);
    }

    std::string reached_reason() const
    {
        return "total of " + std::to_string(*total_) + " records reached";
    }

    std::string came() const { return std::to_string(received_) + " received"; }

    std::string told_and_came() const
    {
        return (total_ ? "the server tells of " + std::to_string(*total_) + " records, "
                       : std::string{}) +
               came();
    }

    std::string fall() const
    {
        return "the total fell from " + std::to_string(largest_told_) + " to " +
               std::to_string(*total_) + " while the list was read; " + came();
    }

    template <class Name>
    static std::string repeats(std::uint64_t begin, std::uint64_t other, Name name)
    {
        return "the page at " + name(begin) + " repeats that at " + name(other);
    }

    template <class Name>
    paging::page_end with_records_behind(std::uint64_t begin, const numbered_plan::mark& sign,
                                         Name name) const
    {
        using kind = numbered_plan::mark::kind;
        const std::string behind = ", but there are records behind it; " + told_and_came();
        if (sign.what == kind::copy)
            return {outcome_code::loop, repeats(begin, sign.other, name) + behind};
        if (sign.what == kind::missing)
            return {outcome_code::page_failed,
                    "page at " + name(begin) + ": status " + std::to_string(sign.status) + behind};
        return {outcome_code::count_mismatch, "empty page at " + name(begin) + behind};
    }

    template <class Name>
    paging::page_end judge_copy(const numbered_plan::place& ended, Name name) const
    {
        const std::uint64_t other = ended.sign.other;
        const std::string what = repeats(ended.begin, other, name);
        // Behind the end servers give the last page, or the first. All that one gives may be a
        // single page, again and again, unless that is as much as it says there is.
        const bool is_clamped = other == 0 || other >= plan_.last_data();
        const bool is_stuck = plan_.pages() == 1 && !is_reached();
        if (const std::size_t twice = tail_.overlap(); twice > 0 && is_clamped)
            return {outcome_code::loop, "the page at " + name(tail_.last()) +
                                            " begins with the last " + std::to_string(twice) +
                                            " of the page before it, and " + what + "; " +
                                            told_and_came()};
        if (is_stuck || is_short() || copy_may_be_data_ || !is_clamped)
            return {outcome_code::loop, what + "; " + told_and_came()};
        return {outcome_code::complete,
                is_reached() ? reached_reason() : what + ", behind the end"};
    }

    std::optional<paging::page_end> failure_;
    std::uint64_t largest_told_ = 0; // total
    bool copy_may_be_data_ = false;
    bool total_moved_ = false;
    page_tail tail_;
};

} // namespace headgate::detail

#endif
