// An hour of virtual time.
#include <headgate/testing/virtual_clock.hpp>

#include <asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <iostream>
#include <system_error>

int main()
try {
    using namespace std::chrono_literals;
    using headgate::testing::virtual_clock;
    asio::io_context context;
    headgate::testing::virtual_timer hour{context, 1h};
    bool over = false;
    hour.async_wait([&over](std::error_code error) { over = !error; });
    virtual_clock::run(context);
    std::cout << "testing: " << (over ? "an hour passed" : "no hour passed") << '\n';
    return over ? 0 : 1;
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
