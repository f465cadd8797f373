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
/// as the caller takes, also where the end is not known: those behind it turn out empty. What is
/// received proves the end, in whatever order it comes: an empty span with nothing behind it, a
/// span that the server says it has not, or one that repeats another. A total only plans; when it
/// is reached one more span is asked for to see that nothing follows. A unit is a record for
/// offsets, a page for page numbers.
class numbered_plan {
public:
    static constexpr std::uint64_t none = std::numeric_limits<std::uint64_t>::max();

    struct span {
        std::uint64_t begin;
        std::uint64_t count; ///< 0: as many as the server gives
    };

    /// The units in a span; until it is known it is what the first span brings.
    void step(std::uint64_t units) noexcept { step_ = units; }
    std::uint64_t step() const noexcept { return step_; }

    /// So many empty spans in a row are taken for the end, if nothing else says that it is.
    void empties_at_end(std::size_t spans) noexcept { empties_at_end_ = spans; }

    /// Spans are delivered in order, so that one that was passed over cannot be asked for later:
    /// what was given out is asked for, and an end that was believed in stays the end.
    void in_order(bool on) noexcept { in_order_ = on; }

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
        if (!skipped_.empty() && *skipped_.begin() < limit()) {
            if (waits_for_proof(*skipped_.begin()))
                return std::nullopt;
            const span result{*skipped_.begin(), step_};
            skipped_.erase(skipped_.begin());
            ++outstanding_;
            return result;
        }
        if (limit() != none || !more() || waits_for_proof(planned_))
            return std::nullopt;
        return give(planned_ == 0 ? first_step() : step_);
    }

    /// Whether a span that was given out is still of use. If not, it may be given out again later.
    bool wanted(const span& which)
    {
        if (which.begin < limit() && (in_order_ || !waits_for_proof(which.begin))) {
            asked_for_.insert(which.begin);
            return true;
        }
        asked_for_.erase(which.begin);
        skipped_.insert(which.begin);
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
            if (which.begin >= last_data_)
                empty_.insert(which.begin);
            asked_for_.erase(which.begin);
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

    /// The server says that it has no such span.
    void missing(const span& which)
    {
        first_is_here_ = true;
        missing_from_ = std::min(missing_from_, which.begin);
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

    void total(std::uint64_t units) noexcept { total_ = units; }
    std::optional<std::uint64_t> total() const noexcept { return total_; }

    /// Goes back to `begin` and forgets all that was given out; what comes of it must not be told.
    void restart(std::uint64_t begin)
    {
        numbered_plan fresh;
        fresh.started_ = fresh.first_is_here_ = true;
        fresh.step_ = step_;
        fresh.more_at_first_ = more_at_first_;
        fresh.empties_at_end_ = empties_at_end_;
        fresh.in_order_ = in_order_;
        fresh.planned_ = fresh.end_ = fresh.last_data_ = begin;
        fresh.total_ = total_;
        *this = std::move(fresh);
    }

    bool is_over() const
    {
        return first_is_here_ && outstanding_ == 0 && (limit() != none || !more()) &&
               (skipped_.empty() || *skipped_.begin() >= limit());
    }

    /// Where the list ends according to the data, and where it could not be read on; `none` if
    /// nothing says so.
    std::uint64_t ended_at() const { return std::min(missing_from_, first_empty()); }
    std::uint64_t failed_at() const noexcept { return failed_from_; }
    bool is_missing_at_end() const { return missing_from_ <= first_empty(); }

    /// Whether records came from behind that place.
    bool has_data_behind(std::uint64_t place) const noexcept
    {
        return pages_ > 0 && last_data_ > place;
    }

    /// Whether a span lies where nothing is to be asked for any more.
    bool is_beyond(const span& which) const { return which.begin >= limit(); }

    /// The end of what came without a gap.
    std::uint64_t end() const noexcept { return end_; }

    /// The place of a page that was the same as another, and of that one.
    const std::optional<span>& repetition() const noexcept { return repetition_; }

    /// Whether all that the server ever gave is one page, again and again.
    bool is_stuck() const noexcept { return repetition_ && pages_ == 1; }

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
    std::uint64_t limit() const { return std::min({missing_from_, failed_from_, empty_from()}); }

    /// Whether a span behind an empty one is to wait, because another one behind that is asked for
    /// and will tell whether it is the end. So no more is asked for behind the end than may be in
    /// flight.
    bool waits_for_proof(std::uint64_t begin) const
    {
        const std::uint64_t empty = first_empty();
        if (empty >= begin || (total_ && empty < *total_))
            return false;
        const auto behind = asked_for_.upper_bound(empty);
        return behind != asked_for_.end() &&
               (*behind != begin || std::next(behind) != asked_for_.end());
    }

    std::uint64_t first_empty() const { return empty_.empty() ? none : *empty_.begin(); }

    /// Where enough empty pages follow each other to be the end. A list that has had empty pages in
    /// its midst needs a longer run of them, and one that begins with one is empty.
    std::uint64_t empty_from() const
    {
        std::size_t seen = 0;
        for (const std::uint64_t begin : empty_) {
            ++seen;
            const bool goes_on = step_ > 0 && total_ && begin < *total_;
            const bool is_behind_total = total_ && *empty_.begin() >= *total_;
            const bool is_run = seen > longest_gap_ && (seen >= empties_at_end_ || begin == 0 ||
                                                        step_ == 0 || is_behind_total);
            if (is_run && (!goes_on || seen >= patience))
                return *empty_.begin();
        }
        return none;
    }

    bool more() const noexcept
    {
        if (!total_ || planned_ < *total_)
            return true;
        // The total is reached. Only the data can say that this is the end.
        return outstanding_ == 0 && end_ >= *total_ && end_ == planned_;
    }

    void add(std::uint64_t begin, std::uint64_t got)
    {
        ++pages_;
        if (begin >= last_data_) {
            if (!in_order_ || empty_from() == none) {
                const auto behind = empty_.lower_bound(begin);
                longest_gap_ = std::max(
                    longest_gap_, static_cast<std::size_t>(std::distance(empty_.begin(), behind)));
                empty_.erase(empty_.begin(), behind);
            }
            last_data_ = begin;
        }
        behind_[begin] = begin + got;
        while (!behind_.empty() && behind_.begin()->first <= end_) {
            end_ = std::max(end_, behind_.begin()->second);
            behind_.erase(behind_.begin());
        }
    }

    /// Of two copies the one that stands first in the list is the page, whichever came first.
    void repeats(const span& which, std::uint64_t other, std::uint64_t got, std::size_t digest)
    {
        const std::uint64_t copy = std::max(which.begin, other);
        missing_from_ = std::min(missing_from_, copy);
        repetition_ = span{copy, std::min(which.begin, other)};
        if (which.begin < other) {
            behind_.erase(other);
            last_data_ =
                behind_.empty() ? which.begin : std::max(which.begin, behind_.rbegin()->first);
            --pages_;
            add(which.begin, got);
            digests_.replace(digest, which.begin);
        }
    }

    bool started_ = false;
    bool first_is_here_ = false;
    std::uint64_t step_ = 0;
    std::uint64_t more_at_first_ = 0;
    std::size_t empties_at_end_ = 1;
    bool in_order_ = false;
    std::uint64_t planned_ = 0;
    std::uint64_t outstanding_ = 0;
    std::uint64_t missing_from_ = none;
    std::uint64_t failed_from_ = none;
    std::uint64_t end_ = 0;
    std::uint64_t last_data_ = 0; // where the hindmost page with records begins
    std::uint64_t pages_ = 0;
    std::size_t longest_gap_ = 0;
    std::set<std::uint64_t> empty_;                 // behind the hindmost page with records
    std::set<std::uint64_t> skipped_;               // given out and not asked for
    std::set<std::uint64_t> asked_for_;             // and not done with
    std::map<std::uint64_t, std::uint64_t> behind_; // what came behind a gap: begin, end
    std::optional<std::uint64_t> total_;
    std::optional<span> repetition_;
    recent_digests digests_;
};

} // namespace headgate::detail

#endif
