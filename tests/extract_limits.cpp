// What an extraction makes of a server's limits: pauses, refusals, stalls, credentials, and limits
// that nobody has told. In virtual time.
#include <headgate/extract.hpp>
#include <headgate/testing/simulated_api.hpp>

#include "support/simulated_job.hpp"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace http = headgate::http;
using headgate::extract_options;
using headgate::limit;
using headgate::outcome_code;
using headgate::testing::server_limit;
using headgate::testing::simulated_api;
using headgate::testing::simulated_api_options;
using headgate::testing::virtual_clock;
using std::chrono::nanoseconds;

namespace {

using job = support::simulated_job;

const std::vector<limit> fast{limit::window(1000, 1s)};

} // namespace

TEST_CASE("with twenty in flight refused, nobody comes for three seconds, then one, then the rest")
{
    job its{simulated_api_options{}.records(200).network(10ms, 10ms).service(1s, 1s),
            {limit::paced(20, 1s)}};
    bool first = true;
    double refused_until = 0;
    its.answer = [&](const http::request&) -> std::optional<http::response> {
        const double now = its.arrivals.back();
        if (first) { // the first page, alone
            first = false;
            return std::nullopt;
        }
        if (now > 3 && refused_until == 0)
            refused_until = now + 1;
        if (now > 3 && now < refused_until)
            return http::response{429, {{"Retry-After", "3"}}};
        return std::nullopt;
    };
    const auto outcome = its.run();
    INFO(outcome.reason());
    CHECK(outcome.complete());
    CHECK(its.got.size() == 200);
    const auto statistics = its.stream->statistics();
    CHECK(statistics.pauses == 1);
    CHECK(statistics.waited >= 3s);
    CHECK(statistics.waited < 4s);
    CHECK(statistics.http_429 >= 1);
    const auto pause = std::adjacent_find(its.arrivals.begin(), its.arrivals.end(),
                                          [](double a, double b) { return b - a > 2.9; });
    REQUIRE(pause != its.arrivals.end());
    const double probe = pause[1];
    CHECK(probe - pause[0] >= 3.0);
    CHECK(pause[2] - probe >= 1.0); // the rest wait for what the probe is told
    for (auto later = pause + 3; later != its.arrivals.end(); ++later)
        CHECK(later[0] - later[-1] > 0.0479); // the interval, less the credit
}

TEST_CASE("a wait that is too long ends the run at once")
{
    job its{simulated_api_options{}.records(50), fast};
    its.answer = [&](const http::request&) -> std::optional<http::response> {
        if (its.arrivals.size() < 20)
            return std::nullopt;
        return http::response{403, {{"X-RateLimit-Remaining", "0"}, {"X-RateLimit-Reset", "3000"}}};
    };
    const auto outcome = its.run(extract_options{}.max_wait(10min));
    CHECK(outcome.code() == outcome_code::wait_too_long);
    CHECK(outcome.reason().find("status 403 to http://") != std::string::npos);
    CHECK(outcome.reason().find(" and wants a wait of 3000 s") != std::string::npos);
    CHECK(its.got.size() == 19);
    CHECK(its.arrivals.back() < 1);
}

TEST_CASE("an API that throttles inside a 200 is understood")
{
    job its{simulated_api_options{}.records(30), fast};
    its.answer = [&](const http::request&) -> std::optional<http::response> {
        if (its.arrivals.size() != 10)
            return std::nullopt;
        return http::response{200, {}, "{\"error\":\"slow down\"}"};
    };
    const auto outcome = its.run(extract_options{}.throttled_if([](const http::response& answer) {
        return answer.body().find("slow down") != std::string::npos;
    }));
    CHECK(outcome.complete());
    CHECK(its.got.size() == 30);
    CHECK(its.stream->statistics().refused == 1);
    CHECK(its.stream->statistics().http_429 == 0);
}

TEST_CASE("a server that answers, but never with a page, is left after a while")
{
    job its{simulated_api_options{}.records(100).network(1s, 1s), fast};
    its.answer = [&](const http::request&) -> std::optional<http::response> {
        if (its.arrivals.size() < 10)
            return std::nullopt;
        return http::response{500};
    };
    const auto outcome = its.run(extract_options{}.retries(1000).stall_after(1min));
    CHECK(outcome.code() == outcome_code::stalled);
    CHECK(outcome.reason() == "no page came for 60 s");
    CHECK(its.got.size() == 9);
    CHECK(its.arrivals.back() > 10); // one page at a time, and later and later
    CHECK(its.arrivals.back() < 65);
}

TEST_CASE("waiting for one's own limit or for a slow reader is no stall")
{
    job its{simulated_api_options{}.records(5), {limit::paced(1, 1h)}};
    CHECK(its.run(extract_options{}.stall_after(1min)).complete());
    CHECK(its.got.size() == 5);
}

TEST_CASE("500 for ever costs the retry budget and no more")
{
    job its{simulated_api_options{}.records(100), {limit::paced(10, 1s)}};
    its.answer = [](const http::request& what) -> std::optional<http::response> {
        const std::string query = what.url().query();
        const auto equals = query.find('=');
        if (equals != query.npos && std::stoi(query.substr(equals + 1)) >= 40)
            return http::response{500};
        return std::nullopt;
    };
    const auto outcome = its.run();
    CHECK(outcome.code() == outcome_code::page_failed);
    CHECK(its.got.size() == 40);
    const auto budget = 2 * extract_options{}.retries() + 40 / 10;
    // Beside the retries, those pages that were tried for the first time.
    CHECK(its.stream->statistics().retries <= budget);
    CHECK(its.arrivals.size() <= 100 + budget);
}

TEST_CASE("a server that is down for a moment fails all that is in flight, and breaks no run")
{
    job its{simulated_api_options{}.records(1000).network(200ms, 300ms), {limit::paced(200, 1s)}};
    its.answer = [](const http::request&) -> std::optional<http::response> {
        const double now = support::seconds();
        return now > 2 && now < 5 ? std::optional{http::response{500}} : std::nullopt;
    };
    CHECK(its.run().complete());
    CHECK(its.got.size() == 1000);
    CHECK(its.stream->statistics().peak_in_flight > 30);
}

TEST_CASE("a hook that throws names the page and says why")
{
    job its{simulated_api_options{}.records(100).network(10ms, 20ms), fast};
    int calls = 0;
    const auto outcome = its.run(extract_options{}.throttled_if([&](const http::response&) -> bool {
        if (++calls > 5)
            throw std::runtime_error{"my hook"};
        return false;
    }));
    CHECK(outcome.code() == outcome_code::page_failed);
    CHECK(outcome.reason().find("page at offset ") == 0);
    CHECK(outcome.reason().find("throttled_if: my hook") != std::string::npos);
}

TEST_CASE("neither refusals while others come nor new credentials are counted as failed tries")
{
    const auto [answers, tries] = GENERATE(table<std::vector<int>, int>({
        {{429, 429, 429, 500}, 0},
        {{500, 429, 429, 429}, 0},
        {{401, 500}, 0},
        {{401, 429, 500, 429}, 0},
        {{500, 500}, 2},
        {{429, 500, 429, 500}, 4},
        {{401, 500, 500}, 3},
        {{401, 429, 429, 403}, 4},
    }));
    CAPTURE(answers);
    job its{simulated_api_options{}.records(1000).network(10ms, 20ms), {limit::paced(100, 1s)}};
    std::size_t asked = 0;
    its.answer = [&, &statuses = answers](const http::request& what) {
        std::optional<http::response> result;
        if (what.url().query() == "offset=50" && asked < statuses.size())
            result.emplace(statuses[asked++]);
        return result;
    };
    const auto outcome = its.run(extract_options{}.retries(1).max_in_flight(8).refresh(
        []() -> asio::awaitable<void> { co_return; }));
    INFO(outcome.reason());
    CHECK(asked == answers.size());
    CHECK(outcome.complete() == (tries == 0));
    if (tries > 0)
        CHECK(outcome.reason().find("(after " + std::to_string(tries) + " tries)") !=
              std::string::npos);
}

TEST_CASE("credentials are renewed once, however many requests were refused")
{
    job its{simulated_api_options{}.records(60).network(10ms, 20ms), fast};
    int renewals = 0;
    std::string token = "a";
    std::string valid = "a";
    its.answer = [&](const http::request& what) -> std::optional<http::response> {
        if (its.arrivals.size() == 20)
            valid = "b";
        for (const auto& [name, value] : what.headers())
            if (name == "Authorization" && value == valid)
                return std::nullopt;
        return http::response{401};
    };
    extract_options options;
    options.prepare([&](http::request& what) { what.header("Authorization", token); });
    const bool works = GENERATE(true, false);
    options.refresh([&]() -> asio::awaitable<void> {
        ++renewals;
        co_await support::pause(1s);
        token = works ? "b" : "c";
    });
    const auto outcome = its.run(options);
    INFO(outcome.reason());
    CHECK(outcome.complete() == works);
    CHECK(renewals == 1);
    if (works)
        CHECK(its.got.size() == 60);
    else
        CHECK(outcome.reason().find("status 401") != std::string::npos);
}

TEST_CASE("a refresh that fails fails the page")
{
    job its{simulated_api_options{}.records(60), fast};
    its.answer = [](const http::request&) { return http::response{401}; };
    const auto outcome = its.run(extract_options{}.refresh([]() -> asio::awaitable<void> {
        throw std::runtime_error{"no such user"};
        co_return;
    }));
    CHECK(outcome.code() == outcome_code::page_failed);
    CHECK(outcome.reason().find("new credentials: no such user") != std::string::npos);
}

TEST_CASE("a limit that the server tells is kept if it is tighter, or trusted")
{
    const bool tighter = GENERATE(true, false);
    const bool trusted = GENERATE(true, false);
    job its{simulated_api_options{}.records(200), {limit::paced(10, 1s)}};
    its.api.intercept([&](const http::request& what, nanoseconds now) {
        its.arrivals.push_back(std::chrono::duration<double>(now).count());
        const std::string query = what.url().query();
        const auto equals = query.find('=');
        const int id = equals == query.npos ? 0 : std::stoi(query.substr(equals + 1));
        return std::optional{http::response{
            200,
            {{"RateLimit-Policy", tighter ? "\"default\";q=5;w=1" : "\"default\";q=20;w=1"}},
            "{\"count\":200,\"results\":[" + (id < 200 ? std::to_string(id) : "") + "]}"}};
    });
    CHECK(its.run(extract_options{}.trust_server(trusted)).complete());
    const double rate =
        static_cast<double>(its.arrivals.size() - 1) / (its.arrivals.back() - its.arrivals.front());
    const double expected = tighter ? 5 : trusted ? 20 : 10;
    CHECK(rate < expected * 1.02);
    CHECK(rate > expected * 0.97);
    CHECK(its.stream->statistics().server.limit == (tighter ? 5 : 20));
    CHECK(its.limiter.limits() == std::vector{limit::paced(10, 1s)}); // given back
}

TEST_CASE("a cap on requests in flight that nobody told is found")
{
    const bool burst = GENERATE(true, false);
    const auto rate = burst ? limit::window(1000, 1s) : limit::paced(100, 1s);
    job its{simulated_api_options{}
                .records(5000)
                .network(1ms, 20ms)
                .service(300ms, 900ms)
                .limit(server_limit::concurrency(5)),
            {rate}};
    const auto outcome = its.run(extract_options{}.max_in_flight(60).adaptive(true));
    INFO(outcome.reason());
    CHECK(outcome.complete());
    CHECK(its.got.size() == 5000);
    const auto verdict = its.api.verdict();
    CHECK(verdict.refused < 100);
    CHECK(its.stream->statistics().in_flight_allowed.value() <= 6);
    const double used = static_cast<double>(verdict.service.count()) /
                        static_cast<double>(5 * (verdict.last - verdict.first).count());
    CHECK(used > 0.8);
}

TEST_CASE("a limit that is lowered and raised again is followed both ways")
{
    job its{simulated_api_options{}.records(30'000).network(1ms, 20ms).service(50ms, 150ms),
            {limit::paced(50, 1s)}};
    const auto allow = [&](std::size_t count) {
        its.api.set_limits({server_limit::sliding_log(count, 1s)});
    };
    struct phase {
        double until;
        std::size_t allowed;
        std::uint64_t refused;
        std::uint64_t arrived;
    };
    std::vector<phase> phases;
    allow(52);
    its.answer = [&](const http::request&) -> std::optional<http::response> {
        const auto& verdict = its.api.verdict();
        const double now = its.arrivals.back();
        const auto mark = [&](double at, std::size_t allowed) {
            phases.push_back({at, allowed, verdict.refused, verdict.arrivals});
            if (allowed > 0)
                allow(allowed);
        };
        if (phases.size() == 0 && now > 100)
            mark(100, 10);
        if (phases.size() == 1 && now > 300) // found by now
            mark(300, 0);
        if (phases.size() == 2 && now > 700)
            mark(700, 52);
        if (phases.size() == 3 && now > 900)
            mark(900, 0);
        return std::nullopt;
    };
    const auto outcome = its.run(extract_options{}.adaptive(true));
    INFO(outcome.reason());
    CHECK(outcome.complete());
    CHECK(its.got.size() == 30'000);
    REQUIRE(phases.size() == 4);
    CHECK(phases[0].refused == 0);
    CHECK(phases[0].arrived > 4500);
    // Lowered to a fifth: found within 200 s, then at most one in a hundred is refused.
    const auto low = phases[2].arrived - phases[1].arrived;
    CHECK(low > 2800);
    CHECK(100 * (phases[2].refused - phases[1].refused) <= low);
    // Raised: found within 200 s.
    const auto verdict = its.api.verdict();
    const auto high = verdict.arrivals - phases[3].arrived;
    CHECK(static_cast<double>(high) > 0.9 * 50 * (its.arrivals.back() - 900));
    CHECK(100 * (verdict.refused - phases[3].refused) <= high);
}
