#include <headgate/http/client.hpp>
#include <headgate/testing/loopback_server.hpp>

#include "support/run.hpp"

namespace http = headgate::http;
using headgate::testing::loopback_request;
using headgate::testing::loopback_response;
using headgate::testing::loopback_server;

TEST_CASE("the loopback server parses requests and keeps connections")
{
    asio::io_context context;
    loopback_server server{context.get_executor(),
                           [](loopback_request request) -> asio::awaitable<loopback_response> {
                               loopback_response answer{request.query("b") == "2" ? 200 : 404};
                               co_return answer.header("X-Seen", request.header("x-key"));
                           }};
    http::client client{context};
    auto coroutine = [&]() -> asio::awaitable<void> {
        auto found = co_await client.send(
            http::request{server.url("/p?a=1&b=2")}.header("X-Key", "here").body("body"));
        CHECK(found.status() == 200);
        CHECK(found.header("X-Seen") == "here");
        auto lost = co_await client.send(http::request{server.url("/p")});
        CHECK(lost.status() == 404);
        CHECK(server.connections() == 1);
        CHECK(server.requests() == 2);
        server.close();
        auto refused = co_await client.async_send(http::request{server.url()},
                                                  headgate::detail::as_tuple(asio::use_awaitable));
        CHECK(std::get<0>(refused));
    };
    asio::co_spawn(context, coroutine, support::rethrow);
    context.run();
}

TEST_CASE("the loopback server can send any bytes and reset")
{
    asio::io_context context;
    loopback_server server{context.get_executor(),
                           [](loopback_request request) -> asio::awaitable<loopback_response> {
                               loopback_response answer = loopback_response::raw("HTTP/1.1 2");
                               answer.close(request.target == "/reset");
                               co_return answer;
                           }};
    http::client client{context};
    auto coroutine = [&]() -> asio::awaitable<void> {
        for (const char* path : {"/reset", "/cut"}) {
            http::request request{server.url(path)};
            auto got = co_await client.async_send(request,
                                                  headgate::detail::as_tuple(asio::use_awaitable));
            CHECK(std::get<0>(got));
        }
        server.close();
    };
    asio::co_spawn(context, coroutine, support::rethrow);
    context.run();
}
