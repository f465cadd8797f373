#ifndef HEADGATE_REDIS_SHARED_LIMITER_OPTIONS_HPP
#define HEADGATE_REDIS_SHARED_LIMITER_OPTIONS_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/limiter_statistics.hpp>

#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>

namespace HEADGATE_NAMESPACE::redis {

/// What a shared limiter does while its Redis is away.
class when_away {
public:
    /// The kinds there are.
    enum class kind { wait, fail, share };

    /// Whoever waits goes on waiting until Redis is back.
    static when_away wait() noexcept { return when_away{kind::wait, 0}; }
    /// Whoever waits, and whoever comes, gets `error::unavailable`.
    static when_away fail() noexcept { return when_away{kind::fail, 0}; }
    /// That fraction of each limit is enforced here alone. It is safe where all lose Redis at once
    /// and their fractions add up to no more than 1. As nobody can say what the others had used, it
    /// begins with everything spent.
    /// @throws std::invalid_argument if it is not more than 0 and at most 1.
    static when_away share(double fraction)
    {
        if (!(fraction > 0 && fraction <= 1))
            throw std::invalid_argument{"redis::when_away: share is " + std::to_string(fraction) +
                                        ", must be more than 0 and at most 1"};
        return when_away{kind::share, fraction};
    }

    /// Which one it is.
    kind type() const noexcept { return kind_; }
    /// The fraction of `kind::share`.
    double fraction() const noexcept { return fraction_; }

private:
    when_away(kind type, double fraction) noexcept : kind_{type}, fraction_{fraction} {}

    kind kind_;
    double fraction_;
};

/// How a shared limiter leases its tokens, and what it does without Redis.
class shared_limiter_options {
public:
    /// What it counts time in.
    using milliseconds = std::chrono::milliseconds;

    /// What to do while Redis is away; it waits unless set.
    shared_limiter_options& away(const redis::when_away& what) noexcept
    {
        away_ = what;
        return *this;
    }
    /// What is set, or the default.
    const redis::when_away& away() const noexcept { return away_; }

    /// After how long without an answer Redis is away; 1 s unless set.
    /// @throws std::invalid_argument if it is not 10 ms to a minute.
    shared_limiter_options& away_after(milliseconds time)
    {
        away_after_ = within(time, 10, 60'000, "away_after");
        return *this;
    }
    /// What is set, or the default.
    milliseconds away_after() const noexcept { return away_after_; }

    /// How far ahead tokens are leased, 100 ms unless set. A process that is busy asks Redis three
    /// times in two of these, at most. The longer, the fewer round trips; the shorter, the sooner a
    /// pause reaches all.
    /// @throws std::invalid_argument if it is not 10 ms to 5 s.
    shared_limiter_options& horizon(milliseconds time)
    {
        horizon_ = within(time, 10, 5'000, "horizon");
        return *this;
    }
    /// What is set, or the default.
    milliseconds horizon() const noexcept { return horizon_; }

    /// How long a leased token of a window may be used from when it can be; 100 ms unless set.
    /// @throws std::invalid_argument if it is not 1 ms to 5 s.
    shared_limiter_options& lease(milliseconds time)
    {
        lease_ = within(time, 1, 5'000, "lease");
        return *this;
    }
    /// What is set, or the default.
    milliseconds lease() const noexcept { return lease_; }

    /// How late a token of a bucket or a paced limit may be used for its place in the schedule; 5
    /// ms unless set. In any span w there are at most burst + rate * (w + credit + r) grants, where
    /// r is the shortest round trip to Redis.
    /// @throws std::invalid_argument if it is not 1 ms to 5 s.
    shared_limiter_options& credit(milliseconds time)
    {
        credit_ = within(time, 1, 5'000, "credit");
        return *this;
    }
    /// What is set, or the default.
    milliseconds credit() const noexcept { return credit_; }

    /// After how long without a word of a process its places in `limit::in_flight` are given to
    /// others; 10 s unless set. It says a word three times as often.
    /// @throws std::invalid_argument if it is not 100 ms to an hour.
    shared_limiter_options& in_flight_ttl(milliseconds time)
    {
        in_flight_ttl_ = within(time, 100, 3'600'000, "in_flight_ttl");
        return *this;
    }
    /// What is set, or the default.
    milliseconds in_flight_ttl() const noexcept { return in_flight_ttl_; }

private:
    static milliseconds within(milliseconds time, int least, int most, const char* name)
    {
        if (time.count() < least || time.count() > most)
            throw std::invalid_argument{std::string{"redis::shared_limiter_options: "} + name +
                                        " is " + std::to_string(time.count()) + " ms, must be " +
                                        std::to_string(least) + " to " + std::to_string(most)};
        return time;
    }

    redis::when_away away_ = redis::when_away::wait();
    milliseconds away_after_{1'000};
    milliseconds horizon_{100};
    milliseconds lease_{100};
    milliseconds credit_{5};
    milliseconds in_flight_ttl_{10'000};
};

/// What a shared limiter has done so far, in this process.
struct shared_limiter_statistics : limiter_statistics {
    std::uint64_t round_trips = 0; ///< questions that Redis has answered
    std::uint64_t failures = 0;    ///< questions that had no answer
    std::uint64_t returned = 0;    ///< tokens that were leased and not used
    std::uint64_t local = 0;       ///< tokens that were granted while Redis was away
    bool away = false;             ///< whether Redis is away now
};

} // namespace HEADGATE_NAMESPACE::redis

#endif
