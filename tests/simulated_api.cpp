// Ten hours against each kind of server, and a month of another, in virtual time.
#include <headgate/extract.hpp>
#include <headgate/paging/offset.hpp>
#include <headgate/testing/simulated_api.hpp>

#include "support/run.hpp"

#include <asio/detached.hpp>

#include <functional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using headgate::limit;
using headgate::testing::server_limit;
using headgate::testing::simulated_api;
using headgate::testing::simulated_api_options;
using headgate::testing::simulated_api_verdict;
using headgate::testing::virtual_clock;
using std::chrono::nanoseconds;

namespace {

simulated_api_verdict pull(const simulated_api_options& options, const std::vector<limit>& limits,
                           nanoseconds credit = 2ms)
{
    virtual_clock::reset();
    asio::io_context context;
    simulated_api api{context, options};
    support::limiter limiter{context, limits, credit};
    std::uint64_t records = 0;
    headgate::outcome outcome;
    headgate::paging::offset pager{headgate::http::request{simulated_api::url}};
    auto stream = headgate::extract(api, limiter, pager);
    auto read = [&]() -> asio::awaitable<void> {
        while (auto page = co_await stream.next())
            records += page->records().size();
        outcome = stream.outcome();
    };
    asio::co_spawn(context, read, support::rethrow);
    virtual_clock::run(context);
    INFO(outcome.reason());
    CHECK(outcome.complete());
    CHECK(records == options.records());
    return api.verdict();
}

} // namespace

namespace {

#if defined(NDEBUG)
constexpr auto span = 10h;
#else
constexpr auto span = 15min;
#endif

/// 100 per 60 s and a far network, or 10 per second and a near one.
struct setting {
    std::size_t count;
    nanoseconds period;
    nanoseconds nearest;
    nanoseconds farthest;

    nanoseconds spread() const { return farthest - nearest; }

    simulated_api_options options() const
    {
        simulated_api_options result;
        return result.records(static_cast<std::uint64_t>(span / period) * count)
            .network(nearest, farthest)
            .judge_by(period);
    }
};

setting any_setting()
{
    return GENERATE(setting{100, 60s, 1ms, 200ms}, setting{10, 1s, 1ms, 10ms});
}

/// A server, and the limits that match it.
struct kind {
    const char* name;
    std::function<server_limit(const setting&)> server;
    std::function<limit(const setting&)> client;
};

const std::vector<kind> kinds{
    {"sliding log", [](auto& s) { return server_limit::sliding_log(s.count, s.period); },
     [](auto& s) { return limit::window(s.count, s.period).with_slack(s.spread()); }},
    {"sliding counter", [](auto& s) { return server_limit::sliding_counter(s.count, s.period); },
     [](auto& s) { return limit::paced(s.count, s.period).with_slack(s.spread()); }},
    {"fixed window",
     [](auto& s) { return server_limit::fixed_window(s.count, s.period, s.period / 3); },
     [](auto& s) { return limit::window(s.count, s.period).with_slack(s.spread()); }},
    {"token bucket",
     [](auto& s) { return server_limit::token_bucket(s.count, s.period, s.count); },
     // One token less than the server's covers what a request can be early.
     [](auto& s) { return limit::bucket(s.count, s.period, s.count - 1); }},
    {"leaky bucket", [](auto& s) { return server_limit::leaky_bucket(s.count, s.period, 1); },
     [](auto& s) { return limit::paced(s.count, s.period); }},
};

} // namespace

TEST_CASE("the matching limit uses all but the jitter of what a server allows, and is never refused")
{
    const setting at = any_setting();
    for (const kind& each : kinds) {
        INFO(each.name << " of " << at.count);
        const auto verdict = pull(at.options().limit(each.server(at)), {each.client(at)});
        CHECK(verdict.refused == 0);
        CHECK(verdict.use(at.count, at.period) >= 0.99);
    }
}

TEST_CASE("the default uses 98 % of what any kind of server allows, and is never refused")
{
    const setting at = any_setting();
    const auto limits = headgate::limits_for_any_server(at.count, at.period);
    for (const kind& each : kinds) {
        INFO(each.name << " of " << at.count);
        const auto verdict = pull(at.options().limit(each.server(at)), limits);
        CHECK(verdict.refused == 0);
        CHECK(verdict.use(at.count, at.period) >= 0.98);
        CHECK(verdict.most_in_window <= at.count);
    }
}

TEST_CASE("two limits at once are both kept, and the tighter one is used")
{
    const setting at = any_setting();
    const bool matching = GENERATE(true, false);
    const std::size_t more = at.count * 8;
    const auto longer = 10 * at.period;
    const auto options = at.options()
                             .records(static_cast<std::uint64_t>(span / longer) * more)
                             .limit(server_limit::sliding_log(at.count, at.period))
                             .limit(server_limit::sliding_log(more, longer));
    std::vector<limit> limits{limit::window(at.count, at.period).with_slack(at.spread()),
                              limit::window(more, longer).with_slack(at.spread())};
    if (!matching) {
        limits = headgate::limits_for_any_server(at.count, at.period);
        for (const limit& each : headgate::limits_for_any_server(more, longer))
            limits.push_back(each);
    }
    const auto verdict = pull(options, limits);
    CHECK(verdict.refused == 0);
    CHECK(verdict.use(more, longer) >= (matching ? 0.99 : 0.98));
}

TEST_CASE("a cap on what is in flight is filled as far as the way there and back allows")
{
    const setting at = any_setting();
    const nanoseconds work = at.period / 50;
    const auto options = at.options().service(work, work).limit(server_limit::concurrency(5));
    const auto verdict = pull(options, {limit::in_flight(5)});
    CHECK(verdict.refused == 0);
    CHECK(verdict.peak_in_flight == 5);
    // A place is taken from before the request is sent until its answer is there.
    const auto on_the_way = at.nearest + at.farthest;
    const double reachable =
        static_cast<double>(work.count()) / static_cast<double>((work + on_the_way).count());
    const double used = static_cast<double>(verdict.service.count()) /
                        static_cast<double>(5 * (verdict.last - verdict.first).count());
    CHECK(used >= 0.99 * reachable);

    auto limits = headgate::limits_for_any_server(at.count, at.period);
    limits.push_back(limit::in_flight(5));
    const auto rated =
        pull(at.options().service(work, work).limit(server_limit::concurrency(5)), limits);
    CHECK(rated.refused == 0);
    CHECK(rated.use(at.count, at.period) >= 0.98);
}

TEST_CASE("a leaky bucket without burst is kept with what the jitter takes")
{
    const setting at = any_setting();
    const nanoseconds interval = at.period / static_cast<int>(at.count);
    const auto slack = at.spread() * static_cast<int>(at.count);
    const auto options = at.options().limit(server_limit::leaky_bucket(at.count, at.period, 0));
    const auto verdict = pull(options, {limit::paced(at.count, at.period).with_slack(slack)});
    CHECK(verdict.refused == 0);
    const double reachable = static_cast<double>(interval.count()) /
                             static_cast<double>((interval + at.spread()).count());
    CHECK(verdict.use(at.count, at.period) >= 0.99 * reachable);
}

TEST_CASE("what is wrong by a little is refused: the judge can fail")
{
    const setting at{10, 1s, 1ms, 10ms};
    auto options = at.options().limit(server_limit::sliding_log(10, 1s)).records(2000);
    const auto verdict = pull(options.retry_after(1s), {limit::window(10, 1s)});
    CHECK(verdict.refused > 0);
    CHECK(verdict.most_in_window > 10);
}

TEST_CASE("thirty days of a 5,000-an-hour API")
{
#if defined(NDEBUG)
    constexpr std::uint64_t hours = 30 * 24;
#else
    constexpr std::uint64_t hours = 4;
#endif
    simulated_api_options options;
    options.records(5000 * hours)
        .network(20ms, 300ms)
        .service(100ms, 8s)
        .judge_by(1h)
        .limit(server_limit::fixed_window(5000, 1h, 17min))
        .limit(server_limit::sliding_log(5000, 1h));
    const auto verdict = pull(options, headgate::limits_for_any_server(5000, 1h));
    CHECK(verdict.refused == 0);
    CHECK(verdict.most_in_window <= 5000);
    CHECK(verdict.use(5000, 1h) >= 0.98);
}
