#ifndef EXTRACT_TIMELINE_HPP
#define EXTRACT_TIMELINE_HPP

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

/// How long answers took: counts in classes that are 9 % apart, from 0.06 ms to an hour.
class latency_counts {
public:
    void add(double seconds)
    {
        const double place = std::log2(std::max(seconds, shortest) / shortest) * per_octave;
        ++counts_[std::min(static_cast<std::size_t>(place), counts_.size() - 1)];
        ++all_;
        longest_ = std::max(longest_, seconds);
    }

    void add(const latency_counts& others)
    {
        for (std::size_t i = 0; i < counts_.size(); ++i)
            counts_[i] += others.counts_[i];
        all_ += others.all_;
        longest_ = std::max(longest_, others.longest_);
    }

    bool empty() const noexcept { return all_ == 0; }
    std::uint64_t size() const noexcept { return all_; }
    double longest() const noexcept { return longest_; }

    /// What that share of the answers took at most, to 5 %; 0 if there are none.
    double quantile(double share) const
    {
        const double wanted = share * static_cast<double>(all_);
        std::uint64_t passed = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            passed += counts_[i];
            if (passed > 0 && static_cast<double>(passed) >= wanted)
                return std::min(longest_,
                                shortest * std::exp2((static_cast<double>(i) + 0.5) / per_octave));
        }
        return longest_;
    }

private:
    static constexpr double shortest = 1.0 / 16'384;
    static constexpr int per_octave = 8;

    std::array<std::uint64_t, 26 * per_octave> counts_{};
    std::uint64_t all_ = 0;
    double longest_ = 0;
};

/// What happened in one slice of a run.
struct time_slice {
    std::uint64_t sent = 0;
    std::uint64_t refused = 0; ///< answers 429
    std::uint64_t failed = 0;  ///< other answers that are no success, and requests without one
    std::uint64_t retried = 0;
    std::uint64_t records = 0;
    std::uint64_t most_in_flight = 0;
    double allowed = 0; ///< requests a second, at its end
    double paused = 0;  ///< seconds
    latency_counts latencies;

    /// Takes in the slice behind it.
    void add(const time_slice& next)
    {
        sent += next.sent;
        refused += next.refused;
        failed += next.failed;
        retried += next.retried;
        records += next.records;
        most_in_flight = std::max(most_in_flight, next.most_in_flight);
        allowed = next.allowed;
        paused += next.paused;
        latencies.add(next.latencies);
    }
};

/// A run in slices of equal length, at most `most_slices` of them: when they are full each two
/// become one. So it takes the same memory however long the run is, all of it from the start.
class timeline {
public:
    using time = std::chrono::nanoseconds;

    static constexpr std::size_t most_slices = 256;

    timeline() { slices_.reserve(most_slices); }

    /// How much memory it takes, in bytes.
    static constexpr std::size_t memory() noexcept { return most_slices * sizeof(time_slice); }

    /// Makes slices of a length that goes into `period` a power of two times, or the other way
    /// round: what a server counts in that period can be added up from slices. For the start.
    void fit(time period)
    {
        width_ = std::max(period, time{1});
        while (width_ > std::chrono::milliseconds{50} && width_.count() % 2 == 0)
            width_ /= 2;
        while (width_ < std::chrono::milliseconds{10})
            width_ *= 2;
    }

    time width() const noexcept { return width_; }
    const std::vector<time_slice>& slices() const noexcept { return slices_; }

    /// The slice of that time. What is in flight and allowed stays so from one to the next.
    time_slice& at(time when)
    {
        std::size_t index = index_of(when);
        while (index >= most_slices) {
            halve();
            index = index_of(when);
        }
        while (slices_.size() <= index) {
            slices_.emplace_back();
            slices_.back().most_in_flight = in_flight_;
            slices_.back().allowed = allowed_;
        }
        return slices_[index];
    }

    void in_flight(time when, std::uint64_t now)
    {
        time_slice& slice = at(when);
        in_flight_ = now;
        slice.most_in_flight = std::max(slice.most_in_flight, now);
    }

    void allowed(time when, double requests_a_second)
    {
        time_slice& slice = at(when);
        allowed_ = slice.allowed = requests_a_second;
    }

    /// Nobody sent from one time to the other, both of them past.
    void paused(time from, time until)
    {
        if (until <= from)
            return;
        at(until);
        for (std::size_t i = index_of(from); i <= index_of(until); ++i) {
            const time begin = std::max(from, width_ * static_cast<std::int64_t>(i));
            const time end = std::min(until, width_ * static_cast<std::int64_t>(i + 1));
            slices_[i].paused += std::chrono::duration<double>(end - begin).count();
        }
    }

private:
    std::size_t index_of(time when) const noexcept
    {
        return static_cast<std::size_t>(std::max(when, time{0}) / width_);
    }

    void halve()
    {
        const std::size_t size = slices_.size();
        for (std::size_t i = 0; i < size; i += 2) {
            if (i > 0)
                slices_[i / 2] = slices_[i];
            if (i + 1 < size)
                slices_[i / 2].add(slices_[i + 1]);
        }
        slices_.resize((size + 1) / 2);
        width_ *= 2;
    }

    std::vector<time_slice> slices_;
    time width_ = std::chrono::milliseconds{50};
    std::uint64_t in_flight_ = 0;
    double allowed_ = 0;
};

#endif
