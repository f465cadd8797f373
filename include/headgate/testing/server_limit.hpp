#ifndef HEADGATE_TESTING_SERVER_LIMIT_HPP
#define HEADGATE_TESTING_SERVER_LIMIT_HPP

#include <headgate/detail/config.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <variant>

namespace HEADGATE_NAMESPACE::testing {

/// A limit as a server enforces it: each arrival is allowed or refused. A state machine; arrivals
/// are handed in, in order, in nanoseconds since any epoch.
class server_limit {
public:
    /// What it counts time in.
    using time = std::chrono::nanoseconds;

    /// Never more than `count` allowed in any `period`: the log of a throttle such as Django REST
    /// framework's.
    static server_limit sliding_log(std::size_t count, time period)
    {
        return server_limit{log{count, period, {}}};
    }

    /// The estimate of Cloudflare and haproxy: the count of this window and the part of the last
    /// one's that still overlaps, refused arrivals included.
    static server_limit sliding_counter(std::size_t count, time period)
    {
        return server_limit{counter{static_cast<double>(count), period, 0, 0, 0}};
    }

    /// `count` in each window; the windows begin at `phase` after the epoch.
    static server_limit fixed_window(std::size_t count, time period, time phase)
    {
        return server_limit{fixed{count, period, phase, 0, 0}};
    }

    /// `burst` at once, `count` per `period` in the long run.
    static server_limit token_bucket(std::size_t count, time period, std::size_t burst)
    {
        const auto interval = static_cast<double>(period.count()) / static_cast<double>(count);
        return server_limit{bucket{interval, interval * static_cast<double>(burst - 1), 0}};
    }

    /// nginx's `limit_req` with `nodelay`: one each `period / count`, and `burst` more.
    static server_limit leaky_bucket(std::size_t count, time period, std::size_t burst)
    {
        return token_bucket(count, period, burst + 1);
    }

    /// At most `count` at the same time.
    static server_limit concurrency(std::size_t count) { return server_limit{cap{count, 0}}; }

    /// Whether a request that arrives at `at` would be allowed.
    bool allows(time at)
    {
        return std::visit([at](auto& kind) { return kind.allows(at); }, kind_);
    }

    /// A request has arrived at `at`, and was allowed, or refused by this limit or another.
    void count(time at, bool allowed)
    {
        std::visit([=](auto& kind) { kind.count(at, allowed); }, kind_);
    }

    /// A request that was allowed has been answered.
    void answered() noexcept
    {
        if (auto* const in_flight = std::get_if<cap>(&kind_))
            --in_flight->now;
    }

private:
    struct log {
        std::size_t most;
        time period;
        std::deque<time> allowed_at;

        bool allows(time at)
        {
            while (!allowed_at.empty() && allowed_at.front() + period <= at)
                allowed_at.pop_front();
            return allowed_at.size() < most;
        }
        void count(time at, bool allowed)
        {
            if (allowed)
                allowed_at.push_back(at);
        }
    };

    struct counter {
        double most;
        time period;
        std::int64_t window;
        double before;
        double now;

        void turn(time at)
        {
            const std::int64_t current = at / period;
            if (current == window)
                return;
            before = current == window + 1 ? now : 0;
            now = 0;
            window = current;
        }
        bool allows(time at)
        {
            turn(at);
            const double passed = static_cast<double>((at % period).count()) /
                                  static_cast<double>(period.count());
            return before * (1 - passed) + now < most;
        }
        void count(time at, bool)
        {
            turn(at);
            ++now;
        }
    };

    struct fixed {
        std::size_t most;
        time period;
        time phase;
        std::int64_t window;
        std::size_t now;

        bool allows(time at)
        {
            const std::int64_t current = (at - phase + period) / period;
            if (current != window)
                now = 0;
            window = current;
            return now < most;
        }
        void count(time, bool allowed) { now += allowed ? 1 : 0; }
    };

    /// The generic cell rate algorithm.
    struct bucket {
        double interval;
        double tolerance;
        double expected;

        bool allows(time at) const
        {
            return static_cast<double>(at.count()) >= expected - tolerance;
        }
        void count(time at, bool allowed)
        {
            if (allowed)
                expected = std::max(expected, static_cast<double>(at.count())) + interval;
        }
    };

    struct cap {
        std::size_t most;
        std::size_t now;

        bool allows(time) const { return now < most; }
        void count(time, bool allowed) { now += allowed ? 1 : 0; }
    };

    using any = std::variant<log, counter, fixed, bucket, cap>;

    explicit server_limit(any kind) : kind_{std::move(kind)} {}

    any kind_;
};

} // namespace HEADGATE_NAMESPACE::testing

#endif
