// What an async_limiter with a burst of one does of the rate that was asked for, by the real clock,
// and how late its grants are; what it does after the loop stood still; and what a hundred thousand
// waiters cost.
#include <headgate/async_limiter.hpp>

#include <CLI/CLI.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <ctime>
#include <functional>
#include <iostream>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;
using headgate::async_limiter;
using headgate::limit;
using seconds = std::chrono::duration<double>;

namespace {

double cpu_seconds()
{
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/// When so many tokens came, of which each of 64 waits for one after the other.
std::vector<clock_type::time_point> take(std::size_t tokens, std::size_t rate,
                                         std::size_t stall_at = 0)
{
    asio::io_context context;
    async_limiter limiter{context, limit::bucket(rate, 1s, 1)};
    std::vector<clock_type::time_point> came;
    came.reserve(tokens);
    std::function<void()> next = [&] {
        limiter.async_acquire([&](std::error_code) {
            came.push_back(clock_type::now());
            if (came.size() == stall_at)
                std::this_thread::sleep_for(300ms);
            if (came.size() == tokens)
                context.stop();
            else
                next();
        });
    };
    for (int i = 0; i < 64; ++i)
        next();
    context.run();
    return came;
}

void print_pace(std::size_t rate)
{
    const auto came = take(3 * rate, rate);
    const auto due = [&](std::size_t i) {
        return seconds{static_cast<double>(i) / static_cast<double>(rate)};
    };
    std::vector<double> late;
    for (std::size_t i = 0; i < came.size(); ++i)
        late.push_back((seconds{came[i] - came[0]} - due(i)).count());
    const double took = seconds{came.back() - came[0]}.count();
    const auto p99 = late.begin() + static_cast<std::ptrdiff_t>(late.size() * 99 / 100);
    std::nth_element(late.begin(), p99, late.end());
    nlohmann::ordered_json row;
    row["what"] = "64 waiters, again and again";
    row["rate"] = rate;
    row["share"] = due(came.size() - 1).count() / took;
    row["late_p99_us"] = *p99 * 1e6;
    std::cout << row.dump() << '\n';
}

void print_stall()
{
    constexpr std::size_t rate = 10'000;
    constexpr std::size_t before = rate / 10;
    const auto came = take(3 * before, rate, before);
    const auto until = came[before] + 10ms;
    nlohmann::ordered_json row;
    row["what"] = "in 10 ms after a stall of 300 ms";
    row["rate"] = rate;
    row["grants"] = std::count_if(came.begin() + before, came.end(),
                                  [&](clock_type::time_point each) { return each < until; });
    std::cout << row.dump() << '\n';
}

/// As many short lines one after the other as come to as many waiters as the longest.
void print_line(std::size_t waiters, std::size_t rate, std::size_t longest)
{
    asio::io_context context;
    async_limiter limiter{context, limit::bucket(rate, 1s, 1)};
    std::vector<std::size_t> order;
    order.reserve(waiters);
    clock_type::time_point first, last;
    double cpu = 0;
    double took = 0;
    std::size_t out_of_order = 0;
    const std::size_t rounds = std::max<std::size_t>(1, longest / waiters);
    for (std::size_t round = 0; round <= rounds; ++round) {
        order.clear();
        const double before = cpu_seconds();
        for (std::size_t i = 0; i < waiters; ++i)
            limiter.async_acquire([&, i](std::error_code) {
                last = clock_type::now();
                if (order.empty())
                    first = last;
                order.push_back(i);
            });
        context.restart();
        context.run();
        if (round == 0)
            continue; // it has to ask the system for memory, which the others find
        cpu += cpu_seconds() - before;
        took += seconds{last - first}.count();
        for (std::size_t i = 1; i < order.size(); ++i)
            out_of_order += order[i] < order[i - 1];
    }
    nlohmann::ordered_json row;
    row["what"] = "a line of " + std::to_string(waiters) + " waiters";
    row["rate"] = rate;
    row["share"] = static_cast<double>(rounds * (waiters - 1)) / static_cast<double>(rate) / took;
    row["cpu_us"] = cpu * 1e6 / static_cast<double>(rounds * waiters);
    row["out_of_order"] = out_of_order;
    std::cout << row.dump() << '\n';
}

} // namespace

int main(int argc, char* argv[])
{
    std::size_t waiters = 100'000;
    CLI::App app{"The pace of a limiter by the real clock"};
    app.add_option("--waiters", waiters, "how many in the longest line")->check(CLI::Range(2, 10'000'000));
    CLI11_PARSE(app, argc, argv);

    for (const std::size_t rate : {100U, 1'000U, 10'000U})
        print_pace(rate);
    print_stall();
    for (std::size_t few = 10; few < waiters; few *= 10)
        print_line(few, 100'000, waiters);
    print_line(waiters, 100'000, waiters);
}
