// How much of a quota is used, and how often the server has to refuse, at several latencies: 100
// requests per 60 s, counted by the server in a sliding log. In virtual time, over ten windows;
// with the first page, which headgate asks for alone.
#include <headgate/extract.hpp>
#include <headgate/paging/offset.hpp>
#include <headgate/testing/simulated_api.hpp>

#include <CLI/CLI.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iostream>
#include <limits>
#include <string>
#include <utility>
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

using limiter = headgate::basic_async_limiter<virtual_clock>;
using limits = std::vector<limit>;

constexpr std::size_t allowed = 100;
constexpr auto window = 60s;
constexpr int windows = 10;

/// One way through the network takes between these.
constexpr std::pair<nanoseconds, nanoseconds> network{5ms, 15ms};

headgate::http::request first_page()
{
    return headgate::http::request{simulated_api::url};
}

asio::awaitable<void> ask_for_ever(simulated_api api, limiter* tokens)
{
    for (;;) {
        if (tokens)
            co_await tokens->async_acquire(asio::use_awaitable);
        auto request = first_page();
        co_await api.async_send(std::move(request), asio::use_awaitable);
    }
}

/// As many workers as that, each asking again as soon as it has its answer.
void run_workers(asio::io_context& context, simulated_api& api, int workers, limiter* tokens)
{
    for (int i = 0; i < workers; ++i)
        asio::co_spawn(context, ask_for_ever(api, tokens), asio::detached);
    virtual_clock::run_for(context, windows * window - 1ns);
}

asio::awaitable<void> receive(headgate::page_stream& stream)
{
    for (;;) {
        const auto page = co_await stream.next();
        if (!page)
            break;
    }
}

void run_extract(asio::io_context& context, simulated_api& api, const limits& kept)
{
    limiter tokens{context, kept};
    headgate::extract_options options;
    options.max_in_flight(2 * allowed);
    auto stream = headgate::extract(api, tokens, headgate::paging::offset{first_page()}, options);
    asio::co_spawn(context, receive(stream), asio::detached);
    virtual_clock::run_for(context, windows * window - 1ns);
}

struct strategy {
    std::string name;
    std::function<void(asio::io_context&, simulated_api&)> run;
};

std::vector<strategy> strategies()
{
    // What the network makes a request vary by, there and back.
    const auto spread = network.second - network.first;
    return {
        {"headgate, server not known",
         [](asio::io_context& context, simulated_api& api) {
             run_extract(context, api, headgate::limits_for_any_server(allowed, window));
         }},
        {"headgate, window",
         [spread](asio::io_context& context, simulated_api& api) {
             run_extract(context, api, {limit::window(allowed, window).with_slack(spread)});
         }},
        {"semaphore of 10", [](asio::io_context& context,
                               simulated_api& api) { run_workers(context, api, 10, nullptr); }},
        {"5 workers, token bucket",
         [](asio::io_context& context, simulated_api& api) {
             limiter tokens{context, limit::bucket(allowed, window, allowed)};
             run_workers(context, api, 5, &tokens);
         }},
    };
}

simulated_api_verdict judge(const strategy& one, nanoseconds latency)
{
    virtual_clock::reset();
    const nanoseconds work = latency - network.first - network.second;
    simulated_api_options options;
    options.limit(server_limit::sliding_log(allowed, window))
        .records(std::numeric_limits<std::uint32_t>::max())
        .network(network.first, network.second)
        .service(work * 4 / 5, work * 6 / 5)
        .judge_by(window);
    asio::io_context context;
    simulated_api api{context, options};
    one.run(context, api);
    return api.verdict();
}

} // namespace

int main(int argc, char* argv[])
{
    bool json = false;
    CLI::App app{"How much of 100 requests per 60 s is used, by strategy and latency"};
    app.add_flag("--json", json, "One line of JSON for each row instead of a table");
    CLI11_PARSE(app, argc, argv);

    if (!json)
        std::cout << "| latency | strategy | quota used | 429s | most in a window | in flight |\n"
                     "| --- | --- | --- | --- | --- | --- |\n";
    for (const nanoseconds latency : {100ms, 500ms, 8000ms, 30000ms}) {
        const double seconds = std::chrono::duration<double>(latency).count();
        for (const strategy& one : strategies()) {
            const auto verdict = judge(one, latency);
            const double used = static_cast<double>(verdict.arrivals - verdict.refused) /
                                static_cast<double>(allowed * windows);
            if (json) {
                nlohmann::ordered_json row;
                row["latency_seconds"] = seconds;
                row["strategy"] = one.name;
                row["used"] = used;
                row["refused"] = verdict.refused;
                row["most_in_window"] = verdict.most_in_window;
                row["peak_in_flight"] = verdict.peak_in_flight;
                std::cout << row.dump() << '\n';
            } else {
                std::cout << "| " << seconds << " s | " << one.name << " | "
                          << std::round(used * 1000) / 10 << " % | " << verdict.refused << " | "
                          << verdict.most_in_window << " | " << verdict.peak_in_flight << " |\n";
            }
        }
    }
}
