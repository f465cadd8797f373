// A program that knows Boost.Asio and nothing of standalone Asio: a limiter and a client in its loop.
#include <headgate/async_limiter.hpp>
#include <headgate/error.hpp>
#include <headgate/http/client.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <exception>
#include <iostream>
#include <system_error>
#include <type_traits>

#if defined(ASIO_VERSION)
#error "standalone Asio came along"
#endif

namespace asio = boost::asio;

static_assert(std::is_same_v<headgate::error_code, boost::system::error_code>);
static_assert(std::is_same_v<headgate::system_error, boost::system::system_error>);
static_assert(std::is_convertible_v<headgate::error_code, std::error_code>);

int main()
try {
    asio::io_context context;
    headgate::async_limiter limiter{context, headgate::limit::window(2, std::chrono::hours{1})};
    headgate::http::client client{context};

    auto work = [&]() -> asio::awaitable<bool> {
        co_await limiter.async_acquire(asio::use_awaitable);
        try {
            co_await limiter.async_acquire(3, asio::use_awaitable);
        } catch (const boost::system::system_error& e) {
            co_return e.code() == headgate::error::exceeds_limit;
        }
        co_return false;
    };
    auto refused = asio::co_spawn(context, work, asio::use_future);

    const headgate::http::request request{"http://127.0.0.1:1/"}; // nothing listens there
    boost::system::error_code failed;
    std::error_code same; // a handler may take either
    client.async_send(request, [&](boost::system::error_code error,
                                   const headgate::http::response&) { failed = error; });
    client.async_send(
        request, [&](std::error_code error, const headgate::http::response&) { same = error; });
    context.run();

    const bool good = refused.get() && failed == headgate::http::error::connect_failed &&
                      same == std::error_code{failed};
    std::cout << "boost: " << failed.message() << '\n';
    return good ? 0 : 1;
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
