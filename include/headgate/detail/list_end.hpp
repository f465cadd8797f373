#ifndef HEADGATE_DETAIL_LIST_END_HPP
#define HEADGATE_DETAIL_LIST_END_HPP

#include <headgate/detail/config.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Finds the end of a list of which spans are asked for side by side.
///
/// Behind the end servers give marks: an empty span, one that the server says it has not, or one
/// that repeats another. What is received proves the end, in whatever order it comes: marks that
/// follow each other, with nothing behind them. One of them may be a slip of the server, so a mark
/// with records behind it is asked for once more, and so is the first of the end, as long as no
/// more requests go behind the end than may. A total only says how many marks are needed.
class list_end {
public:
    static constexpr std::uint64_t nowhere = std::numeric_limits<std::uint64_t>::max();

    struct rules {
        std::size_t marks = 1;       ///< so many in a row are the end, if nothing else says that
        std::size_t in_flight = 1;   ///< requests that may be in flight
        std::size_t most_behind = 0; ///< requests that may go to what lies behind the end
        bool in_order = false;       ///< spans are delivered in order: an end stays the end
        bool asks_again = true;      ///< if not, a mark is believed at once
        bool trusts_total = false;   ///< one mark is enough where the total says that the end is
    };

    /// What a server gives behind the end of a list.
    struct mark {
        enum class kind { empty, missing, copy };

        kind what;
        std::uint64_t count;        ///< of the span
        int status = 0;             ///< of an answer that says that there is no such span
        std::uint64_t other = 0;    ///< where the span is of which it is a copy
        bool is_rest_of_it = false; ///< the copy was asked for as what that span left out
        bool is_twice = false;      ///< there was one when the span was asked for again, too

        /// Whether one server may give both.
        bool goes_with(const mark& that) const noexcept
        {
            return (what == kind::copy) == (that.what == kind::copy);
        }
    };

    /// Where there is a mark.
    struct place {
        std::uint64_t begin;
        mark sign;
    };

    /// What is to be done about marks.
    struct orders {
        std::map<std::uint64_t, std::uint64_t> again; ///< spans to ask for once more: begin, count
        std::map<std::uint64_t, std::uint64_t> empty; ///< spans that are taken for empty
    };

    rules& by_rules() noexcept { return rules_; }
    const rules& by_rules() const noexcept { return rules_; }

    void total(std::uint64_t units) noexcept { total_ = units; }
    std::optional<std::uint64_t> total() const noexcept { return total_; }

    /// A span is asked for.
    void sent(std::uint64_t begin) { in_flight_.insert(begin); }

    /// It is done with, or is not asked for after all.
    [[nodiscard]] orders done(std::uint64_t begin)
    {
        orders result;
        in_flight_.erase(begin);
        confirm(result);
        return result;
    }

    /// What is still to be done, after another total was told.
    [[nodiscard]] orders review()
    {
        orders result;
        confirm(result);
        return result;
    }

    /// It has brought a mark.
    [[nodiscard]] orders note(std::uint64_t begin, mark what)
    {
        orders result;
        in_flight_.erase(begin);
        barren_ += has_data_behind(begin) ? 0U : 1U;
        if (const auto before = again_.extract(begin); !before.empty()) {
            // With records behind it, what was something else at first is not empty.
            if (has_data_behind(begin) && before.mapped().what != mark::kind::empty)
                what = before.mapped();
            what.is_twice = true;
        }
        if (has_data_behind(begin)) {
            doubt(begin, what, result);
            return result;
        }
        marks_.insert_or_assign(begin, what);
        // What no server gives at an end stands before one that is proved.
        auto last = marks_.cbegin(); // of the runs the last
        for (auto each = last; each != marks_.cend(); ++each)
            if (!each->second.goes_with(last->second))
                last = each;
        if (run_length(last) >= std::max<std::size_t>(rules_.marks, 2))
            doubt_before(last, result);
        confirm(result);
        return result;
    }

    /// It has brought records.
    [[nodiscard]] orders data(std::uint64_t begin)
    {
        orders result;
        ++spans_;
        again_.erase(begin);
        marks_.erase(begin);
        if (begin >= last_data_) {
            is_settled_ = is_settled_ || (rules_.in_order && from() != nowhere);
            last_data_ = begin;
            barren_ = 0;
            if (const auto behind = marks_.lower_bound(begin); !is_settled_) {
                longest_gap_ = std::max(
                    longest_gap_, static_cast<std::size_t>(std::distance(marks_.begin(), behind)));
                doubt_before(behind, result);
            }
        }
        return result;
    }

    /// What was taken for records at `other` is a copy of the span at `begin`, which came later.
    /// @param last  where the hindmost span with records begins without it
    void take_back(std::uint64_t other, std::uint64_t begin, std::uint64_t last)
    {
        --spans_;
        last_data_ = last;
        for (auto& [at, each] : marks_)
            if (each.what == mark::kind::copy && each.other == other)
                each.other = begin;
    }

    /// A span cannot be had. Nothing behind it is asked for any more.
    /// @return whether it is the first in the list that cannot
    bool failed(std::uint64_t begin) noexcept
    {
        const bool is_first = begin < failed_from_;
        failed_from_ = std::min(failed_from_, begin);
        return is_first;
    }

    /// From where on nothing is to be asked for: the end, or where the list cannot be read on.
    std::uint64_t limit() const { return std::min(failed_from_, from()); }

    /// Where enough marks follow each other to be the end.
    std::uint64_t from() const
    {
        const bool is_end = is_settled_ || is_barren() || (is_run() && !wants_confirmation());
        return is_end ? first_mark() : nowhere;
    }

    /// Whether a span behind a mark is to wait, because what is asked for will tell whether it is
    /// the end. So no more is asked for behind the end than may be; where the total says that the
    /// list goes on, than makes up such a run, and as many as are in flight when that is whole.
    bool must_wait(std::uint64_t begin) const
    {
        if (first_mark() >= begin)
            return false;
        if (again_.count(first_mark()) > 0)
            return true;
        const std::size_t behind = in_flight_behind(first_mark()) - in_flight_.count(begin);
        if (needs_patience())
            return is_in_flight_besides(begin) &&
                   behind + marks_.size() + 1 >= needed(rules_.marks) + rules_.in_flight;
        return is_before_in_flight() || (behind > 0 && behind + marks_.size() >= rules_.marks);
    }

    bool is_in_flight(std::uint64_t begin) const { return in_flight_.count(begin) > 0; }

    /// Whether a span lies behind what may be the end, for all that a total says.
    bool is_behind_mark(std::uint64_t begin) const
    {
        return first_mark() < begin && !needs_patience();
    }

    /// Whether any span but that one is in flight.
    bool is_in_flight_besides(std::uint64_t begin) const
    {
        return in_flight_.size() > in_flight_.count(begin);
    }

    /// Whether a span has brought a mark, and no records are behind it.
    bool is_mark(std::uint64_t begin) const { return marks_.count(begin) > 0; }

    /// Whether a span has brought a mark of which it is not known what it is, and what is in flight
    /// may tell.
    bool is_open(std::uint64_t begin) const
    {
        return marks_.count(begin) > 0 && begin < limit() && !in_flight_.empty();
    }

    /// How many spans may be given out at once while the end is not known: one less than may go
    /// behind it, which is left for the first mark, unless that is much of them. In order, where
    /// all that were given out keep a place, no more than may go there.
    std::size_t most_at_once() const noexcept
    {
        if (total_ || !rules_.asks_again)
            return std::numeric_limits<std::size_t>::max();
        if (rules_.in_flight >= enough_to_leave_one)
            return rules_.in_flight - 1;
        return rules_.in_order ? rules_.in_flight : std::numeric_limits<std::size_t>::max();
    }

    /// The first mark of those with no records behind, if there is one.
    std::optional<place> ended() const
    {
        if (marks_.empty())
            return std::nullopt;
        return place{marks_.begin()->first, marks_.begin()->second};
    }
    std::uint64_t first_mark() const { return marks_.empty() ? nowhere : marks_.begin()->first; }

    /// How many follow each other there.
    std::size_t in_a_row() const { return marks_.empty() ? 0 : run_length(marks_.begin()); }

    /// Whether those from the first on are enough to be the end, and whether they would be if two
    /// were, for a caller who may ask for no more.
    bool is_run() const { return !marks_.empty() && (has(rules_.marks) || is_mixed()); }
    bool is_likely() const { return !marks_.empty() && has(2); }

    /// Where the list could not be read on; `nowhere` if nowhere.
    std::uint64_t failed_at() const noexcept { return failed_from_; }

    /// The mark that is the reason for that, if it is one: there are records behind it.
    const std::optional<place>& hole() const noexcept { return hole_; }

    /// Whether so many marks came, of kinds that do not go together, that no end will be proved.
    bool is_mixed() const
    {
        return !marks_.empty() && !has(rules_.marks) &&
               (run_length(marks_.begin(), true) >= most_mixed || is_barren());
    }

    /// Whether a span has brought a mark and is asked for again.
    bool is_asked_again(std::uint64_t begin) const { return again_.count(begin) > 0; }

    bool has_data_behind(std::uint64_t begin) const noexcept
    {
        return spans_ > 0 && last_data_ > begin;
    }

    /// Where the hindmost span with records begins, and how many there are.
    std::uint64_t last_data() const noexcept { return last_data_; }
    std::uint64_t spans() const noexcept { return spans_; }

    /// Begins anew at a place, by the same rules.
    void restart(std::uint64_t begin)
    {
        list_end fresh;
        fresh.rules_ = rules_;
        fresh.total_ = total_;
        fresh.last_data_ = begin;
        *this = std::move(fresh);
    }

    /// So many spans came before, in a run that this one goes on from; the hindmost of them begins
    /// at `last`.
    void resume(std::uint64_t spans, std::uint64_t last) noexcept
    {
        spans_ = spans;
        last_data_ = last;
    }

private:
    using marks = std::map<std::uint64_t, mark>;

    /// How many empty spans in a row are needed to believe in the end of a list that, says its
    /// total, goes on.
    static constexpr std::size_t patience = 10;

    static constexpr std::size_t most_mixed = 2 * patience;

    /// With so many in flight there is one to leave. Of few that is much, but the alternative is to
    /// lose the last page to a single slip, or to ask for more behind the end than may be.
    static constexpr std::size_t enough_to_leave_one = 3;

    /// After so many empty spans that were empty again the server is taken to have such.
    static constexpr std::size_t most_empty_again = 16;

    /// Whether so many marks have come since the last records that an end would have been proved
    /// long ago, had the server one. So a run ends whatever comes.
    bool is_barren() const noexcept
    {
        return barren_ >= 4 * (most_mixed + longest_gap_) + 2 * rules_.in_flight;
    }

    /// How many marks from that one on may come from one server, or all, with nothing unknown in
    /// between.
    std::size_t run_length(marks::const_iterator first, bool all = false) const
    {
        std::size_t result = 0;
        std::uint64_t end = first->first;
        for (auto each = first; each != marks_.end() && each->first <= end &&
                                (all || each->second.goes_with(first->second));
             ++each, ++result)
            end = std::max(end, each->first + each->second.count);
        return result;
    }

    bool has(std::size_t least) const { return in_a_row() >= needed(least); }

    /// How many marks from the first on are the end, usually `least`. A list that has had some in
    /// its midst needs a longer run of them, and one that begins with one is empty.
    std::size_t needed(std::size_t least) const
    {
        std::size_t result = least;
        if (first_mark() == 0)
            result = 1;
        else if (needs_patience())
            result = patience;
        else if (is_behind_total())
            result = rules_.trusts_total ? 1 : std::min<std::size_t>(least, 2);
        return std::max(result, longest_gap_ + 1);
    }

    /// Whether the first mark is where the total says that the list ends.
    bool is_behind_total() const
    {
        return total_ && first_mark() >= *total_ && last_data_ < *total_;
    }

    /// Whether the first mark is an empty span, and the list goes on behind it, says the total.
    bool needs_patience() const
    {
        return total_ && first_mark() < *total_ && marks_.begin()->second.what == mark::kind::empty;
    }

    /// Whether the first mark has to be there twice: it may have been a slip on the last page. Not
    /// where a total says that the list ends there.
    bool wants_confirmation() const
    {
        return rules_.asks_again && !is_settled_ && first_mark() != unconfirmed_ &&
               !marks_.begin()->second.is_twice && first_mark() > 0 && !is_behind_total();
    }

    /// Asks for the first mark of an end once more, when all before it is there, or one that stands
    /// before the end that a total tells. Where that would be one request too many behind the end
    /// the mark is believed.
    void confirm(orders& result)
    {
        if (marks_.empty())
            return;
        const bool is_before_total = total_ && first_mark() < *total_;
        if (!(is_run() || is_before_total || is_alone()) || !wants_confirmation() ||
            is_before_in_flight() || is_asked_again(first_mark()))
            return;
        if (is_before_total ||
            marks_.size() + in_flight_behind(first_mark()) + 1 <= rules_.most_behind)
            ask_again(first_mark(), marks_.begin()->second, result);
        else
            unconfirmed_ = first_mark();
    }

    /// Whether nothing is in flight that could tell what the first mark is. In order that is the
    /// last moment for asking for it again in its place, if there will be a request left for it.
    bool is_alone() const
    {
        return rules_.in_order && in_flight_.empty() && needed(rules_.marks) < rules_.most_behind;
    }

    std::size_t in_flight_behind(std::uint64_t begin) const
    {
        return static_cast<std::size_t>(
            std::distance(in_flight_.upper_bound(begin), in_flight_.end()));
    }

    bool is_before_in_flight() const
    {
        return !in_flight_.empty() && *in_flight_.begin() < first_mark();
    }

    void ask_again(std::uint64_t begin, const mark& what, orders& result)
    {
        if (again_.emplace(begin, what).second)
            result.again.emplace(begin, what.count);
    }

    void doubt_before(marks::const_iterator end, orders& result)
    {
        while (marks_.begin() != end) {
            const auto first = marks_.extract(marks_.begin());
            doubt(first.key(), first.mapped(), result);
        }
    }

    /// There are records behind a mark, or marks of another kind that are the end: it is asked for
    /// once more. If it is there again it is
    /// believed; an empty span is then nothing, and anything else a hole in the list. The rest of
    /// the last span is nothing, too, where a server gives the whole of that for it.
    void doubt(std::uint64_t begin, const mark& what, orders& result)
    {
        const bool is_rest_of_last =
            what.what == mark::kind::copy && what.is_rest_of_it && what.other == last_data_;
        const bool is_empty = what.what == mark::kind::empty || is_rest_of_last;
        if (rules_.asks_again && !what.is_twice &&
            !(is_empty && empty_again_ == most_empty_again)) {
            ask_again(begin, what, result);
        } else if (is_empty) {
            empty_again_ = std::min(empty_again_ + 1, most_empty_again);
            result.empty.emplace(begin, what.count);
        } else if (failed(begin)) {
            hole_ = place{begin, what};
        }
    }

    rules rules_;
    std::optional<std::uint64_t> total_;
    std::uint64_t failed_from_ = nowhere;
    std::optional<place> hole_;
    std::uint64_t last_data_ = 0;
    std::uint64_t spans_ = 0; // with records, copies not counted
    std::size_t longest_gap_ = 0;
    std::size_t barren_ = 0; // marks since then
    std::size_t empty_again_ = 0;
    bool is_settled_ = false; // in order an end was believed, and then records came behind it
    std::uint64_t unconfirmed_ = nowhere; // a first mark that is believed though it was there once
    marks marks_;                         // behind the hindmost span with records
    marks again_;                         // are asked for once more
    std::set<std::uint64_t> in_flight_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
