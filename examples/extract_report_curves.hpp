#ifndef EXTRACT_REPORT_CURVES_HPP
#define EXTRACT_REPORT_CURVES_HPP

#include "extract_report.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

/// The values of the charts, one for each slice of the run.
class report_curves {
public:
    report_curves(const run_report& report, double seconds)
        : slices_{report.slices().slices()},
          interval_{std::chrono::duration<double>(report.slices().width()).count()}
    {
        if (const auto& limit = report.counted()) {
            period_ = std::chrono::duration<double>(limit->period()).count();
            for (const time_slice& each : slices_)
                allowed.push_back(each.allowed * period_);
        }
        add_up_requests(seconds);
        double all = 0;
        for (const time_slice& each : slices_) {
            in_flight.push_back(static_cast<double>(each.most_in_flight));
            retried.push_back(static_cast<double>(each.retried));
            refused.push_back(static_cast<double>(each.refused));
            failed.push_back(static_cast<double>(each.failed));
            paused.push_back(each.paused / interval_);
            records.push_back(all += static_cast<double>(each.records));
        }
        add_latencies(report.latencies().size());
    }

    double interval() const noexcept { return interval_; }
    double latency_interval() const noexcept { return interval_ * static_cast<double>(group_); }
    /// That the limit is for, in seconds; of one slice if there is no limit.
    double period() const noexcept { return period_ > 0 ? period_ : interval_; }

    /// The share of what was allowed that was sent, over all of a run of that many seconds.
    double used(double seconds) const
    {
        double sent = 0;
        double might = 0;
        for (std::size_t i = 0; i < slices_.size(); ++i) {
            sent += static_cast<double>(slices_[i].sent);
            might += slices_[i].allowed *
                     std::clamp(seconds - static_cast<double>(i) * interval_, 0.0, interval_);
        }
        return might > 0 ? sent / might : 0;
    }

    std::vector<double> requests; ///< in the last period
    std::vector<double> allowed;  ///< in it
    std::vector<double> in_flight, median, p95, longest, retried, refused, failed, paused, records;

private:
    static constexpr double nothing = std::numeric_limits<double>::quiet_NaN();

    /// What a server that counts the requests of each period would have counted. Where a slice is
    /// longer than that it is the mean.
    void add_up_requests(double seconds)
    {
        const auto slices = static_cast<std::size_t>(std::max(1.0, period() / interval_ + 1e-6));
        double sum = 0;
        for (std::size_t i = 0; i < slices_.size(); ++i) {
            sum += static_cast<double>(slices_[i].sent);
            if (i >= slices)
                sum -= static_cast<double>(slices_[i - slices].sent);
            const double passed = seconds - static_cast<double>(i) * interval_; // if it is the last
            requests.push_back(sum * std::min(1.0, period() / std::min(interval_, passed)));
        }
    }

    /// Where answers are few, several slices together: half of one answer is no median.
    void add_latencies(std::uint64_t answers)
    {
        while (group_ * 16 < slices_.size() && answers * group_ < 10 * slices_.size())
            group_ *= 2;
        for (std::size_t i = 0; i < slices_.size(); i += group_) {
            latency_counts counts;
            for (std::size_t k = i; k < std::min(i + group_, slices_.size()); ++k)
                counts.add(slices_[k].latencies);
            const bool none = counts.empty();
            median.push_back(none ? nothing : counts.quantile(0.5));
            p95.push_back(none ? nothing : counts.quantile(0.95));
            longest.push_back(none ? nothing : counts.longest());
        }
    }

    const std::vector<time_slice>& slices_;
    double interval_;
    double period_ = 0;
    std::size_t group_ = 1;
};

#endif
