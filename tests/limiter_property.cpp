// Random limits, schedules, weights, cancellations and stalls against what a limiter promises.
#include <headgate/async_limiter.hpp>

#include "support/run.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <random>
#include <vector>

using namespace std::chrono_literals;
using headgate::limit;
using headgate::testing::virtual_clock;

namespace {

using nanoseconds = std::chrono::nanoseconds;
constexpr nanoseconds credit = 2ms;

struct grant {
    nanoseconds at;
    std::size_t tokens;
};

/// The judge: knows only the grants and the definition of the limit.
void judge(const limit& allowed, const std::vector<grant>& grants)
{
    const double interval =
        static_cast<double>(allowed.period().count()) / static_cast<double>(allowed.count());
    std::size_t in_window = 0;
    double level = 0; // of a bucket that leaks at the rate
    auto oldest = grants.begin();
    nanoseconds before{0};
    for (auto each = grants.begin(); each != grants.end(); ++each) {
        in_window += each->tokens;
        for (; oldest->at + allowed.period() <= each->at; ++oldest)
            in_window -= oldest->tokens;
        level = std::max(0.0, level - static_cast<double>((each->at - before).count()) / interval);
        level += static_cast<double>(each->tokens);
        before = each->at;
        if (allowed.type() == limit::kind::window) {
            if (in_window > allowed.count())
                FAIL("window of " << allowed.count() << " holds " << in_window);
        } else if (level > static_cast<double>(allowed.burst()) +
                               static_cast<double>(credit.count()) / interval + 1e-3) {
            FAIL("bucket of " << allowed.burst() << " at level " << level);
        }
    }
}

struct ticket {
    asio::cancellation_signal signal;
    std::size_t order = 0;
    std::size_t tokens = 0;
    bool done = false;
};

std::size_t round(std::uint64_t seed)
{
    std::mt19937_64 random{seed};
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    std::vector<limit> limits;
    for (std::size_t i = 0, n = 1 + below(3); i < n; ++i) {
        const std::size_t count = 1 + below(200);
        const nanoseconds period{1 + static_cast<std::int64_t>(random() % 2'000'000'000)};
        limits.push_back(below(3) == 0   ? limit::window(count, period)
                         : below(2) == 0 ? limit::paced(count, period)
                                         : limit::bucket(count, period, 1 + below(100)));
    }
    virtual_clock::reset();
    asio::io_context context;
    support::limiter gate{context, limits, credit};
    std::vector<grant> grants;
    std::deque<ticket> tickets;
    std::size_t last_order = 0;
    const auto start = virtual_clock::now();
    const auto granted = [&](std::size_t tokens) {
        grants.push_back({virtual_clock::now() - start, tokens});
    };

    for (std::size_t asked = 0; asked < 12'000;) {
        for (std::size_t i = 0, n = below(60); i < n; ++i, ++asked) {
            const std::size_t tokens = 1 + below(std::min<std::size_t>(gate.max_tokens(), 5));
            if (below(10) == 0) {
                if (gate.try_acquire(tokens)) {
                    REQUIRE(gate.statistics().waiting == 0);
                    granted(tokens);
                }
                continue;
            }
            ticket& mine = tickets.emplace_back();
            mine.order = asked + 1;
            mine.tokens = tokens;
            gate.async_acquire(tokens, asio::bind_cancellation_slot(
                                           mine.signal.slot(), [&](headgate::error_code failed) {
                                               mine.done = true;
                                               if (failed)
                                                   return;
                                               REQUIRE(mine.order > last_order);
                                               last_order = mine.order;
                                               granted(mine.tokens);
                                           }));
        }
        for (std::size_t i = 0, n = below(8); i < n && !tickets.empty(); ++i) {
            ticket& chosen = tickets[below(tickets.size())];
            if (!chosen.done)
                chosen.signal.emit(asio::cancellation_type::all);
        }
        // What was granted so far runs now: the judge goes by the time the handlers run.
        virtual_clock::run_for(context, 0ns);
        if (below(20) == 0)
            virtual_clock::advance(nanoseconds{static_cast<std::int64_t>(random() % 50'000'000)});
        virtual_clock::run_for(context,
                               nanoseconds{static_cast<std::int64_t>(random() % 20'000'000)});
        while (!tickets.empty() && tickets.front().done)
            tickets.pop_front();
    }
    virtual_clock::run(context);
    for (const ticket& each : tickets)
        REQUIRE(each.done);
    for (const limit& each : limits)
        judge(each, grants);
    return grants.size();
}

} // namespace

TEST_CASE("no schedule makes a limiter break its promise")
{
#if !defined(NDEBUG)
    constexpr std::size_t enough = 100'000;
#else
    constexpr std::size_t enough = 1'000'000;
#endif
    std::size_t total = 0;
    for (std::uint64_t seed = 1; total < enough; ++seed) {
        INFO("seed " << seed);
        total += round(seed);
    }
    CHECK(total >= enough);
}
