// The same job done in four ways against an API with a strict quota, which runs in a process of its
// own on loopback; then headgate's own way once more, with its records. Takes less than a minute.
#include "demo_api.hpp"
#include "extract_progress.hpp"

#include <headgate/headgate.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <new>
#include <string>
#include <system_error>

namespace {

using namespace std::chrono_literals;
using clock_type = std::chrono::steady_clock;

constexpr int windows = 3;
constexpr auto span = windows * demo_board::window;
constexpr int job_size = windows * demo_board::allowed;
// So that requests that are sent evenly also arrive so: what is sent in a window is spread over a
// little more than a window.
constexpr auto spread = demo_board::window + 25ms;

void rethrow(std::exception_ptr failure)
{
    if (failure)
        std::rethrow_exception(failure);
}

/// One way of doing the job. What it does not say itself the API counts.
struct attempt {
    explicit attempt(int port) : list{"http://127.0.0.1:" + std::to_string(port) + "/records"} {}

    asio::awaitable<void> fetch(int page)
    {
        headgate::http::url url{list};
        url.set_query("offset", std::to_string(page * demo_board::page_size % demo_board::records));
        headgate::http::request request{std::move(url)};
        co_await client.send(std::move(request));
    }

    /// One page after another until the time is up.
    asio::awaitable<void> fetch_in_turn()
    {
        for (int page = 0; clock_type::now() < end; ++page)
            co_await fetch(page);
    }

    asio::awaitable<void> work(headgate::worker_pool::worker me)
    {
        while (next < job_size && clock_type::now() < end) {
            const int page = next++;
            co_await limiter.async_acquire(asio::use_awaitable);
            if (clock_type::now() >= end)
                co_return;
            const auto busy = me.in_flight();
            co_await fetch(page);
        }
    }

    void in_turns(int workers)
    {
        for (int i = 0; i < workers; ++i)
            asio::co_spawn(context, fetch_in_turn(), rethrow);
        context.run();
    }

    void all_at_once()
    {
        for (int page = 0; page < job_size; ++page)
            asio::co_spawn(context, fetch(page), rethrow);
        context.run();
    }

    void with_headgate()
    {
        auto worker = [this](headgate::worker_pool::worker me) { return work(me); };
        pool.async_run(worker, rethrow);
        context.run();
    }

    asio::io_context context{1};
    headgate::http::url list;
    headgate::http::client client{context};
    headgate::async_limiter limiter{context, headgate::limit::paced(demo_board::allowed, spread)};
    headgate::worker_pool pool{context, job_size};
    clock_type::time_point end = clock_type::now() + span;
    int next = 0;
};

struct way {
    const char* name;
    void (*run)(attempt&);
};

constexpr way ways[] = {
    {"one at a time", [](attempt& job) { job.in_turns(1); }},
    {"all at once", [](attempt& job) { job.all_at_once(); }},
    {"semaphore of 10", [](attempt& job) { job.in_turns(10); }},
    {"headgate", [](attempt& job) { job.with_headgate(); }},
};

/// Runs `job` in a process of its own.
template <class Job>
pid_t start_process(Job job)
{
    std::cout.flush();
    const pid_t child = ::fork();
    if (child < 0)
        throw std::system_error{errno, std::generic_category(), "fork"};
    if (child > 0)
        return child;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL); // not to outlive the demonstration
    int status = 0;
    try {
        job();
    } catch (const std::exception& e) {
        std::cerr << "demo: " << e.what() << '\n';
        status = 1;
    }
    std::cout.flush();
    ::_exit(status);
}

/// Waits for a process and gives its peak memory in MB.
double finish_process(pid_t child)
{
    int status = 0;
    rusage used{};
    if (::wait4(child, &status, 0, &used) != child || status != 0)
        throw std::runtime_error{"a part of the demonstration failed"};
    return static_cast<double>(used.ru_maxrss) / 1024;
}

void compare(demo_board& board)
{
    std::printf(
        "%d requests allowed in any %lld s, counted as they arrive. Each way has %d windows"
        " of time.\nThe latency is in proportion: 0.5 s, 8 s and 30 s to a window of 60 s.\n",
        demo_board::allowed, static_cast<long long>(demo_board::window.count() / 1000), windows);
    for (const double proportion : {0.5, 8.0, 30.0}) {
        const std::chrono::duration<double> latency = demo_board::window * (proportion / 60);
        std::printf(
            "\n%-22s %12s %6s %12s %10s %9s\n",
            ("latency " + std::to_string(std::lround(latency.count() * 1000)) + " ms").c_str(),
            "quota used", "429s", "most in any", "in flight", "memory");
        std::printf("%-22s %12s %6s %12s %10s %9s\n", "", "", "", "window", "at most", "MB");
        for (const way& each : ways) {
            board.begin(std::chrono::duration_cast<std::chrono::microseconds>(latency));
            const double memory = finish_process(start_process([&] {
                attempt job{board.port};
                each.run(job);
            }));
            std::printf("%-22s %10.0f %% %6d %12d %10d %9.1f\n", each.name,
                        100.0 * board.accepted / job_size, board.refused.load(),
                        board.most_in_window.load(), board.peak_in_flight.load(), memory);
            std::fflush(stdout);
        }
    }
}

asio::awaitable<void> print_pages(headgate::page_stream& stream, progress_line& progress)
{
    while (auto page = co_await stream.next()) {
        if (page->index() % 10 != 0)
            continue;
        progress.hide();
        std::cout << page->where() << ": " << page->records().size()
                  << " records, the first: " << page->records().front().at("name") << std::endl;
    }
}

void stream_records(demo_board& board)
{
    std::cout << "\nAnd the whole list as a stream, 10 pages in a second:\n";
    board.begin(80ms);
    asio::io_context context{1};
    headgate::http::client client{context};
    headgate::async_limiter limiter{context, headgate::limit::paced(10, 1s)};
    headgate::paging::offset pager{
        headgate::http::request{"http://127.0.0.1:" + std::to_string(board.port) + "/records"}};
    auto stream = headgate::extract(client, limiter, pager);
    progress_line progress{context, stream, 0, "10/s", false, false};
    asio::co_spawn(context, print_pages(stream, progress), [&](std::exception_ptr failure) {
        progress.stop();
        rethrow(failure);
    });
    context.run();
    std::cout << stream.outcome() << '\n';
    if (!stream.outcome().complete())
        throw std::runtime_error{"the list is not complete"};
}

} // namespace

int main()
{
    void* memory = ::mmap(nullptr, sizeof(demo_board), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        std::perror("demo: mmap");
        return 1;
    }
    auto& board = *::new (memory) demo_board;
    try {
        const pid_t api = start_process([&board] { demo_api{board}.run(); });
        while (board.port == 0 && ::waitpid(api, nullptr, WNOHANG) == 0)
            ::usleep(1000);
        compare(board);
        stream_records(board);
        ::kill(api, SIGTERM);
        ::waitpid(api, nullptr, 0);
        return 0;
    } catch (const std::exception& e) {
        std::cerr << "demo: " << e.what() << '\n';
        return 1;
    }
}
