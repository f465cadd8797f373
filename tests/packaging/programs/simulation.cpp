// A request to an API in memory.
#include <headgate/testing/simulated_api.hpp>

#include <asio/io_context.hpp>
#include <exception>
#include <iostream>
#include <system_error>

int main()
try {
    using headgate::testing::simulated_api;
    asio::io_context context;
    simulated_api api{context};
    int status = 0;
    api.async_send(headgate::http::request{simulated_api::url},
                   [&status](std::error_code, const headgate::http::response& response) {
                       status = response.status();
                   });
    headgate::testing::virtual_clock::run(context);
    std::cout << "simulation: status " << status << '\n';
    return status == 200 ? 0 : 1;
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
