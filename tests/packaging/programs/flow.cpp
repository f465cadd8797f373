// The limiter alone: the third of three tokens takes a wait.
#include <headgate/async_limiter.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>
#include <chrono>
#include <exception>
#include <iostream>

int main()
try {
    using namespace std::chrono_literals;
    asio::io_context context;
    headgate::async_limiter limiter{context, 2, 50ms};
    auto work = [&limiter]() -> asio::awaitable<void> {
        for (int i = 0; i < 3; ++i)
            co_await limiter.async_acquire(asio::use_awaitable);
    };
    const auto start = std::chrono::steady_clock::now();
    auto done = asio::co_spawn(context, work, asio::use_future);
    context.run();
    done.get();
    const bool waited = std::chrono::steady_clock::now() - start >= 50ms;
    std::cout << "flow: " << (waited ? "waited" : "did not wait") << '\n';
    return waited ? 0 : 1;
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
