// One job for several processes, on one machine or many: what is to be done is in Redis (6.2 or
// later, or Valkey, with "appendonly yes"), whoever is free takes the next of it, and what a
// process had that was killed another one does. Here the job is to count the lines of files.
//
//   find /srv/logs -name '*.log' | shared_work redis://127.0.0.1/lines put
//   shared_work redis://127.0.0.1/lines do    # as many of these as you like, whenever you like
//   shared_work redis://127.0.0.1/lines get   # waits for the end, prints the counts
//
// Each file is in the result once, however often a process was killed: the count is kept in the
// same step in which the file is acknowledged.
// Exit status: 0 done, 1 not all of it, 2 bad usage.
#include <headgate/redis/work_stream.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
namespace redis = headgate::redis;

// Puts in what comes on standard input, and says then that this is all.
asio::awaitable<bool> put(redis::work_stream& work)
{
    const std::vector<std::string> none;
    co_await work.async_seed("count lines", none, asio::use_awaitable); // begins the job
    for (std::string file; std::getline(std::cin, file);)
        co_await work.async_push(file, asio::use_awaitable);
    co_await work.async_close(asio::use_awaitable);
    co_return true;
}

std::optional<std::string> count_lines(const std::string& file)
{
    std::ifstream in{file, std::ios::binary};
    if (!in)
        return std::nullopt;
    return std::to_string(std::count(std::istreambuf_iterator<char>{in}, {}, '\n'));
}

// Does one after the other until there is no more and never will be.
asio::awaitable<bool> do_work(redis::work_stream& work)
{
    while (auto item = co_await work.async_pop(asio::use_awaitable)) {
        const std::string file = item->payload();
        const auto lines = count_lines(file);
        headgate::error_code failed;
        auto token = asio::redirect_error(asio::use_awaitable, failed);
        if (lines) {
            redis::work_fields result;
            result[file] = *lines;
            const std::vector<std::string> no_more; // that follow from this one
            co_await work.async_acknowledge(*item, result, no_more, token);
        } else {
            co_await work.async_reject(*item, "cannot be read", token); // trying again is no use
        }
        // Who was silent for too long, as if it were dead, has to leave the item to another.
        if (failed && failed != redis::error::taken_over)
            throw headgate::system_error{failed, file};
        std::cerr << "shared_work: " << file << (failed ? ": another does it\n" : "\n");
    }
    co_return true;
}

asio::awaitable<bool> get(redis::work_stream& work)
{
    co_await work.async_join(asio::use_awaitable);
    const redis::work_fields result = co_await work.async_fields(asio::use_awaitable);
    for (const auto& [file, lines] : result)
        std::cout << lines << ' ' << file << '\n';
    const auto dead = co_await work.async_dead(1000, asio::use_awaitable);
    for (const redis::dead_item& each : dead)
        std::cerr << "shared_work: " << each.payload << ": " << each.reason << '\n';
    co_return dead.empty();
}

int main(int argc, char* argv[])
try {
    const std::string what = argc == 3 ? argv[2] : "";
    if (what != "put" && what != "do" && what != "get") {
        std::cerr << "usage: shared_work redis://[:PASSWORD@]HOST[:PORT]/KEY put|do|get\n";
        return 2;
    }
    const auto where = redis::client_options::with_key(argv[1]);
    redis::work_stream_options options;
    options.visibility(5s); // so soon is what a process had that was killed taken over by others
    asio::io_context context{1};
    redis::work_stream work{context, where.options, where.key, options};
    auto task = what == "put" ? put(work) : what == "do" ? do_work(work) : get(work);
    auto done = asio::co_spawn(context, std::move(task), asio::use_future);
    context.run();
    return done.get() && std::cout.flush() ? 0 : 1;
} catch (const std::invalid_argument& e) {
    std::cerr << "shared_work: " << e.what() << '\n';
    return 2;
} catch (const std::exception& e) {
    std::cerr << "shared_work: " << e.what() << '\n';
    return 1;
}
