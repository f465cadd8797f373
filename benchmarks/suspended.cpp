// The memory of a coroutine that waits: for tokens, an item or room, alone or as a worker of a
// pool, against one that waits for a timer. As glibc's heap counts it, with its own overhead, which
// also has what Asio's recycling allocator takes past operator new.
#include <headgate/async_limiter.hpp>
#include <headgate/work_queue.hpp>
#include <headgate/worker_pool.hpp>

#include <CLI/CLI.hpp>
#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include <malloc.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using headgate::async_limiter;
using headgate::limit;
using headgate::worker_pool;

namespace {

using queue = headgate::work_queue<std::int64_t>;

asio::awaitable<void> wait_for(asio::steady_timer& timer)
{
    co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> wait_for_own_timer(asio::io_context& context)
{
    asio::steady_timer timer{context, 1h};
    co_await timer.async_wait(asio::use_awaitable);
}

asio::awaitable<void> acquire(async_limiter& limiter)
{
    co_await limiter.async_acquire(asio::use_awaitable);
}

asio::awaitable<void> acquire_permit(async_limiter& limiter)
{
    auto permit = co_await limiter.async_acquire_permit(1, asio::use_awaitable);
    permit.commit();
}

asio::awaitable<void> pop(queue& from)
{
    co_await from.async_pop(asio::use_awaitable);
}

asio::awaitable<void> push(queue& to)
{
    co_await to.async_push(2, asio::use_awaitable);
}

asio::awaitable<void> work(worker_pool::worker, queue& from)
{
    co_await from.async_pop(asio::use_awaitable);
}

asio::awaitable<void> run(worker_pool& pool, queue& from)
{
    auto job = [&](worker_pool::worker me) { return work(me, from); };
    co_await pool.async_run(job, asio::use_awaitable);
}

/// What they wait for, which none of them gets.
struct setting {
    asio::io_context context;
    asio::steady_timer timer{context, 1h};
    async_limiter limiter{context, limit::bucket(1, 1h, 1)};
    queue empty{context, 1};
    queue full{context, 1};
    std::optional<worker_pool> pool;

    setting()
    {
        full.try_push(1);
        limiter.try_acquire();
    }
};

struct kind {
    std::string what;
    asio::awaitable<void> (*one)(setting& the);
    bool is_pool = false; ///< of as many workers, and not a waiter
};

const std::vector<kind> kinds{
    {"co_spawn, a timer for all", [](setting& the) { return wait_for(the.timer); }},
    {"co_spawn, a timer for each", [](setting& the) { return wait_for_own_timer(the.context); }},
    {"async_acquire", [](setting& the) { return acquire(the.limiter); }},
    {"async_acquire_permit", [](setting& the) { return acquire_permit(the.limiter); }},
    {"async_pop of an empty queue", [](setting& the) { return pop(the.empty); }},
    {"async_push to a full queue", [](setting& the) { return push(the.full); }},
    {"worker of a pool, in async_pop", [](setting& the) { return run(*the.pool, the.empty); },
     true},
};

double bytes_of_each(const kind& each, std::size_t waiters)
{
    auto the = std::make_unique<setting>();
    const std::size_t before = mallinfo2().uordblks;
    if (each.is_pool)
        the->pool.emplace(the->context, waiters, waiters);
    for (std::size_t i = 0; i < (each.is_pool ? 1 : waiters); ++i)
        asio::co_spawn(the->context, each.one(*the), asio::detached);
    the->context.poll();
    return static_cast<double>(mallinfo2().uordblks - before) / static_cast<double>(waiters);
}

} // namespace

int main(int argc, char* argv[])
{
    std::size_t waiters = 10'000;
    CLI::App app{"The memory of a coroutine that waits"};
    app.add_option("--waiters", waiters, "how many of each")->check(CLI::PositiveNumber);
    CLI11_PARSE(app, argc, argv);

    for (const kind& each : kinds) {
        nlohmann::ordered_json row;
        row["what"] = each.what;
        row["bytes"] = bytes_of_each(each, waiters);
        std::cout << row.dump() << '\n';
    }
}
