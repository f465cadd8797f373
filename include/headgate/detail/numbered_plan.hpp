#ifndef HEADGATE_DETAIL_NUMBERED_PLAN_HPP
#define HEADGATE_DETAIL_NUMBERED_PLAN_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/list_end.hpp>
#include <headgate/detail/recent_digests.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Plans the pages of a list that can be asked for by number, and finds its end.
///
/// The first span is given out alone, because it tells whether the server answers at all, how large
/// its pages are and perhaps how many records there are. Then spans are given out in order, as many
/// as the caller takes, also where the end is not known: those behind it turn out to be marks of
/// the end; see `list_end`. A total only plans; when it is reached one more span is asked for to
/// see that nothing follows. A unit is a record for offsets, a page for page numbers.
class numbered_plan {
public:
    static constexpr std::uint64_t none = list_end::nowhere;

    struct span {
        std::uint64_t begin;
        std::uint64_t count; ///< 0: as many as the server gives
    };

    /// By which rules the end is found. In order a span that was given out keeps its place; see
    /// `is_held_back`.
    list_end::rules& rules() noexcept { return ending_.by_rules(); }

    /// What was found so far.
    const list_end& ending() const noexcept { return ending_; }

    /// The units in a span; until it is known it is what the first span brings.
    void step(std::uint64_t units) noexcept { step_ = units; }
    std::uint64_t step() const noexcept { return step_; }

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
        obey(ending_.review());
        if (!skipped_.empty() && skipped_.begin()->first < limit()) {
            const auto [begin, count] = *skipped_.begin();
            if (must_wait(begin))
                return std::nullopt;
            skipped_.erase(skipped_.begin());
            if (ending_.by_rules().in_order)
                late_.insert(begin);
            return give_out({begin, count});
        }
        pass_had();
        if (limit() != none || !more() || must_wait(planned_) ||
            out_.size() >= ending_.most_at_once() || (is_alone_ && !out_.empty()))
            return std::nullopt;
        return give(planned_ == 0 ? first_step() : step_);
    }

    /// Whether a span that was given out is of use now. If not, it may be given out again later,
    /// or in order it may be held back.
    bool wanted(const span& which)
    {
        if (parked_.count(which.begin) > 0)
            return is_to_be_asked_again(which.begin);
        if (out_.count(which.begin) == 0)
            return false; // it has brought a mark, and was let go
        if (which.begin < limit() && !must_wait(which.begin)) {
            ending_.sent(which.begin);
            return true;
        }
        obey(ending_.done(which.begin));
        if (is_held_back(which))
            return false;
        if (ending_.by_rules().in_order)
            passed_from_ = std::min(passed_from_, which.begin);
        else
            skipped_.emplace(which.begin, which.count);
        take_back(which.begin);
        return false;
    }

    /// Whether a span that is not wanted now may be later, in the same place.
    bool is_held_back(const span& which) const
    {
        return ending_.by_rules().in_order && which.begin < limit() && out_.count(which.begin) > 0;
    }

    /// Whether a span has brought a mark and keeps its place until it is known what that is: it may
    /// be wanted again. So it is in order.
    bool may_come_again(const span& which) const { return parked_.count(which.begin) > 0; }

    /// Whether a span is asked for again after those behind it had their places.
    bool is_late(const span& which) const { return late_.count(which.begin) > 0; }

    /// What came of a span, or of the rest of one: `got` units. Returns false if it is a copy of
    /// another, and not to be delivered.
    bool received(const span& which, std::uint64_t got, std::size_t digest)
    {
        is_alone_ = false;
        taken_back_.reset();
        if (got == 0 && which.begin == 0 && !first_was_empty_ && ending_.total() != 0U) {
            first_was_empty_ = true; // once: the first span is given out again
            started_ = false;
            planned_ = 0;
            return true;
        }
        if (step_ == 0)
            planned_ = step_ = got;
        first_is_here_ = true;
        if (got == 0) {
            note(which.begin, {list_end::mark::kind::empty, which.count});
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

    /// The span in whose place what came last has come before, and was delivered.
    std::optional<std::uint64_t> taken_back() const noexcept { return taken_back_; }

    /// A span brought nothing but what belongs to those before it, the last of which begins at
    /// `other`.
    void brings_nothing_new(const span& which, std::uint64_t other, std::size_t digest)
    {
        remember(digest, other);
        note_copy(which.begin, which.count, other);
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
    /// @param came_in_parts  what came last was the rest of it, which has no place of its own
    void done(std::uint64_t begin, bool came_in_parts = false)
    {
        const list_end::orders found = ending_.done(begin);
        const bool keeps_place = !came_in_parts && keeps_its_place(begin);
        take_back(begin);
        if (keeps_place) {
            out_.insert(begin);
            parked_.insert(begin);
            if (auto again = skipped_.extract(begin); !again.empty()) {
                later_.insert(std::move(again));
                ending_.sent(begin); // others wait for it
            }
        }
        obey(found);
    }

    /// The server says with that status that it has no such span.
    void missing(const span& which, int status)
    {
        first_is_here_ = true;
        is_alone_ = false;
        note(which.begin, {list_end::mark::kind::missing, which.count, status});
    }

    /// A span cannot be had. Nothing behind it is asked for any more.
    /// @return whether it is the first in the list that cannot
    bool failed(const span& which)
    {
        first_is_here_ = true;
        is_alone_ = false;
        return ending_.failed(which.begin);
    }

    /// A span is a copy of what belongs to the one at `begin`; others with that digest are, too.
    void remember(std::size_t digest, std::uint64_t begin) { digests_.add(digest, begin); }
    bool knows(std::size_t digest) const { return digests_.find(digest).has_value(); }

    void total(std::uint64_t units) noexcept { ending_.total(units); }
    std::optional<std::uint64_t> total() const noexcept { return ending_.total(); }

    /// Goes back to `begin` and forgets all that was given out; what comes of it must not be told.
    void restart(std::uint64_t begin)
    {
        numbered_plan fresh;
        fresh.started_ = fresh.first_is_here_ = fresh.first_was_empty_ = true;
        fresh.step_ = step_;
        fresh.more_at_first_ = more_at_first_;
        fresh.planned_ = fresh.end_ = begin;
        fresh.ending_ = std::move(ending_);
        fresh.ending_.restart(begin);
        *this = std::move(fresh);
    }

    /// Goes on where a run before stood: what is in `spans`, as where each begins and ends, has
    /// come in so many `pages`, the hindmost of which begins at `last`. A total is to be told
    /// before.
    void resume(std::uint64_t step, const std::map<std::uint64_t, std::uint64_t>& spans,
                std::uint64_t pages, std::uint64_t last)
    {
        started_ = first_is_here_ = first_was_empty_ = true;
        step_ = step;
        for (const auto& [begin, end] : spans)
            close_gap(begin, end - begin);
        planned_ = end_;
        had_ = behind_;
        ending_.resume(pages, last);
        is_alone_ = !ending_.total();
    }

    bool is_over() const
    {
        return first_is_here_ && out_.empty() && (limit() != none || !more()) &&
               (skipped_.empty() || skipped_.begin()->first >= limit());
    }

    /// Whether all before the first mark has come.
    bool is_whole() const { return ending_.first_mark() <= end_ || is_empty(); }

    /// Whether the first span, and nothing else, has come, and was empty.
    bool is_empty() const { return first_was_empty_ && !first_is_here_; }

    /// Whether something has come from there on.
    bool has_come(std::uint64_t begin) const { return end_ > begin || behind_.count(begin) > 0; }

    /// No more will come of a span.
    void pass_over(const span& which) { close_gap(which.begin, which.count); }

    /// Whether a span lies where nothing is to be asked for any more.
    bool is_beyond(const span& which) const { return which.begin >= limit(); }

    /// The end of what came without a gap, and the first that an empty span has left.
    std::uint64_t end() const noexcept { return end_; }
    std::uint64_t first_gap() const noexcept { return std::min(first_gap_, end_); }

private:
    std::uint64_t first_step() const noexcept { return step_ == 0 ? 0 : step_ + more_at_first_; }

    /// What a run before has had is not asked for again.
    void pass_had()
    {
        while (!had_.empty() && had_.begin()->first <= planned_) {
            planned_ = std::max(planned_, had_.begin()->second);
            had_.erase(had_.begin());
        }
    }

    std::optional<span> give(std::uint64_t count)
    {
        if (!had_.empty())
            count = std::min(count, had_.begin()->first - planned_);
        const span result{planned_, count};
        planned_ += count;
        return give_out(result);
    }

    span give_out(const span& which)
    {
        out_.insert(which.begin);
        return which;
    }

    /// Whether a span that has come may be asked for again, in its place.
    bool keeps_its_place(std::uint64_t begin) const
    {
        return ending_.by_rules().in_order && ending_.by_rules().asks_again && begin < limit() &&
               (ending_.is_mark(begin) || later_.count(begin) > 0 || skipped_.count(begin) > 0);
    }

    /// Whether one that has brought a mark, and kept its place, is asked for again there. If it is
    /// known what the mark is, or nothing in flight will tell, it has no place any more.
    bool is_to_be_asked_again(std::uint64_t begin)
    {
        obey(ending_.review());
        const bool is_again = later_.erase(begin) > 0;
        if (is_again && begin < limit()) {
            parked_.erase(begin);
            return true;
        }
        if (is_again)
            obey(ending_.done(begin));
        if (is_again || !ending_.is_open(begin)) {
            parked_.erase(begin);
            take_back(begin);
        }
        return false;
    }

    void take_back(std::uint64_t begin)
    {
        if (const auto found = out_.find(begin); found != out_.end())
            out_.erase(found);
        if (auto again = later_.extract(begin); !again.empty())
            skipped_.insert(std::move(again));
    }

    /// Whether a span is to wait for others that will tell whether it is behind the end: for those
    /// in flight, which is all that one which keeps its place may wait for, or for any that can
    /// still be asked for before it. Behind a mark these always go first: only marks in a row are
    /// the end.
    bool must_wait(std::uint64_t begin) const
    {
        if (ending_.by_rules().in_order)
            return ending_.must_wait(begin) && ending_.is_in_flight_besides(begin);
        if (ending_.is_behind_mark(begin) && has_unsent_before(begin))
            return true;
        return ending_.must_wait(begin) &&
               (out_.size() > out_.count(begin) || has_skipped_before(begin));
    }

    bool has_skipped_before(std::uint64_t begin) const
    {
        return !skipped_.empty() && skipped_.begin()->first < begin;
    }

    /// Whether a span before that one was given out and is not asked for yet.
    bool has_unsent_before(std::uint64_t begin) const
    {
        return has_skipped_before(begin) ||
               std::any_of(out_.begin(), out_.lower_bound(begin),
                           [this](std::uint64_t each) { return !ending_.is_in_flight(each); });
    }

    /// From where on nothing is to be asked for.
    std::uint64_t limit() const { return std::min(passed_from_, ending_.limit()); }

    bool more() const noexcept
    {
        const auto total = ending_.total();
        if (!total || planned_ < *total)
            return true;
        // The total is reached. Only the data can say that this is the end.
        return out_.empty() && end_ >= *total &&
               (end_ == planned_ || (ending_.ended() && ending_.from() == none));
    }

    void note(std::uint64_t begin, const list_end::mark& what) { obey(ending_.note(begin, what)); }

    void note_copy(std::uint64_t begin, std::uint64_t count, std::uint64_t other)
    {
        list_end::mark what{list_end::mark::kind::copy, count};
        what.other = other;
        what.is_rest_of_it = begin > other && begin - other < step_;
        note(begin, what);
    }

    void obey(const list_end::orders& what)
    {
        // One that is still being read, its rest for example, cannot be given out at the same time.
        for (const auto& [begin, count] : what.again) {
            (out_.count(begin) > 0 ? later_ : skipped_).emplace(begin, count);
            if (parked_.count(begin) > 0)
                ending_.sent(begin);
        }
        for (const auto& [begin, count] : what.empty) {
            first_gap_ = std::min(first_gap_, begin);
            close_gap(begin, count);
        }
    }

    void add(std::uint64_t begin, std::uint64_t got)
    {
        obey(ending_.data(begin));
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

    /// What came for a span is of another. A run before may have joined it with those beside it.
    void open_gap(std::uint64_t begin)
    {
        auto found = behind_.upper_bound(begin);
        if (found == behind_.begin() || (--found)->second <= begin)
            return;
        const auto [from, to] = *found;
        behind_.erase(found);
        if (from < begin)
            behind_.emplace(from, begin);
        if (begin + step_ < to)
            behind_.emplace(begin + step_, to);
    }

    /// Of two copies the one that stands first in the list is the page, whichever came first.
    void repeats(const span& which, std::uint64_t other, std::uint64_t got, std::size_t digest)
    {
        if (which.begin > other) {
            note_copy(which.begin, which.count, other);
            return;
        }
        open_gap(other);
        taken_back_ = other;
        ending_.take_back(other, which.begin,
                          behind_.empty() ? which.begin
                                          : std::max(which.begin, behind_.rbegin()->first));
        add(which.begin, got);
        digests_.replace(digest, which.begin);
        note_copy(other, step_, which.begin);
    }

    bool started_ = false;
    bool first_is_here_ = false;
    bool first_was_empty_ = false;
    bool is_alone_ = false; // the next span is the first of a run, and may be behind the end
    std::uint64_t step_ = 0;
    std::uint64_t more_at_first_ = 0;
    std::uint64_t planned_ = 0;
    std::uint64_t passed_from_ = none; // not asked for when its turn was
    std::uint64_t end_ = 0;
    std::uint64_t first_gap_ = none;
    std::map<std::uint64_t, std::uint64_t> skipped_; // given out and not asked for: begin, count
    std::map<std::uint64_t, std::uint64_t> later_;   // of these those that are still out
    std::optional<std::uint64_t> taken_back_;        // by what came last
    std::multiset<std::uint64_t> out_;               // where those begin that are given out
    std::set<std::uint64_t> parked_; // of these those that have brought a mark and keep their place
    std::set<std::uint64_t> late_;   // given out again, in another place
    std::map<std::uint64_t, std::uint64_t> behind_; // what came behind a gap: begin, end
    std::map<std::uint64_t, std::uint64_t> had_;    // by a run before: begin, end
    list_end ending_;
    recent_digests digests_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
