#ifndef HEADGATE_DETAIL_NUMBERED_PLAN_HPP
#define HEADGATE_DETAIL_NUMBERED_PLAN_HPP

#include <headgate/detail/recent_digests.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace headgate::detail {

/// Plans the pages of a list that can be asked for by number, and finds its end.
///
/// The first span is given out alone, because it tells whether the server answers at all, how large
/// its pages are and perhaps how many records there are. Then spans are given out in order, as many
/// as the caller takes, also where the end is not known: those behind it turn out to be marks of
/// the end. Such a mark is an empty span, one that the server says it has not, or one that repeats
/// another. What is received proves the end, in whatever order it comes: marks that follow each
/// other, with nothing behind them. A mark with records behind it is asked for once more: it may
/// have been a slip of the server. A total only plans; when it is reached one more span is asked
/// for to see that nothing follows. A unit is a record for offsets, a page for page numbers.
class numbered_plan {
public:
    static constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();

    struct span {
        std::uint64_t begin;
        std::uint64_t count; ///< 0: as many as the server gives
    };

    /// What a server gives behind the end of a list.
    struct mark {
        enum class kind { empty, missing, copy };

        kind what;
        std::uint64_t count;     ///< of the span
        int status = 0;          ///< of an answer that says that there is no such span
        std::uint64_t other = 0; ///< where the span is of which it is a copy

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

    /// The units in a span; until it is known it is what the first span brings.
    void step(std::uint64_t units) noexcept { step_ = units; }
    std::uint64_t step() const noexcept { return step_; }

    /// So many marks in a row are taken for the end, if nothing else says that it is.
    void marks_at_end(std::size_t spans) noexcept { marks_at_end_ = spans; }

    /// Spans are delivered in order, so that one that was passed over cannot be asked for later:
    /// what was given out is asked for, and an end that was believed in stays the end.
    void in_order(bool on) noexcept { in_order_ = on; }
    bool is_in_order() const noexcept { return in_order_; }

    /// A mark with records behind it is believed at once.
    void believe_marks() noexcept { asks_again_ = false; }

    /// The span at the very beginning is longer by so many units.
    void more_at_first(std::uint64_t units) noexcept { more_at_first_ = units; }

    std::optional<span> next()
    {
        if (!started_) {
            started_ = true;
            return give(first_step());
        }
        if (!first_is_here_ || step_ == 0)
            return std::nullopt;
        if (!skipped_.empty() && skipped_.begin()->first < limit()) {
            const auto [begin, count] = *skipped_.begin();
            if (waits_for_proof(begin))
                return std::nullopt;
            skipped_.erase(skipped_.begin());
            ++outstanding_;
            return span{begin, count};
        }
        if (limit() != none || !more() || waits_for_proof(planned_))
            return std::nullopt;
        return give(planned_ == 0 ? first_step() : step_);
    }

    /// Whether a span that was given out is still of use. If not, it may be given out again later,
    /// but not in order.
    bool wanted(const span& which)
    {
        if (which.begin < limit() && (in_order_ || !waits_for_proof(which.begin))) {
            asked_for_.insert(which.begin);
            return true;
        }
        asked_for_.erase(which.begin);
        if (in_order_)
            passed_from_ = std::min(passed_from_, which.begin);
        else
            skipped_.emplace(which.begin, which.count);
        --outstanding_;
        return false;
    }

    /// What came of a span, or of the rest of one: `got` units. Returns false if it is a copy of
    /// another, and not to be delivered.
    bool received(const span& which, std::uint64_t got, std::size_t digest)
    {
        if (step_ == 0)
            planned_ = step_ = got;
        first_is_here_ = true;
        if (got == 0) {
            note(which.begin, {mark::kind::empty, which.count});
            return true;
        }
        if (const auto other = digests_.find(digest); other && *other != which.begin) {
            repeats(which, *other, got, digest);
            return false;
        }
        digests_.add(digest, which.begin);
        add(which.begin, got);
        return true;
    }

    /// The first span, which is `units` long, turned out to be as much as two pages of the
    /// server's. From `begin` on spans of that size are given out.
    void learn_step(std::uint64_t units, std::uint64_t begin) noexcept
    {
        step_ = units;
        planned_ = begin;
    }

    /// Whether no span but the first was given out yet.
    bool is_at_first() const noexcept { return planned_ == first_step(); }

    /// The span that begins there is done with, after its last `received`.
    void done(std::uint64_t begin)
    {
        --outstanding_;
        asked_for_.erase(begin);
    }

    /// The server says with that status that it has no such span.
    void missing(const span& which, int status)
    {
        first_is_here_ = true;
        note(which.begin, {mark::kind::missing, which.count, status});
    }

    /// A span cannot be had. Nothing behind it is asked for any more.
    /// @return whether it is the first in the list that cannot
    bool failed(const span& which)
    {
        first_is_here_ = true;
        const bool is_first = which.begin < failed_from_;
        failed_from_ = std::min(failed_from_, which.begin);
        return is_first;
    }

    /// A span is a copy of what belongs to the one at `begin`; others with that digest are, too.
    void remember(std::size_t digest, std::uint64_t begin) { digests_.add(digest, begin); }
    bool knows(std::size_t digest) const { return digests_.find(digest).has_value(); }

    void total(std::uint64_t units) noexcept { total_ = units; }
    std::optional<std::uint64_t> total() const noexcept { return total_; }

    /// Goes back to `begin` and forgets all that was given out; what comes of it must not be told.
    void restart(std::uint64_t begin)
    {
        numbered_plan fresh;
        fresh.started_ = fresh.first_is_here_ = true;
        fresh.step_ = step_;
        fresh.more_at_first_ = more_at_first_;
        fresh.marks_at_end_ = marks_at_end_;
        fresh.in_order_ = in_order_;
        fresh.asks_again_ = asks_again_;
        fresh.planned_ = fresh.end_ = fresh.last_data_ = begin;
        fresh.total_ = total_;
        *this = std::move(fresh);
    }

    bool is_over() const
    {
        return first_is_here_ && outstanding_ == 0 && (limit() != none || !more()) &&
               (skipped_.empty() || skipped_.begin()->first >= limit());
    }

    /// The mark at which the list ends, if there is one.
    std::optional<place> ended() const
    {
        if (marks_.empty())
            return std::nullopt;
        return place{marks_.begin()->first, marks_.begin()->second};
    }
    std::uint64_t ended_at() const { return marks_.empty() ? none : marks_.begin()->first; }

    /// How many follow each other there.
    std::size_t marks_in_a_row() const { return marks_.empty() ? 0 : run_length(marks_.begin()); }

    /// Where the list could not be read on; `none` if nowhere.
    std::uint64_t failed_at() const noexcept { return failed_from_; }

    /// The mark that is the reason for that, if it is one: there are records behind it.
    const std::optional<place>& hole() const noexcept { return hole_; }

    /// Whether a span is asked for again because there are records behind it.
    bool is_asked_again(const span& which) const { return again_.count(which.begin) > 0; }

    /// Whether records came from behind that place.
    bool has_data_behind(std::uint64_t begin) const noexcept
    {
        return pages_ > 0 && last_data_ > begin;
    }

    /// Whether a span lies where nothing is to be asked for any more.
    bool is_beyond(const span& which) const { return which.begin >= limit(); }

    /// Where the hindmost span with records begins.
    std::uint64_t last_data() const noexcept { return last_data_; }

    /// The end of what came without a gap.
    std::uint64_t end() const noexcept { return end_; }
    std::uint64_t first_gap() const noexcept { return std::min(first_gap_, end_); }

    /// How many spans with records came, copies not counted.
    std::uint64_t pages() const noexcept { return pages_; }

private:
    /// How many empty pages in a row are needed to believe in the end of a list that, says its
    /// total, goes on.
    static constexpr std::size_t patience = 10;

    std::uint64_t first_step() const noexcept { return step_ == 0 ? 0 : step_ + more_at_first_; }

    std::optional<span> give(std::uint64_t count)
    {
        ++outstanding_;
        const span result{planned_, count};
        planned_ += count;
        return result;
    }

    /// From where on nothing is to be asked for.
    std::uint64_t limit() const { return std::min({failed_from_, passed_from_, end_from()}); }

    /// Whether a span behind a mark is to wait, because those that are asked for behind that will
    /// tell whether it is the end. So no more is asked for behind the end than may be in flight.
    bool waits_for_proof(std::uint64_t begin) const
    {
        if (ended_at() >= begin || needs_patience())
            return false;
        const auto behind = asked_for_.upper_bound(ended_at());
        const auto in_flight = static_cast<std::size_t>(std::distance(behind, asked_for_.end())) -
                               asked_for_.count(begin);
        return in_flight > 0 && in_flight + marks_.size() >= marks_at_end_;
    }

    /// Where enough marks follow each other to be the end.
    std::uint64_t end_from() const
    {
        return marks_.empty() || marks_in_a_row() < needed() ? none : marks_.begin()->first;
    }

    using marks = std::map<std::uint64_t, mark>;

    /// How many marks from that one on may come from one server.
    std::size_t run_length(marks::const_iterator first) const
    {
        return static_cast<std::size_t>(
            std::distance(first, std::find_if(first, marks_.end(), [&](const auto& each) {
                              return !each.second.goes_with(first->second);
                          })));
    }

    /// How many marks from the first on are the end. A list that has had some in its midst needs a
    /// longer run of them, and one that begins with one is empty.
    std::size_t needed() const
    {
        const std::uint64_t begin = ended_at();
        const bool is_behind_total = total_ && begin >= *total_ && last_data_ < *total_;
        std::size_t result =
            begin == 0 || step_ == 0 || is_behind_total ? std::size_t{1} : marks_at_end_;
        if (step_ > 0 && needs_patience())
            result = patience;
        return std::max(result, longest_gap_ + 1);
    }

    /// Whether the first mark is an empty span, and the list goes on behind it, says the total.
    bool needs_patience() const
    {
        return total_ && ended_at() < *total_ && marks_.begin()->second.what == mark::kind::empty;
    }

    void note(std::uint64_t begin, const mark& what)
    {
        asked_for_.erase(begin);
        if (has_data_behind(begin)) {
            doubt(begin, what);
            return;
        }
        marks_.insert_or_assign(begin, what);
        // What no server gives at an end stands before one that is proved.
        auto last = marks_.cbegin(); // of the runs the last
        for (auto each = last; each != marks_.cend(); ++each)
            if (!each->second.goes_with(last->second))
                last = each;
        if (run_length(last) >= std::max<std::size_t>(marks_at_end_, 2))
            doubt_before(last);
    }

    void doubt_before(marks::const_iterator end)
    {
        while (marks_.begin() != end) {
            const auto first = marks_.extract(marks_.begin());
            doubt(first.key(), first.mapped());
        }
    }

    /// There are records behind a mark: it is asked for once more. If it is there again it is
    /// believed; an empty span is then nothing, and anything else a hole in the list. The rest of
    /// the last span is nothing, too, where a server gives the whole of that for it.
    void doubt(std::uint64_t begin, const mark& what)
    {
        const bool is_rest_of_last =
            what.what == mark::kind::copy && what.other == last_data_ && begin - last_data_ < step_;
        const bool is_empty = what.what == mark::kind::empty || is_rest_of_last;
        if (again_.erase(begin) == 0 && asks_again_ &&
            !(is_empty && empty_again_ == most_empty_again)) {
            again_.insert(begin);
            skipped_.emplace(begin, what.count);
        } else if (is_empty) {
            empty_again_ = std::min(empty_again_ + 1, most_empty_again);
            first_gap_ = std::min(first_gap_, begin);
            close_gap(begin, what.count);
        } else if (begin < failed_from_) {
            failed_from_ = begin;
            hole_ = place{begin, what};
        }
    }

    bool more() const noexcept
    {
        if (!total_ || planned_ < *total_)
            return true;
        // The total is reached. Only the data can say that this is the end.
        return outstanding_ == 0 && end_ >= *total_ &&
               (end_ == planned_ || (!marks_.empty() && end_from() == none));
    }

    void add(std::uint64_t begin, std::uint64_t got)
    {
        ++pages_;
        again_.erase(begin);
        marks_.erase(begin);
        if (begin >= last_data_) {
            const bool is_over = in_order_ && end_from() != none;
            last_data_ = begin;
            if (const auto behind = marks_.lower_bound(begin); !is_over) {
                longest_gap_ = std::max(
                    longest_gap_, static_cast<std::size_t>(std::distance(marks_.begin(), behind)));
                doubt_before(behind);
            }
        }
        close_gap(begin, got);
    }

    void close_gap(std::uint64_t begin, std::uint64_t units)
    {
        behind_[begin] = begin + units;
        while (!behind_.empty() && behind_.begin()->first <= end_) {
            end_ = std::max(end_, behind_.begin()->second);
            behind_.erase(behind_.begin());
        }
    }

    /// Of two copies the one that stands first in the list is the page, whichever came first.
    void repeats(const span& which, std::uint64_t other, std::uint64_t got, std::size_t digest)
    {
        if (which.begin > other) {
            note(which.begin, {mark::kind::copy, which.count, 0, other});
            return;
        }
        const auto moved = behind_.find(other);
        const std::uint64_t count = moved == behind_.end() ? step_ : moved->second - other;
        behind_.erase(other);
        last_data_ = behind_.empty() ? which.begin : std::max(which.begin, behind_.rbegin()->first);
        --pages_;
        add(which.begin, got);
        digests_.replace(digest, which.begin);
        for (auto& [begin, each] : marks_)
            if (each.what == mark::kind::copy && each.other == other)
                each.other = which.begin;
        note(other, {mark::kind::copy, count, 0, which.begin});
    }

    /// After so many empty spans that were empty again the server is taken to have such.
    static constexpr std::size_t most_empty_again = 3;

    bool started_ = false;
    bool first_is_here_ = false;
    std::uint64_t step_ = 0;
    std::uint64_t more_at_first_ = 0;
    std::size_t marks_at_end_ = 1;
    bool in_order_ = false;
    bool asks_again_ = true;
    std::uint64_t planned_ = 0;
    std::uint64_t outstanding_ = 0;
    std::uint64_t failed_from_ = none;
    std::uint64_t passed_from_ = none; // not asked for when its turn was
    std::optional<place> hole_;
    std::uint64_t end_ = 0;
    std::uint64_t last_data_ = 0; // where the hindmost page with records begins
    std::uint64_t pages_ = 0;
    std::size_t longest_gap_ = 0;
    std::size_t empty_again_ = 0;
    std::uint64_t first_gap_ = none;                 // that an empty span has left
    marks marks_;                                    // behind the hindmost page with records
    std::set<std::uint64_t> again_;                  // had a mark, and are asked for once more
    std::map<std::uint64_t, std::uint64_t> skipped_; // given out and not asked for: begin, count
    std::set<std::uint64_t> asked_for_;              // and not done with
    std::map<std::uint64_t, std::uint64_t> behind_;  // what came behind a gap: begin, end
    std::optional<std::uint64_t> total_;
    recent_digests digests_;
};

} // namespace headgate::detail

#endif
