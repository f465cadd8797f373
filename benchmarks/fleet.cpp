// Thousands of clients that share one limit through one Redis, in virtual time: how much of the
// limit is used, whether a strict server would refuse anything, what it costs Redis, and how fair
// it is. The network and the clocks are simulated; the clients' state machine and the script in
// Redis are those of the library. Needs a Redis of its own, whose content it deletes.
#include <headgate/limit.hpp>

#include "script_pipe.hpp"
#include "simulated_fleet.hpp"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using benchmarks::fleet_plan;
using benchmarks::fleet_result;
using headgate::limit;
using std::chrono::nanoseconds;

namespace {

constexpr auto period = 1s;

/// What a user would say of it: by the network one request may be 10 ms later than another. A paced
/// limit that a sliding window is not to refuse needs what it is late by itself as well.
limit paced(std::size_t count)
{
    return limit::paced(count, period).with_slack(16ms);
}
limit window(std::size_t count)
{
    return limit::window(count, period).with_slack(10ms);
}

double seconds(nanoseconds span)
{
    return std::chrono::duration<double>(span).count();
}

/// Virtual seconds that give every client some requests, and every run few enough calls.
nanoseconds length_for(std::size_t clients, std::size_t count)
{
    if (clients >= 5'000 || count >= 1'000'000)
        return 4s;
    return clients >= 1'000 ? 6s : 12s;
}

fleet_plan plan(std::string name, const limit& allowed, std::size_t clients)
{
    fleet_plan result;
    result.name = std::move(name);
    result.allowed = allowed;
    result.clients = clients;
    result.length = length_for(clients, allowed.count());
    return result;
}

std::vector<fleet_plan> plans()
{
    std::vector<fleet_plan> result;
    for (const std::size_t count : {100U, 10'000U, 1'000'000U})
        for (const std::size_t clients : {1U, 10U, 100U, 1'000U, 5'000U})
            result.push_back(plan("size", paced(count), clients));
    // A window takes Redis ten times as long.
    for (const std::size_t clients : {1U, 10U, 100U, 1'000U})
        for (const std::size_t count : {100U, 10'000U})
            result.push_back(plan("size", window(count), clients));
    for (const std::size_t clients : {1U, 100U}) {
        result.push_back(plan("size", window(1'000'000), clients));
        result.back().length = 3'500ms;
    }
    for (const auto kind : {paced, window})
        for (const nanoseconds delay : {200us, 5'000us, 50'000us})
            for (const double loss : {0.0, 0.01, 0.05}) {
                auto one = plan("network", kind(10'000), 100);
                one.delay = delay;
                one.loss = loss;
                result.push_back(one);
            }
    for (const auto kind : {paced, window}) {
        auto one = plan("far, long horizon", kind(10'000), 100);
        one.delay = 50ms;
        one.settings.horizon = 500ms;
        result.push_back(one);
    }
    for (const auto kind : {paced, window})
        for (const std::size_t clients : {1U, 100U})
            for (const nanoseconds delay : {200us, 5'000us, 50'000us}) {
                auto one = plan("wait", kind(10'000), clients);
                one.delay = delay;
                one.load = 0.8;
                result.push_back(one);
            }
    for (const auto kind : {paced, window}) {
        auto one = plan("half come later", kind(10'000), 100);
        one.late = 50;
        result.push_back(one);
        one = plan("half die", kind(10'000), 100);
        one.die = 50;
        result.push_back(one);
        one = plan("Redis restarted, empty", kind(10'000), 100);
        one.length = 12s;
        one.restarts = true;
        result.push_back(one);
        one.name = "Redis restarted, with its state";
        one.persistent = true;
        result.push_back(one);
    }
    for (const nanoseconds horizon : {100ms, 500ms, 2'000ms})
        for (const std::size_t clients : {1'000U, 5'000U}) {
            auto one = plan("horizon, each call takes 100 us", paced(100'000), clients);
            one.length = 8s;
            one.warm = 4s;
            one.service = 100us;
            one.settings.horizon = horizon;
            result.push_back(one);
        }
    return result;
}

/// What a server says that counts strictly, in a sliding window: how many it refuses.
std::size_t refused(const std::vector<std::int64_t>& arrivals, std::size_t allowed)
{
    std::deque<std::int64_t> counted;
    std::size_t result = 0;
    for (const std::int64_t at : arrivals) {
        while (!counted.empty() && counted.front() + nanoseconds{period}.count() <= at)
            counted.pop_front();
        if (counted.size() >= allowed)
            ++result;
        else
            counted.push_back(at);
    }
    return result;
}

std::size_t most_in_period(const std::vector<std::int64_t>& arrivals)
{
    std::size_t most = 0;
    for (std::size_t first = 0, last = 0; last < arrivals.size(); ++last) {
        while (arrivals[first] + nanoseconds{period}.count() <= arrivals[last])
            ++first;
        most = std::max(most, last - first + 1);
    }
    return most;
}

double quantile(std::vector<std::int64_t>& values, double which)
{
    const auto at = values.begin() +
                    static_cast<std::ptrdiff_t>(which * static_cast<double>(values.size() - 1));
    std::nth_element(values.begin(), at, values.end());
    return static_cast<double>(*at);
}

/// How the tokens were shared, of those clients.
void add_fairness(nlohmann::ordered_json& row, const std::vector<std::uint64_t>& granted,
                  std::size_t from, std::size_t until)
{
    double sum = 0;
    double squares = 0;
    double least = INFINITY;
    for (std::size_t i = from; i < until; ++i) {
        const auto each = static_cast<double>(granted[i]);
        sum += each;
        squares += each * each;
        least = std::min(least, each);
    }
    const auto n = static_cast<double>(until - from);
    if (sum < 10 * n) // nothing can be said of so few
        return;
    row["least_share"] = least / (sum / n);
    row["jain"] = sum * sum / (n * squares);
}

nlohmann::ordered_json judge(const fleet_plan& what, fleet_result result)
{
    std::sort(result.arrivals.begin(), result.arrivals.end());
    const auto warm =
        std::lower_bound(result.arrivals.begin(), result.arrivals.end(), what.warm.count());
    // Bursts come once in a period with its slack; so many of them as are whole.
    const nanoseconds round = what.allowed.period() + what.allowed.slack();
    const nanoseconds measured = (what.length - what.warm) / round * round;
    const auto end = std::lower_bound(warm, result.arrivals.end(), (what.warm + measured).count());
    const double span = seconds(measured);
    const auto requests = static_cast<double>(end - warm);
    const double calls =
        static_cast<double>(result.calls) * span / seconds(what.length - what.warm);
    const bool is_window = what.allowed.type() == limit::kind::window;
    nlohmann::ordered_json row;
    row["scenario"] = what.name;
    row["kind"] = is_window ? "window" : "paced";
    row["limit"] = what.allowed.count();
    row["clients"] = what.clients;
    row["delay_ms"] = seconds(what.delay) * 1e3;
    row["loss"] = what.loss;
    row["load"] = what.load;
    row["horizon_ms"] = seconds(what.settings.horizon) * 1e3;
    row["service_us"] = seconds(what.service) * 1e6;
    row["seconds"] = seconds(what.length);
    row["used"] = requests / (static_cast<double>(what.allowed.count()) * span);
    row["refused"] = refused(result.arrivals, what.allowed.count());
    row["most_in_period"] = most_in_period(result.arrivals);
    row["calls_per_second"] = calls / span;
    row["calls_per_request"] = calls / requests;
    row["unanswered"] = result.unanswered;
    row["redis_us_per_call"] =
        result.redis_cpu_seconds * 1e6 / static_cast<double>(result.calls_in_all);
    if (what.late > 0) // who comes later, beside those who were there
        add_fairness(row, result.granted_after, 0, what.clients);
    else
        add_fairness(row, result.granted, 0, what.clients - what.die);
    if (!result.waits.empty()) {
        row["wait_p50_ms"] = quantile(result.waits, 0.5) / 1e6;
        row["wait_p99_ms"] = quantile(result.waits, 0.99) / 1e6;
    }
    std::int64_t longest = 0;
    for (auto at = warm; at != end && at + 1 != end; ++at)
        longest = std::max(longest, *(at + 1) - *at);
    row["longest_gap_ms"] = static_cast<double>(longest) / 1e6;
    return row;
}

void print(const nlohmann::ordered_json& row)
{
    std::cout << "| " << row["scenario"].get<std::string>();
    for (const auto& [name, value] : row.items())
        if (name != "scenario")
            std::cout << " | " << name << ' '
                      << (value.is_string() ? value.get<std::string>() : value.dump());
    std::cout << " |\n";
}

} // namespace

int main(int argc, char* argv[])
{
    bool json = false;
    int port = 0;
    std::uint64_t seed = 1;
    bool quick = false;
    std::string only;
    CLI::App app{"A fleet of clients that share a limit through Redis, in virtual time"};
    app.add_option("--port", port, "of a Redis on this machine; what it holds is deleted")
        ->required();
    app.add_option("--only", only, "Scenarios whose name begins with that");
    app.add_option("--seed", seed, "Of the random numbers");
    app.add_flag("--quick", quick, "Without what takes long");
    app.add_flag("--json", json, "One line of JSON for each row instead of a table");
    CLI11_PARSE(app, argc, argv);
    try {
        benchmarks::script_pipe redis{port};
        for (const fleet_plan& each : plans()) {
            if (!each.name.starts_with(only) || (quick && each.clients > 10))
                continue;
            const auto began = std::chrono::steady_clock::now();
            auto row = judge(each, benchmarks::simulated_fleet{each, redis, seed}.run());
            row["wall_seconds"] = seconds(std::chrono::steady_clock::now() - began);
            if (json)
                std::cout << row.dump() << std::endl;
            else
                print(row);
        }
    } catch (const std::exception& failed) {
        std::cerr << "fleet: " << failed.what() << '\n';
        return 1;
    }
}
