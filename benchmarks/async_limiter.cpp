// What a token costs: try_acquire against the clock that it has to read, and against a bucket under
// a mutex where two threads want it; async_acquire against a post with the same token; and a line
// of 100,000 waiters against as many timers.
#include <headgate/async_limiter.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/detached.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using headgate::limit;

namespace {

constexpr std::size_t waiters = 100'000;

limit plenty()
{
    return limit::bucket(1'000'000'000, 1s, 1'000'000'000);
}

/// The obvious token bucket.
class mutex_bucket {
public:
    bool try_acquire()
    {
        std::lock_guard lock{mutex_};
        const auto now = std::chrono::steady_clock::now();
        const std::chrono::duration<double> passed = now - refilled_;
        tokens_ = std::min(burst, tokens_ + passed.count() * rate);
        refilled_ = now;
        if (tokens_ < 1)
            return false;
        tokens_ -= 1;
        return true;
    }

private:
    static constexpr double rate = 1e9;
    static constexpr double burst = 1e9;

    std::mutex mutex_;
    double tokens_ = burst;
    std::chrono::steady_clock::time_point refilled_ = std::chrono::steady_clock::now();
};

void steady_clock_now(benchmark::State& state)
{
    for (auto _ : state)
        benchmark::DoNotOptimize(std::chrono::steady_clock::now());
}
BENCHMARK(steady_clock_now);

void try_acquire(benchmark::State& state, const limit& allowed)
{
    asio::io_context context;
    headgate::async_limiter limiter{context, allowed};
    for (auto _ : state)
        benchmark::DoNotOptimize(limiter.try_acquire());
}
BENCHMARK_CAPTURE(try_acquire, bucket, plenty());
BENCHMARK_CAPTURE(try_acquire, paced, limit::paced(1'000'000'000, 1s));
BENCHMARK_CAPTURE(try_acquire, window, limit::window(1'000'000, 1ms));

void try_acquire_mutex_bucket(benchmark::State& state)
{
    static mutex_bucket bucket;
    for (auto _ : state)
        benchmark::DoNotOptimize(bucket.try_acquire());
}
BENCHMARK(try_acquire_mutex_bucket)->Threads(1)->Threads(2)->UseRealTime();

void try_acquire_threads(benchmark::State& state)
{
    static asio::io_context context;
    static headgate::async_limiter limiter{context, plenty()};
    for (auto _ : state)
        benchmark::DoNotOptimize(limiter.try_acquire());
}
BENCHMARK(try_acquire_threads)->Threads(1)->Threads(2)->UseRealTime();

/// Runs a coroutine to its end.
void run(asio::io_context& context, asio::awaitable<void> coroutine)
{
    asio::co_spawn(context, std::move(coroutine), asio::detached);
    context.run();
}

asio::awaitable<void> acquire_all(benchmark::State& state, headgate::async_limiter& limiter)
{
    for (auto _ : state)
        co_await limiter.async_acquire(asio::use_awaitable);
}

void async_acquire_at_once(benchmark::State& state)
{
    asio::io_context context;
    headgate::async_limiter limiter{context, plenty()};
    run(context, acquire_all(state, limiter));
}
BENCHMARK(async_acquire_at_once);

asio::awaitable<void> try_first_all(benchmark::State& state, headgate::async_limiter& limiter)
{
    for (auto _ : state) {
        if (!limiter.try_acquire())
            co_await limiter.async_acquire(asio::use_awaitable);
    }
}

void try_first_then_async_acquire(benchmark::State& state)
{
    asio::io_context context;
    headgate::async_limiter limiter{context, plenty()};
    run(context, try_first_all(state, limiter));
}
BENCHMARK(try_first_then_async_acquire);

asio::awaitable<void> post_all(benchmark::State& state, asio::io_context& context)
{
    for (auto _ : state)
        co_await asio::post(context, asio::use_awaitable);
}

void asio_post(benchmark::State& state)
{
    asio::io_context context;
    // As in every program that waits for something: without a timer or a socket there is no
    // reactor, which the loop looks after once in a round.
    const asio::steady_timer timer{context};
    run(context, post_all(state, context));
}
BENCHMARK(asio_post);

void line_of_waiters(benchmark::State& state)
{
    for (auto _ : state) {
        asio::io_context context;
        headgate::async_limiter limiter{context, limit::bucket(1'000'000'000, 1s, waiters)};
        std::size_t granted = 0;
        limiter.try_acquire(waiters);
        // The first takes longer to be granted than the line to form behind it.
        limiter.async_acquire(waiters, [](std::error_code) {});
        for (std::size_t i = 0; i < waiters; ++i)
            limiter.async_acquire([&granted](std::error_code failed) { granted += !failed; });
        context.run();
        if (granted != waiters)
            state.SkipWithError("not all were granted");
    }
    state.counters["items"] = static_cast<double>(waiters);
}
BENCHMARK(line_of_waiters)->Unit(benchmark::kMillisecond);

void as_many_asio_timers(benchmark::State& state)
{
    for (auto _ : state) {
        asio::io_context context;
        std::vector<std::unique_ptr<asio::steady_timer>> timers;
        std::size_t granted = 0;
        const auto due = std::chrono::steady_clock::now() + 100us;
        for (std::size_t i = 0; i < waiters; ++i) {
            timers.push_back(
                std::make_unique<asio::steady_timer>(context, due + std::chrono::nanoseconds{i}));
            timers.back()->async_wait([&granted](std::error_code failed) { granted += !failed; });
        }
        context.run();
        if (granted != waiters)
            state.SkipWithError("not all expired");
    }
    state.counters["items"] = static_cast<double>(waiters);
}
BENCHMARK(as_many_asio_timers)->Unit(benchmark::kMillisecond);

} // namespace
