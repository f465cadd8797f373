#ifndef EXTRACT_REPORT_HPP
#define EXTRACT_REPORT_HPP

#include "extract_timeline.hpp"

#include <headgate/limit.hpp>
#include <headgate/observer.hpp>

#include <asio/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

/// Collects what `extract --report` shows of a run, in the same memory however long it is: a
/// timeline, the longest pauses, and the kinds of failures, of each a few at most.
class run_report : public headgate::observer {
public:
    static constexpr std::size_t most_pauses = 10;
    static constexpr std::size_t most_failures = 20;

    struct pause {
        time from{0};
        time until{0};
    };
    struct failure {
        std::uint64_t times = 0;
        time first{0};
        std::string where; ///< of the first
    };

    void on_limits(time at, const std::vector<headgate::limit>& limits) override
    {
        if (limits_.empty())
            limits_ = limits;
        else
            ++changes_;
        double slowest = 0;
        for (const headgate::limit& each : limits) {
            if (each.type() == headgate::limit::kind::in_flight)
                continue;
            const double rate = rate_of(each);
            if (slowest == 0 || rate < slowest)
                slowest = rate;
            if (!counted_ || (changes_ == 0 && rate < rate_of(*counted_)))
                counted_ = each;
        }
        if (changes_ == 0 && counted_)
            timeline_.fit(counted_->period());
        timeline_.allowed(at, slowest);
    }

    void on_request(const headgate::observed_request& what) override
    {
        ++timeline_.at(what.sent).sent;
        timeline_.in_flight(what.sent, ++in_flight_);
    }

    void on_answer(const headgate::observed_answer& what) override
    {
        timeline_.in_flight(what.received, --in_flight_);
        if (what.error == asio::error::operation_aborted)
            return;
        time_slice& slice = timeline_.at(what.received);
        if (!what.error && what.status < 400) { // a refusal may be quick, and says nothing of pages
            const double seconds = std::chrono::duration<double>(what.latency()).count();
            slice.latencies.add(seconds);
            latencies_.add(seconds);
        }
        if (what.error || what.status >= 400) {
            ++(what.status == 429 ? slice.refused : slice.failed);
            note_failure(what);
        }
    }

    void on_pause(time from, time until) override
    {
        if (paused_ && from <= paused_->until) {
            paused_->until = until;
            return;
        }
        end_pause(from);
        paused_ = pause{from, until};
        ++pauses_;
    }

    void on_retry(time at, const headgate::observed_answer&) override
    {
        ++timeline_.at(at).retried;
    }

    void on_page(time at, const headgate::page& what) override
    {
        timeline_.at(at).records += what.records().size();
    }

    void on_end(time at, const headgate::outcome&, const headgate::extract_statistics&) override
    {
        end_pause(at);
        timeline_.at(at);
    }

    const timeline& slices() const noexcept { return timeline_; }
    /// The limits of the start, and how often there were others.
    const std::vector<headgate::limit>& limits() const noexcept { return limits_; }
    std::uint64_t limit_changes() const noexcept { return changes_; }
    /// Of those the one that allows least: what the requests are counted against.
    const std::optional<headgate::limit>& counted() const noexcept { return counted_; }
    const latency_counts& latencies() const noexcept { return latencies_; }
    std::uint64_t pauses() const noexcept { return pauses_; }
    /// The longest pauses, in the order of time.
    const std::vector<pause>& longest_pauses() const noexcept { return longest_; }
    /// By what it was; the last kind stands for all further ones.
    const std::map<std::string, failure>& failures() const noexcept { return failures_; }

    static double rate_of(const headgate::limit& one)
    {
        return static_cast<double>(one.count()) /
               std::chrono::duration<double>(one.period()).count();
    }

private:
    /// Into the timeline goes what is past: a pause may be cut short by the end.
    void end_pause(time now)
    {
        if (!paused_)
            return;
        const pause over{paused_->from, std::min(paused_->until, now)};
        paused_.reset();
        timeline_.paused(over.from, over.until);
        longest_.push_back(over);
        if (longest_.size() > most_pauses)
            longest_.erase(std::min_element(longest_.begin(), longest_.end(),
                                            [](const pause& a, const pause& b) {
                                                return a.until - a.from < b.until - b.from;
                                            }));
    }

    void note_failure(const headgate::observed_answer& what)
    {
        std::string kind =
            what.error ? what.error.message() : "status " + std::to_string(what.status);
        if (failures_.size() >= most_failures && failures_.count(kind) == 0)
            kind = "others";
        failure& all = failures_[kind];
        if (all.times++ == 0) {
            all.first = what.received;
            all.where = what.request.where.substr(0, 200);
        }
    }

    timeline timeline_;
    std::vector<headgate::limit> limits_;
    std::optional<headgate::limit> counted_;
    std::uint64_t changes_ = 0;
    std::uint64_t in_flight_ = 0;
    std::uint64_t pauses_ = 0;
    std::optional<pause> paused_;
    std::vector<pause> longest_;
    std::map<std::string, failure> failures_;
    latency_counts latencies_;
};

#endif
