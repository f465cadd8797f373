// A client, which takes hiredis to link. There is nobody at the other end.
#include <headgate/redis/client.hpp>

#include <asio/io_context.hpp>
#include <chrono>
#include <exception>
#include <iostream>
#include <system_error>

int main()
try {
    asio::io_context context;
    headgate::redis::client_options nobody{"redis://127.0.0.1:1"};
    nobody.command_timeout(std::chrono::milliseconds{50});
    headgate::redis::client client{context, nobody};
    bool failed = false;
    client.async_command({"PING"}, [&failed](std::error_code error, const headgate::redis::reply&) {
        failed = static_cast<bool>(error);
    });
    context.run();
    std::cout << "redis: " << (failed ? "no answer" : "an answer") << '\n';
    return failed ? 0 : 1;
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
