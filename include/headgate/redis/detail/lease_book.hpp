#ifndef HEADGATE_REDIS_DETAIL_LEASE_BOOK_HPP
#define HEADGATE_REDIS_DETAIL_LEASE_BOOK_HPP

#include <headgate/detail/config.hpp>
#include <headgate/limit.hpp>
#include <headgate/redis/detail/lease_request.hpp>
#include <headgate/redis/detail/lease_stock.hpp>
#include <headgate/redis/detail/server_offset.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// One client's side of a shared limiter: what it has leased, what it has to say, and when to ask
/// for more. A state machine: time is handed in, in nanoseconds since an epoch of the caller's,
/// never going back, and whoever drives it carries questions and answers.
///
/// In: `wants` (the line of those who wait), `arrived`, `take` and `finish`, `pause`, `change`,
/// `owe`; `answered` or `lost` for each question. Out: `due` (when tokens can be granted), `ask` (a
/// question, if it is time for one) and `wake` (when to look again).
class lease_book {
public:
    using time = std::chrono::nanoseconds;

    struct settings {
        time horizon{std::chrono::milliseconds{100}}; ///< how far ahead tokens are leased
        time lease{std::chrono::milliseconds{100}};   ///< how long those of a window may be used
        time credit{std::chrono::milliseconds{5}};    ///< how long those of a schedule may be used
        time ttl{std::chrono::seconds{10}};           ///< how long places are held without a word
    };

    lease_book(std::vector<limit> limits, const settings& how) : how_{how}
    {
        adopt(std::move(limits));
    }

    const std::vector<limit>& limits() const noexcept { return limits_; }
    std::size_t most() const noexcept { return most_; }
    bool counts_in_flight() const noexcept { return counts_in_flight_; }
    std::size_t stock() const noexcept { return stock_.tokens(); }
    bool asking() const noexcept { return asking_; }
    /// Whether the last question had no answer.
    bool away() const noexcept { return failures_ > 0; }
    std::uint64_t returned() const noexcept { return returned_; }

    // What the local line needs

    /// `units` of `unit` tokens each are waited for.
    void wants(std::size_t units, std::size_t unit) noexcept
    {
        waiting_ = units;
        unit_ = std::max<std::size_t>(unit, 1);
    }

    /// Somebody has come for tokens, whether they were there or not.
    void arrived(std::size_t tokens, time now)
    {
        if (now - bin_since_ >= bin) {
            bin_before_ = now - bin_since_ < 2 * bin ? bin_now_ : 0;
            bin_now_ = 0;
            bin_since_ = now;
        }
        bin_now_ += tokens;
    }

    /// Lets go of what may not be used any more, which `due` would count; before granting.
    void expire(time now) { give_back(stock_.take_expired(now)); }

    /// When `n` tokens can be granted; `time::max()` if they are not leased.
    time due(std::size_t n) const noexcept { return stock_.due(n); }

    /// Takes `n` tokens at `now`, which is not before `due(n)`. What is `held` has to be finished.
    /// @return the number of this grant
    std::uint64_t take(std::size_t n, time now, bool held)
    {
        use mine{now, n, {}, false};
        for (const lease_stock::lot& each : stock_.take(n)) {
            mine.is_probe = mine.is_probe || each.is_probe;
            used(each, now, mine);
        }
        if (!held) {
            if (mine.is_probe)
                probe_over(true);
            return ++order_;
        }
        live_ += n;
        probes_ += mine.is_probe ? 1 : 0;
        uses_.emplace(++order_, std::move(mine));
        return order_;
    }

    /// A grant that was held is over, and `used` of its tokens stay taken, which may be more than
    /// there were.
    void finish(std::uint64_t order, std::size_t used, time now)
    {
        const auto found = uses_.find(order);
        if (found == uses_.end())
            return;
        const use mine = std::move(found->second);
        uses_.erase(found);
        live_ -= std::min(live_, mine.tokens);
        released_ = released_ || counts_in_flight_;
        if (used > 0) {
            fastest_ = std::min(fastest_, now - mine.at);
            answers_ += answers_ < enough_answers ? 1 : 0;
        }
        if (mine.is_probe) {
            --probes_;
            probe_over(used > 0);
        }
        std::size_t given_back = mine.tokens - std::min(used, mine.tokens);
        gives_back_ = gives_back_ || (given_back > 0 && has_windows_);
        for (const piece& each : mine.pieces)
            finish(each, mine.at, now, given_back);
        if (used > mine.tokens)
            owe(now, used - mine.tokens);
    }

    // What others are to know

    /// The server said to wait. What is leased is of no use any more.
    void pause(time until, time now)
    {
        if (until <= now || until <= paused_until_)
            return;
        paused_until_ = until;
        changes_.pause_until = until;
        give_back(stock_.take_all());
        urgent_ = true;
    }

    /// Other limits hold for all.
    void change(std::vector<limit> limits)
    {
        const std::string before = text_;
        adopt(std::move(limits));
        if (text_ == before)
            return;
        asked_limits_ = before;
        changes_.new_limits = text_;
        give_back(stock_.take_all());
        urgent_ = true;
    }

    /// Tokens were used at `at` that were not leased.
    void owe(time at, std::size_t tokens)
    {
        // Of those that are told together the last one's time is told, which is never too early.
        constexpr time together = std::chrono::milliseconds{10};
        auto& debts = changes_.debts;
        if (!debts.empty() && debts.back().at / together == at / together) {
            debts.back().at = std::max(debts.back().at, at);
            debts.back().tokens += tokens;
            return;
        }
        debts.push_back({at, tokens});
        if (debts.size() < most_debts)
            return;
        for (std::size_t i = 0; i < debts.size() / 2; ++i)
            debts[i] = {debts[2 * i + 1].at, debts[2 * i].tokens + debts[2 * i + 1].tokens};
        debts.resize(debts.size() / 2);
    }

    // Questions

    /// A question, if it is time for one.
    /// @param only_to_look nothing is wanted: is Redis there?
    std::optional<lease_request> ask(time now, bool only_to_look = false)
    {
        expire(now);
        if (next_ask(now) > now && !(only_to_look && !asking_ && now >= not_before_))
            return std::nullopt;
        lease_request result = std::move(changes_);
        changes_ = {};
        result.known = epoch_;
        result.known_at = known_at_;
        result.limits = result.new_limits ? asked_limits_ : text_;
        result.unit = unit_;
        result.units = only_to_look ? 0 : wanted(now);
        if (only_to_look && !result.debts.empty()) // are for when nothing more is used meanwhile
            std::swap(changes_.debts, result.debts);
        result.horizon = how_.horizon;
        result.lease = how_.lease;
        result.credit = how_.credit;
        result.ttl = how_.ttl;
        result.holding = live_ + stock_.tokens();
        result.moves = std::move(moves_);
        moves_.clear();
        released_ = urgent_ = gives_back_ = false;
        asking_ = true;
        asked_at_ = now;
        return result;
    }

    /// The answer to a question that was sent at `sent`.
    /// @return whether the limits are others than before
    bool answered(const lease_request& question, const lease_answer& answer, time sent, time now)
    {
        asking_ = false;
        failures_ = 0;
        if (answer.settling) {
            keep(question);
            not_before_ = now + std::min<time>(time{(answer.again - answer.now) * 1000},
                                               std::chrono::seconds{2});
            return false;
        }
        if (!offset_.learn(answer.now, sent, now))
            give_back(stock_.take_all()); // nobody knows until when it can be used
        not_before_ = now;
        epoch_ = answer.epoch;
        known_at_ = sent;
        base_ = answer.base;
        bool changed = false;
        if (!answer.limits.empty() && answer.limits != text_ && !changes_.new_limits) {
            if (auto theirs = limits_of(answer.limits)) {
                adopt(std::move(*theirs));
                give_back(stock_.take_all());
                changed = true;
            }
        }
        note_pause(answer, now);
        std::size_t got = 0;
        for (const lease_answer::group& each : answer.groups) {
            got += each.units;
            add(question, answer, each);
        }
        satisfied_ = got >= question.units;
        const time server_says = answer.again > 0 ? offset_.not_before(answer.again) : time{0};
        again_ = satisfied_ ? asked_at_ + how_.horizon * 2 / 3
                            : std::max(asked_at_ + how_.horizon / 4, server_says);
        return changed;
    }

    /// There is no answer, and nobody knows whether the question was heard. What is leased stays of
    /// use for its time; what was to be said of it is not said again, as it must not count twice.
    void lost(const lease_request& question, time now)
    {
        asking_ = false;
        keep(question);
        time pause = first_retry;
        for (int i = 0; i < failures_ && pause < last_retry; ++i)
            pause *= 2;
        ++failures_;
        not_before_ = now + std::min(pause, last_retry);
        if (changes_.has_changes())
            urgent_ = true;
    }

    /// When to call `ask` again, if nothing happens until then; `time::max()` if never.
    time wake(time now) const
    {
        time next = next_ask(now);
        if (!stock_.empty() && has_windows_)
            next = std::min(next, stock_.front().until + time{1});
        return next;
    }

private:
    /// Tokens of one lot that were used together, and where each window has them now.
    struct piece {
        std::size_t tokens;
        std::string epoch;
        std::vector<std::int64_t> steps;
    };
    struct use {
        time at;
        std::size_t tokens;
        std::vector<piece> pieces;
        bool is_probe;
    };

    static constexpr time bin{std::chrono::milliseconds{100}};
    static constexpr time first_retry{std::chrono::milliseconds{20}};
    static constexpr time last_retry{std::chrono::milliseconds{500}};
    static constexpr int enough_answers = 16;
    static constexpr std::size_t most_debts = 512;

    void adopt(std::vector<limit> limits)
    {
        limits_ = std::move(limits);
        text_ = to_text(limits_);
        most_ = std::numeric_limits<std::size_t>::max();
        counts_in_flight_ = has_windows_ = has_schedule_ = false;
        for (const limit& each : limits_) {
            most_ = std::min(most_, each.burst());
            counts_in_flight_ = counts_in_flight_ || each.type() == limit::kind::in_flight;
            has_windows_ = has_windows_ || each.type() == limit::kind::window;
            has_schedule_ = has_schedule_ || each.type() == limit::kind::bucket ||
                            each.type() == limit::kind::paced;
        }
    }

    void note_pause(const lease_answer& answer, time now)
    {
        if (answer.pause <= server_pause_)
            return;
        server_pause_ = answer.pause;
        const time until = offset_.not_before(answer.pause);
        if (until <= now)
            return;
        paused_until_ = std::max(paused_until_, until);
        give_back(stock_.take_all());
    }

    void add(const lease_request& question, const lease_answer& answer,
             const lease_answer::group& what)
    {
        auto where = std::make_shared<lease_source>();
        where->epoch = answer.epoch;
        where->steps = what.steps;
        const time from = std::max(offset_.not_before(what.from), time{0});
        time until = offset_.not_after(what.until);
        if (has_schedule_) {
            // A schedule does not mind when it begins for this client, which is later than for
            // Redis by a round trip at most; a window does.
            const time span =
                has_windows_ ? question.credit : time{(what.until - what.from) * 1000};
            until = has_windows_ ? std::min(until, from + span) : from + span;
        }
        lease_stock::lot mine{from, until, what.units * question.unit, answer.is_probe,
                              std::move(where)};
        // What was asked for before a pause that Redis does not know of yet is not for before its
        // end.
        if (changes_.pause_until && mine.from < paused_until_) {
            give_back({mine});
            return;
        }
        stock_.add(std::move(mine));
    }

    // Windows

    /// The index, counted from 0, and the limit of each window.
    template <class Function>
    void for_windows(Function&& function) const
    {
        std::size_t window = 0;
        for (std::size_t i = 0; i < limits_.size(); ++i)
            if (limits_[i].type() == limit::kind::window)
                function(window++, i, limits_[i]);
    }

    /// Where the script notes what is free from then on, as it calculates it.
    std::int64_t step_of(const limit& which, std::int64_t free_at) const
    {
        const double span = static_cast<double>(which.period().count()) / 1000 +
                            static_cast<double>(which.slack().count()) / 1000;
        const double step = std::max(span / 1000, 100.0);
        return static_cast<std::int64_t>(
            std::ceil(static_cast<double>(free_at - base_) / step - 1e-9));
    }

    static std::int64_t us(time span)
    {
        return std::chrono::ceil<std::chrono::microseconds>(span).count();
    }

    /// Tokens of a lease were used at `now`: they count from then, not from the end of the lease.
    void used(const lease_stock::lot& from, time now, use& mine)
    {
        piece its{from.tokens, from.where->epoch, from.where->steps};
        for_windows([&](std::size_t window, std::size_t i, const limit& which) {
            if (window >= its.steps.size())
                return;
            const std::int64_t free_at = offset_.latest(now) + us(which.period() + which.slack());
            const std::int64_t step = step_of(which, free_at);
            if (step >= its.steps[window] || from.where->epoch != epoch_)
                return;
            add_move({its.epoch, i, its.steps[window], free_at, from.tokens}, which);
            its.steps[window] = step;
        });
        if (has_windows_)
            mine.pieces.push_back(std::move(its));
    }

    /// The answer shows how late the request can have been; what was not sent never counted.
    void finish(const piece& its, time at, time now, std::size_t& given_back)
    {
        const std::size_t unused = std::min(its.tokens, given_back);
        given_back -= unused;
        for_windows([&](std::size_t window, std::size_t i, const limit& which) {
            if (window >= its.steps.size() || its.epoch != epoch_)
                return;
            if (unused > 0)
                add_move({its.epoch, i, its.steps[window], 0, unused}, which);
            const time fastest =
                which.learns_slack() && answers_ >= enough_answers ? fastest_ : time{0};
            const time late = std::min(which.slack(), now - at - fastest);
            if (late >= which.slack() || its.tokens == unused)
                return;
            const std::int64_t free_at = offset_.latest(at) + us(which.period() + late);
            if (step_of(which, free_at) < its.steps[window])
                add_move({its.epoch, i, its.steps[window], free_at, its.tokens - unused}, which);
        });
    }

    void add_move(lease_request::move what, const limit& which)
    {
        if (!moves_.empty()) {
            lease_request::move& last = moves_.back();
            const bool same = last.limit == what.limit && last.step == what.step &&
                              last.epoch == what.epoch &&
                              (last.free_at == 0) == (what.free_at == 0);
            if (same && (what.free_at == 0 ||
                         step_of(which, last.free_at) == step_of(which, what.free_at))) {
                last.free_at = std::max(last.free_at, what.free_at);
                last.tokens += what.tokens;
                return;
            }
        }
        moves_.push_back(std::move(what));
    }

    void give_back(const std::vector<lease_stock::lot>& lots)
    {
        for (const lease_stock::lot& each : lots) {
            returned_ += each.tokens;
            if (each.is_probe)
                probe_over(false);
            gives_back_ = gives_back_ || has_windows_ || counts_in_flight_;
            for_windows([&](std::size_t window, std::size_t i, const limit& which) {
                if (window < each.where->steps.size() && each.where->epoch == epoch_)
                    add_move({epoch_, i, each.where->steps[window], 0, each.tokens}, which);
            });
        }
    }

    void probe_over(bool sent)
    {
        changes_.probe_over = sent;
        urgent_ = true;
    }

    /// What a question said that nobody has heard.
    void keep(const lease_request& question)
    {
        auto& debts = changes_.debts;
        debts.insert(debts.begin(), question.debts.begin(), question.debts.end());
        if (!changes_.pause_until)
            changes_.pause_until = question.pause_until;
        if (!changes_.new_limits)
            changes_.new_limits = question.new_limits;
        if (!changes_.probe_over)
            changes_.probe_over = question.probe_over;
    }

    // When to ask

    /// As many as are likely to come before the next question is answered.
    std::size_t expected(time now) const noexcept
    {
        if (unit_ > 1 || now - bin_since_ >= 2 * bin)
            return 0;
        const std::size_t busier = std::max(bin_now_, bin_before_);
        return static_cast<std::size_t>(static_cast<std::uint64_t>(how_.horizon.count()) * busier /
                                        static_cast<std::uint64_t>(bin.count()));
    }

    /// How many units to ask for.
    std::size_t wanted(time now) const noexcept
    {
        const std::size_t likely = expected(now);
        const std::size_t all = waiting_ * unit_ + likely;
        const std::size_t missing = all - std::min(all, stock_.tokens());
        if (waiting_ == 0 && (missing == 0 || missing < likely / 2))
            return 0;
        return (missing + unit_ - 1) / unit_;
    }

    time next_ask(time now) const noexcept
    {
        // Where Redis is away, only who needs it looks for it: the loop has to end some time.
        if (asking_ || (failures_ > 0 && waiting_ == 0 && live_ == 0))
            return time::max();
        time next = time::max();
        if (urgent_ || changes_.has_changes())
            next = now;
        if (wanted(now) > 0) {
            // Whoever has got all and has nothing left need not wait for its turn.
            const bool at_once = satisfied_ && waiting_ > 0 && stock_.empty();
            next = std::min(next, at_once ? asked_at_ + how_.horizon / 20 : again_);
        }
        if (released_ || gives_back_)
            next = std::min(next, asked_at_ + how_.horizon / 2);
        if (live_ > 0 && (counts_in_flight_ || probes_ > 0))
            next = std::min(next, asked_at_ + how_.ttl / 3);
        return next == time::max() ? next : std::max(next, not_before_);
    }

    settings how_;
    std::vector<limit> limits_;
    std::string text_;
    std::string asked_limits_; // what they were before they were changed here
    std::size_t most_ = 0;
    bool counts_in_flight_ = false;
    bool has_windows_ = false;
    bool has_schedule_ = false;

    server_offset offset_;
    std::string epoch_;
    time known_at_{0};
    std::int64_t base_ = 0;
    lease_stock stock_;
    std::map<std::uint64_t, use> uses_;
    std::uint64_t order_ = 0;
    std::size_t live_ = 0;
    int probes_ = 0; // of uses_
    time fastest_ = time::max();
    int answers_ = 0;

    std::size_t waiting_ = 0;
    std::size_t unit_ = 1;
    time bin_since_{-limit::max_period};
    std::size_t bin_now_ = 0;
    std::size_t bin_before_ = 0;

    time paused_until_{0};
    std::int64_t server_pause_ = 0;
    lease_request changes_; // only what is to be said
    std::vector<lease_request::move> moves_;
    bool urgent_ = false;
    bool released_ = false;
    bool gives_back_ = false;

    bool asking_ = false;
    bool satisfied_ = true;
    time asked_at_{-limit::max_period};
    time again_{0};
    time not_before_{0};
    int failures_ = 0;
    std::uint64_t returned_ = 0;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
