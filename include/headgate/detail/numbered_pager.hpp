#ifndef HEADGATE_DETAIL_NUMBERED_PAGER_HPP
#define HEADGATE_DETAIL_NUMBERED_PAGER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/list_end.hpp>
#include <headgate/detail/numbered_plan.hpp>
#include <headgate/detail/numbered_progress.hpp>
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
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// What paging by offset and by page number have in common.
class numbered_pager {
public:
    explicit numbered_pager(http::request list) : guard_{std::move(list)} {}

    /// How many records the server says there are, as far as it has.
    std::optional<std::uint64_t> expected() const noexcept { return total_; }

    const origin_guard& guard() const noexcept { return guard_; }

    /// How many requests may be in flight, and so go to what lies behind the end. What looks like
    /// the end must be followed by more of it: an empty page, a 404 or a copy in the midst of a
    /// list may be a slip of the server. The first is asked for twice, if that leaves no more
    /// requests behind the end than may be in flight.
    /// @param in_order whether pages are delivered in order
    void may_overrun(std::size_t requests, bool in_order) noexcept
    {
        // One is left for asking again.
        plan_.rules().marks =
            std::clamp(std::max<std::size_t>(requests, 1) - 1, least_marks, most_marks);
        plan_.rules().in_flight = std::max<std::size_t>(requests, 1);
        plan_.rules().most_behind = std::max(requests, least_marks + 1);
        plan_.rules().in_order = in_order;
    }

    static void merge(nlohmann::json& progress, const nlohmann::json& receipt)
    {
        numbered_progress::merge(progress, receipt);
    }

    /// How far a run has read that has left this, without a gap: records of `offset`, pages of
    /// `page_number`.
    static std::uint64_t read_to(const nlohmann::json& progress)
    {
        return numbered_progress::end(progress);
    }

protected:
    /// By what the page that was taken in is known again, before another one is.
    numbered_progress::known_page last_taken() const
    {
        const auto first = digests_.begin() + static_cast<std::ptrdiff_t>(taken_.first);
        return {
            taken_.begin, last_digest_, {first, first + static_cast<std::ptrdiff_t>(taken_.count)}};
    }

    /// What is to be kept of a page, of which `units` from `begin` on, with so many records, belong
    /// to the list; null if none do. It is known again by `last`.
    nlohmann::json receipt_for(std::uint64_t begin, std::uint64_t units, std::uint64_t records,
                               const numbered_progress::known_page& last) const
    {
        if (const auto other = came_instead_of_)
            return {{"begin", begin},
                    {"units", units},
                    {"instead_of", *other},
                    {"last", {{"begin", begin}, {"digest", last_digest_}}}};
        if (records == 0)
            return nullptr;
        nlohmann::json result{{"begin", begin},
                              {"units", units},
                              {"records", records},
                              {"step", plan_.step()},
                              {"last", last.json()}};
        if (total_)
            result["total"] = {
                {"last", *total_}, {"largest", largest_told_}, {"moved", total_moved_}};
        if (begin == 0)
            result["first"] = known_page{0, first_digest_, first_}.json();
        return result;
    }

    /// Goes on where a run before stood.
    /// @param total  that it was told of, in the units of the plan
    void go_on_from(const nlohmann::json& progress, std::optional<std::uint64_t> total)
    {
        const known_page last = known_page::read(progress.at("last"));
        total_ = told_before(progress);
        if (total_) {
            largest_told_ = progress.at("total").at("largest").get<std::uint64_t>();
            total_moved_ = progress.at("total").at("moved").get<bool>();
        }
        if (total)
            plan_.total(*total);
        plan_.resume(progress.at("step").get<std::uint64_t>(), numbered_progress::spans(progress),
                     progress.at("pages").get<std::uint64_t>(), last.begin);
        received_ = progress.at("records").get<std::uint64_t>();
        if (progress.contains("first")) {
            const known_page first = known_page::read(progress.at("first"));
            first_ = first.records;
            first_digest_ = first.digest;
            plan_.remember(first.digest, 0);
        }
        for (const auto& [digest, begin] : numbered_progress::recent(progress))
            plan_.remember(digest, begin);
        plan_.remember(last.digest, last.begin);
        tail_.add(last.begin, last.records, 0, last.records.size());
    }

    /// The total that a run before was told.
    static std::optional<std::uint64_t> told_before(const nlohmann::json& progress)
    {
        return progress.contains("total")
                   ? std::optional{progress.at("total").at("last").get<std::uint64_t>()}
                   : std::nullopt;
    }

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
    /// @param first, count  those of its records that belong to it
    /// @param name          of a place, such as "offset 200"
    template <class Name>
    bool takes_in(const numbered_plan::span& which, std::uint64_t units,
                  const paging::page_content& content, std::uint64_t first, std::uint64_t count,
                  Name name)
    {
        const bool came_late = plan_.is_late(which);
        const std::size_t digest = content.digest();
        digests_.clear();
        add_digests(digests_, content.list());
        came_instead_of_.reset();
        last_digest_ = digest;
        taken_ = {};
        if (const auto other = repeats(which, content, digest)) {
            plan_.brings_nothing_new(which, *other, digest);
            return false;
        }
        if (!plan_.received(which, units, digest)) {
            came_instead_of_ = plan_.taken_back();
            copy_may_be_data_ = copy_may_be_data_ || !content.tells_records_apart();
            return false;
        }
        if (units > 0 && came_late) {
            give_up(which, {outcome_code::count_mismatch,
                            name(which.begin) +
                                " had no new records at first and has now, when pages behind "
                                "it are delivered"});
            return false;
        }
        // A total that only one page told may be the size of that.
        plan_.rules().trusts_total = total_ && !total_moved_ && plan_.ending().spans() > 1;
        if (units == 0)
            return true;
        taken_ = {which.begin, static_cast<std::size_t>(first), static_cast<std::size_t>(count)};
        if (seams_are_checked_)
            return true;
        if (which.begin == 0) {
            first_ = digests_;
            first_digest_ = digest;
        }
        tail_.add(which.begin, digests_, static_cast<std::size_t>(first),
                  content.list().front().is_object() ? static_cast<std::size_t>(count) : 0);
        return true;
    }

    /// The end, where no more may be asked for: a total that was reached, or enough marks. A total
    /// that only one page told may be the size of that.
    /// @param name of a place, such as "offset 200"
    template <class Name>
    std::optional<paging::page_end> reached_by(Name name) const
    {
        if (is_reached() && !total_moved_ && plan_.ending().spans() > 1)
            return paging::page_end{outcome_code::complete, reached_reason()};
        if (!plan_.is_whole() || !(plan_.ending().is_likely() || plan_.is_empty()))
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
    using known_page = numbered_progress::known_page;

    template <class Name>
    paging::page_end verdict(Name name) const
    {
        using paging::page_end;
        const list_end& found = plan_.ending();
        const auto ended = found.ended();
        const auto& hole = found.hole();
        const std::uint64_t failed = found.failed_at();
        if (failed < found.first_mark()) {
            if (hole && hole->begin == failed)
                return with_records_behind(hole->begin, hole->sign, name);
            return *failure_;
        }
        if (ended && found.has_data_behind(ended->begin))
            return with_records_behind(ended->begin, ended->sign, name);
        if (ended && ended->sign.what == list_end::mark::kind::copy)
            return judge_copy(*ended, name);
        const bool by_status = ended && ended->sign.what == list_end::mark::kind::missing;
        // What is missing may be where an empty page was read over.
        const std::uint64_t gap = is_short() || !ended ? plan_.first_gap() : numbered_plan::none;
        const std::string last =
            by_status ? "status " + std::to_string(ended->sign.status) + " at " + name(ended->begin)
                      : "empty page at " + name(std::min(found.first_mark(), gap));
        if (is_short()) {
            if (received_ >= *total_)
                return page_end{outcome_code::list_changed, last + "; " + fall()};
            return page_end{by_status ? outcome_code::server_ceiling : outcome_code::count_mismatch,
                            last + ", but " + told_and_came()};
        }
        if (found.is_mixed())
            return page_end{outcome_code::loop, "from " + name(ended->begin) +
                                                    " on the server gives no page, and no end; " +
                                                    told_and_came()};
        if (is_reached())
            return page_end{outcome_code::complete, reached_reason()};
        return page_end{outcome_code::complete,
                        last + ", the end" + (total_ ? "; " + told_and_came() : std::string{})};
    }

    /// What looks like the end, so many times in a row, is believed to be it.
    static constexpr std::size_t least_marks = 2;
    static constexpr std::size_t most_marks = 3;

    bool is_reached() const noexcept { return total_ && received_ == *total_; }

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
    static std::string repetition(std::uint64_t begin, std::uint64_t other, Name name)
    {
        return "the page at " + name(begin) + " repeats that at " + name(other);
    }

    template <class Name>
    paging::page_end with_records_behind(std::uint64_t begin, const list_end::mark& sign,
                                         Name name) const
    {
        using kind = list_end::mark::kind;
        const std::string behind =
            (plan_.ending().has_data_behind(begin) ? ", but there are records behind it; "
                                                   : ", unlike what lies behind it; ") +
            told_and_came();
        if (sign.what == kind::copy)
            return {outcome_code::loop, repetition(begin, sign.other, name) + behind};
        if (sign.what == kind::missing)
            return {outcome_code::page_failed,
                    "page at " + name(begin) + ": status " + std::to_string(sign.status) + behind};
        return {outcome_code::count_mismatch, "empty page at " + name(begin) + behind};
    }

    template <class Name>
    std::string moved(Name name) const
    {
        return "the page at " + name(tail_.last()) + " has records of the pages before it";
    }

    /// Of which page before it one is a copy, though it is cut otherwise: of the first, or, if all
    /// its records are in pages before and it is no shorter than these, of that with the last.
    std::optional<std::uint64_t> repeats(const numbered_plan::span& which,
                                         const paging::page_content& content,
                                         std::size_t digest) const
    {
        if (seams_are_checked_ || which.begin == 0 || digests_.size() < 2 || plan_.knows(digest))
            return std::nullopt;
        const std::size_t shared = std::min(digests_.size(), first_.size());
        const bool is_first =
            shared > 1 &&
            std::equal(digests_.begin(), digests_.begin() + static_cast<std::ptrdiff_t>(shared),
                       first_.begin());
        if ((!is_first &&
             (digests_.size() < tail_.longest() || !tail_.has_all_before(which.begin, digests_))) ||
            !content.tells_records_apart())
            return std::nullopt;
        return is_first ? 0 : tail_.find(digests_.back());
    }

    template <class Name>
    paging::page_end judge_copy(const list_end::place& ended, Name name) const
    {
        const std::uint64_t other = ended.sign.other;
        const std::string what = repetition(ended.begin, other, name);
        // Behind the end servers give the last page, or the first. All that one gives may be a
        // single page, again and again, unless that is as much as it says there is.
        const bool is_clamped = other == 0 || other >= plan_.ending().last_data();
        const bool is_stuck = plan_.ending().spans() == 1 && !is_reached();
        if (is_clamped && tail_.is_repeated() && !is_reached())
            return {outcome_code::loop, moved(name) + ", and " + what + "; " + told_and_came()};
        const bool is_beyond = total_ && !total_moved_ && received_ > *total_;
        if (is_stuck || is_beyond || is_short() || copy_may_be_data_ || !is_clamped)
            return {outcome_code::loop, what + "; " + told_and_came()};
        return {outcome_code::complete,
                is_reached() ? reached_reason() : what + ", behind the end"};
    }

    std::optional<paging::page_end> failure_;
    std::uint64_t largest_told_ = 0; // total
    bool copy_may_be_data_ = false;
    std::vector<std::size_t> first_; // page: digests
    bool total_moved_ = false;
    page_tail tail_;
    std::vector<std::size_t> digests_; // of the page that is taken in
    std::size_t first_digest_ = 0;
    std::size_t last_digest_ = 0; // of it

    /// Where that begins, and which of its records belong to the list.
    struct taken {
        std::uint64_t begin = 0;
        std::size_t first = 0;
        std::size_t count = 0;
    };
    taken taken_;
    std::optional<std::uint64_t> came_instead_of_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
