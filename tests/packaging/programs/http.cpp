// A request, and a client, which takes libcurl to link. There is nobody at the other end.
#include <headgate/http/client.hpp>

#include <asio/io_context.hpp>
#include <exception>
#include <iostream>
#include <system_error>

int main()
try {
    asio::io_context context;
    headgate::http::client client{context};
    headgate::http::request request{"http://127.0.0.1:1/items"};
    request.header("Accept", "application/json");
    bool failed = false;
    client.async_send(request, [&failed](std::error_code error, const headgate::http::response&) {
        failed = static_cast<bool>(error);
    });
    context.run();
    std::cout << "http: " << (failed ? "refused" : "not refused") << '\n';
    return failed ? 0 : 1;
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
