#include <headgate/http/client.hpp>
#include <headgate/testing/loopback_server.hpp>

#include "support/interpose.hpp"
#include "support/run.hpp"

#include <asio/detached.hpp>
#include <asio/read_until.hpp>
#include <asio/steady_timer.hpp>
#include <asio/streambuf.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>
#include <asio/write.hpp>

#include <netdb.h>
#include <sys/epoll.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
namespace http = headgate::http;
using headgate::testing::loopback_request;
using headgate::testing::loopback_response;
using headgate::testing::loopback_server;
using support::original;

namespace {

thread_local bool sockets_can_be_watched = true; // so that a server on another thread goes on
std::atomic<bool> names_may_be_resolved{false};

} // namespace

// What the system can do to a client, and will not do when a test wants it.

extern "C" int epoll_ctl(int epoll, int what, int socket, epoll_event* event) noexcept
{
    static const auto real = original<int(int, int, int, epoll_event*)>("epoll_ctl");
    if (what == EPOLL_CTL_ADD && !sockets_can_be_watched) {
        errno = ENOSPC;
        return -1;
    }
    return real(epoll, what, socket, event);
}

extern "C" int getaddrinfo(const char* name, const char* service, const addrinfo* hints,
                           addrinfo** found)
{
    using function = int(const char*, const char*, const addrinfo*, addrinfo**);
    static const auto real = original<function>("getaddrinfo");
    if (name && std::string{name} == "slow.invalid") {
        names_may_be_resolved.wait(false);
        return EAI_AGAIN;
    }
    return real(name, service, hints, found);
}

namespace {

using answers = asio::awaitable<loopback_response>;

/// A server that echoes what it gets, never answers /hang, and drips /drip.
answers echo(loopback_request request)
{
    if (request.target == "/hang" || request.target == "/drip") {
        asio::steady_timer never{co_await asio::this_coro::executor, 1h};
        co_await never.async_wait(asio::use_awaitable);
    }
    loopback_response answer{200, request.method + ' ' + request.target + ' ' + request.body};
    const auto shown = [&](const char* name) {
        const std::string value = request.header(name);
        return value.empty() ? "none" : value;
    };
    answer.header("X-Echo", shown("x-key")).header("X-Type", shown("content-type"));
    co_return answer;
}

/// Any bytes at all, as the answer to everything.
loopback_server::handler always(std::string bytes)
{
    return [bytes](loopback_request) -> answers { co_return loopback_response::raw(bytes); };
}

/// A server on a thread of its own, so that the client's context is the client's alone.
class background {
public:
    explicit background(loopback_server::handler answer = echo)
        : server{context_.get_executor(), std::move(answer)}, thread_{[this] { context_.run(); }}
    {
    }
    ~background()
    {
        context_.stop();
        thread_.join();
    }

private:
    asio::io_context context_;

public:
    loopback_server server;

private:
    std::thread thread_;
};

struct result {
    headgate::error_code failed;
    http::response response;
    bool called = false;

    auto handler()
    {
        return [this](headgate::error_code code, http::response answer) {
            called = true;
            failed = code;
            response = std::move(answer);
        };
    }
};

result fetch(http::request request, const http::client_options& options = {})
{
    asio::io_context context;
    http::client client{context, options};
    result got;
    client.async_send(std::move(request), got.handler());
    CHECK_FALSE(got.called);
    context.run();
    REQUIRE(got.called);
    CHECK(client.statistics().in_flight == 0);
    return got;
}

std::string ok(const std::string& body, const std::string& fields = "")
{
    return "HTTP/1.1 200 OK\r\n" + fields + "Content-Length: " + std::to_string(body.size()) +
           "\r\n\r\n" + body;
}

} // namespace

TEST_CASE("methods, header fields and bodies arrive as they were given")
{
    background at;
    const auto send = [&](http::request request) { return fetch(std::move(request)).response; };
    CHECK(send(http::request{at.server.url("/a?b=c")}).body() == "GET /a?b=c ");
    const auto posted = send(http::request{at.server.url()}
                                 .method("POST")
                                 .header("X-Key", "value")
                                 .body("some body", "text/plain"));
    CHECK(posted.body() == "POST / some body");
    CHECK(posted.header("x-echo") == "value");
    CHECK(posted.header("x-type") == "text/plain");
    CHECK(posted.http_version() == 11);
    CHECK(posted.elapsed() > 0us);
    const auto untyped = send(http::request{at.server.url()}.method("PUT").body("x"));
    CHECK(untyped.body() == "PUT / x");
    CHECK(untyped.header("x-type") == "none");
    CHECK(send(http::request{at.server.url()}.method("DELETE")).body() == "DELETE / ");
    CHECK(send(http::request{at.server.url()}.body("with GET")).body() == "GET / with GET");
    const auto head = send(http::request{at.server.url()}.method("HEAD"));
    CHECK(head.status() == 200);
    CHECK(head.body().empty());
    const auto empty = send(http::request{at.server.url()}.header("X-Key", ""));
    CHECK(empty.header("x-echo") == "none");
}

TEST_CASE("failures are named and say where and why")
{
    struct failure {
        const char* bytes;
        http::error expected;
    };
    const auto [bytes, expected] = GENERATE(values<failure>({
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", http::error::connection_lost},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
         http::error::connection_lost},
        {"", http::error::connection_lost},
        {"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
         http::error::bad_content_encoding},
        {"SSH-2.0-not http at all\r\n\r\n", http::error::bad_answer},
    }));
    background at{always(bytes)};
    auto url = at.server.url("/page");
    url.insert(7, "user:secret@");
    const auto got = fetch(http::request{url});
    INFO(got.response.error_text());
    CHECK(got.failed == expected);
    CHECK(got.response.error_text().find("GET http://127.0.0.1:") == 0);
    CHECK(got.response.error_text().find("secret") == std::string::npos);
}

TEST_CASE("a gzip stream with something behind it is not decoded, and says so")
{
    const std::string one{
        "\x1f\x8b\x08\0\0\0\0\0\x02\x03\xcb\xcf\x4b\x05\0\xf1\x86\x6c\x7a\x03\0\0\0", 23};
    background whole{always(ok(one, "Content-Encoding: gzip\r\n"))};
    CHECK(fetch(http::request{whole.server.url()}).response.body() == "one");
    const std::string junk = GENERATE(as<std::string>{}, "", "junk");
    const std::string behind = junk.empty() ? one : junk;
    background at{always(ok(one + behind, "Content-Encoding: gzip\r\n"))};
    const auto got = fetch(http::request{at.server.url()});
    INFO(got.response.error_text());
    CHECK(got.failed == http::error::bad_content_encoding);
    CHECK(got.response.error_text().find("content encoding could not be decoded") !=
          std::string::npos);
}

TEST_CASE("hosts that cannot be reached are told apart")
{
    std::uint16_t closed_port = 0;
    {
        background gone;
        closed_port = gone.server.port();
    }
    const auto refused = fetch(http::request{"http://127.0.0.1:" + std::to_string(closed_port)});
    CHECK(refused.failed == http::error::connect_failed);
    CHECK(refused.response.error_text().find("onnect") != std::string::npos);
    CHECK(fetch(http::request{"http://nonexistent.invalid/"}).failed ==
          http::error::resolve_failed);
}

TEST_CASE("bodies and header fields have a largest size")
{
    http::client_options small;
    small.max_body_bytes(1000).max_header_bytes(500);
    background exact{always(ok(std::string(1000, 'x')))};
    CHECK_FALSE(fetch(http::request{exact.server.url()}, small).failed);
    background large{always(ok(std::string(1001, 'x')))};
    const auto body = fetch(http::request{large.server.url()}, small);
    CHECK(body.failed == http::error::body_too_large);
    CHECK(body.response.error_text().find("larger than 1000 bytes") != std::string::npos);
    background fields{always(ok("", "X-Long: " + std::string(500, 'x') + "\r\n"))};
    CHECK(fetch(http::request{fields.server.url()}, small).failed ==
          http::error::headers_too_large);
    background endless{[](loopback_request) -> answers {
        co_return loopback_response::raw("HTTP/1.1 200 OK\r\n\r\n" + std::string(5'000'000, ' '));
    }};
    CHECK(fetch(http::request{endless.server.url()}, small).failed == http::error::body_too_large);
}

TEST_CASE("only the last answer's header fields are kept, redirects are not followed")
{
    background at{always("HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n"
                         "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0"
                         "\r\n\r\n")};
    const auto got = fetch(http::request{at.server.url()});
    CHECK_FALSE(got.failed);
    CHECK(got.response.status() == 302);
    CHECK_FALSE(got.response.header("X-Early"));
    CHECK(got.response.header("location") == "http://127.0.0.1:1/");
}

TEST_CASE("a request has its time and no more")
{
    background at;
    const auto got = fetch(http::request{at.server.url("/hang")}.timeout(50ms));
    CHECK(got.failed == http::error::timed_out);
    http::client_options hasty;
    hasty.timeout(50ms);
    CHECK(fetch(http::request{at.server.url("/hang")}, hasty).failed == http::error::timed_out);
}

TEST_CASE("a request can be cancelled")
{
    const auto type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                               asio::cancellation_type::all);
    background at;
    asio::io_context context;
    http::client client{context};
    asio::cancellation_signal signal;
    result got;
    client.async_send(http::request{at.server.url("/hang")},
                      asio::bind_cancellation_slot(signal.slot(), got.handler()));
    while (at.server.in_flight() == 0)
        context.run_one_for(1ms);
    signal.emit(type);
    context.run();
    CHECK(got.failed == asio::error::operation_aborted);
    CHECK(client.statistics().in_flight == 0);
    result next;
    client.async_send(http::request{at.server.url("/next")}, next.handler());
    context.restart();
    context.run();
    CHECK(next.response.body() == "GET /next ");
}

TEST_CASE("a total cancellation is honoured as long as it can be")
{
    background at;
    asio::io_context context;
    http::client client{context};
    asio::cancellation_signal early, late;
    result never, sent;
    client.async_send(http::request{at.server.url("/never")},
                      asio::bind_cancellation_slot(early.slot(), never.handler()));
    early.emit(asio::cancellation_type::total);
    client.async_send(http::request{at.server.url("/hang")},
                      asio::bind_cancellation_slot(late.slot(), sent.handler()));
    while (at.server.in_flight() == 0)
        context.run_one_for(1ms);
    late.emit(asio::cancellation_type::total);
    context.run_for(20ms);
    CHECK(never.failed == asio::error::operation_aborted);
    CHECK(never.response.error_text().find("/never: cancelled") != std::string::npos);
    CHECK(at.server.requests() == 1);
    CHECK_FALSE(sent.called);
    late.emit(asio::cancellation_type::partial);
    context.run();
    CHECK(sent.failed == asio::error::operation_aborted);
}

TEST_CASE("a name that takes long to resolve holds nobody up when its request ends")
{
    const bool cancelled = GENERATE(true, false);
    names_may_be_resolved = false;
    {
        asio::io_context context;
        http::client client{context};
        asio::cancellation_signal signal;
        result got;
        http::request request{"http://slow.invalid/"};
        request.timeout(cancelled ? 1h : 100ms);
        client.async_send(std::move(request),
                          asio::bind_cancellation_slot(signal.slot(), got.handler()));
        asio::steady_timer soon{context, 100ms};
        soon.async_wait([&](headgate::error_code) {
            if (cancelled)
                signal.emit(asio::cancellation_type::terminal);
        });
        context.run(); // and the client's end: neither waits for the name
        CHECK(got.failed == (cancelled ? headgate::error_code{asio::error::operation_aborted}
                                       : make_error_code(http::error::timed_out)));
    }
    names_may_be_resolved = true;
    names_may_be_resolved.notify_all();
}

TEST_CASE("sockets that cannot be watched fail their requests, and only them")
{
    background at;
    asio::io_context context;
    http::client client{context};
    result refused, next;
    sockets_can_be_watched = false;
    client.async_send(http::request{at.server.url("/1")}, refused.handler());
    context.run();
    sockets_can_be_watched = true;
    CHECK(refused.failed == http::error::failed);
    client.async_send(http::request{at.server.url("/2")}, next.handler());
    context.restart();
    context.run();
    INFO(next.response.error_text());
    CHECK(next.response.body() == "GET /2 ");
}

TEST_CASE("HEAD with a body fails, and a blank header field is sent as an empty one")
{
    asio::io_context context;
    const asio::ip::tcp::endpoint loopback{asio::ip::address_v4::loopback(), 0};
    asio::ip::tcp::acceptor acceptor{context, loopback};
    const std::string url =
        "http://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()) + '/';
    const auto head = fetch(http::request{url}.method("HEAD").body("x"));
    CHECK(head.failed == http::error::failed);
    CHECK(head.response.error_text().find("HEAD request with a body") != std::string::npos);

    asio::ip::tcp::socket socket{context};
    asio::streambuf received;
    acceptor.async_accept(socket, [&](headgate::error_code) {
        asio::async_read_until(
            socket, received, "\r\n\r\n",
            [&](headgate::error_code, std::size_t) { asio::write(socket, asio::buffer(ok(""))); });
    });
    http::client client{context};
    result got;
    client.async_send(http::request{url}.header("X-Blank", " \t"), got.handler());
    context.run();
    CHECK(got.response.status() == 200);
    const std::string sent{asio::buffers_begin(received.data()),
                           asio::buffers_end(received.data())};
    CHECK(sent.find("\r\nX-Blank:\r\n") != std::string::npos);
}

TEST_CASE("destroying the client drops what is in flight")
{
    background at;
    asio::io_context context;
    result got;
    {
        http::client client{context};
        client.async_send(http::request{at.server.url("/hang")}, got.handler());
        while (at.server.in_flight() == 0)
            context.run_one_for(1ms);
        http::client moved{std::move(client)};
    }
    context.run();
    CHECK(got.failed == asio::error::operation_aborted);
}

TEST_CASE("client and context may go in either order, with requests in flight")
{
    background at;
    auto alive = std::make_shared<int>();
    std::weak_ptr<int> watched = alive;
    {
        auto context = std::make_unique<asio::io_context>();
        http::client outlives{*context};
        auto owner = [](std::string url, std::shared_ptr<int>) -> asio::awaitable<void> {
            http::client own{co_await asio::this_coro::executor};
            http::request request{url};
            co_await own.send(request);
        };
        asio::co_spawn(*context, owner(at.server.url("/hang"), alive), asio::detached);
        outlives.async_send(http::request{at.server.url("/hang")},
                            [alive](headgate::error_code, http::response) {});
        while (at.server.in_flight() < 2)
            context->run_one_for(1ms);
        outlives.async_send(http::request{at.server.url("/never started")},
                            [alive](headgate::error_code, http::response) {});
        alive.reset();
        CHECK_FALSE(watched.expired());
        context.reset();
        CHECK(watched.expired());
    }
}

TEST_CASE("coroutines get responses, and exceptions for what is none")
{
    background at;
    asio::io_context context;
    http::client client{context};
    std::string body, why;
    auto coroutine = [&]() -> asio::awaitable<void> {
        auto first = co_await client.send(http::request{at.server.url("/1")}.header("X-Key", "k"));
        http::request named{at.server.url("/2")};
        auto second = co_await client.send(named);
        auto third =
            co_await client.async_send(http::request{at.server.url("/3")}, asio::use_awaitable);
        body = first.body() + second.body() + third.body();
        try {
            co_await client.send(http::request{at.server.url("/hang")}.timeout(20ms));
        } catch (const http::transfer_error& e) {
            why = e.what();
            CHECK(e.code() == http::error::timed_out);
        }
    };
    asio::co_spawn(context, coroutine, support::rethrow);
    context.run();
    CHECK(body == "GET /1 GET /2 GET /3 ");
    CHECK(why.find("/hang: ") != std::string::npos);
}

TEST_CASE("connections are used again, also after the server closed one")
{
    background at{[](loopback_request request) -> answers {
        loopback_response answer{200, "x"};
        if (request.target == "/close")
            answer.close();
        co_return answer;
    }};
    asio::io_context context;
    http::client client{context};
    auto coroutine = [&]() -> asio::awaitable<void> {
        for (int i = 0; i < 20; ++i) {
            auto answer = co_await client.send(http::request{at.server.url("/keep")});
            CHECK(answer.status() == 200);
        }
        CHECK(at.server.connections() == 1);
        co_await client.send(http::request{at.server.url("/close")});
        // The request may be faster than the news that the connection was closed; then it is lost.
        const http::request again{at.server.url("/keep")};
        int status = 0;
        for (int tries = 0; tries < 2 && status == 0; ++tries) {
            auto after = co_await client.async_send(
                again, headgate::detail::as_tuple(asio::use_awaitable));
            status = std::get<1>(after).status();
        }
        CHECK(status == 200);
        CHECK(at.server.connections() == 2);
    };
    asio::co_spawn(context, coroutine, support::rethrow);
    context.run(); // returns although a connection is still open
    CHECK(client.statistics().connections == 2);
    CHECK(client.statistics().requests >= 22);
}

TEST_CASE("many requests at once, from several threads")
{
    background at;
    asio::thread_pool threads{3};
    http::client client{threads};
    std::atomic<int> good{0};
    std::vector<std::future<void>> done;
    for (int i = 0; i < 200; ++i) {
        auto one = [&, i]() -> asio::awaitable<void> {
            const std::string path = "/" + std::to_string(i);
            http::request request{at.server.url(path)};
            auto answer = co_await client.send(std::move(request));
            good += answer.body() == "GET " + path + " ";
        };
        done.push_back(asio::co_spawn(threads, one, asio::use_future));
    }
    for (auto& each : done)
        each.get();
    CHECK(good == 200);
    CHECK(client.statistics().bytes > 0);
    CHECK(client.statistics().peak_in_flight <= 200);
    threads.join();
}

TEST_CASE("a request for public addresses goes to no other, over no connection")
{
    background at;
    asio::io_context context;
    http::client client{context};
    http::request request{at.server.url("/first")};
    request.public_only(true);
    auto coroutine = [&]() -> asio::awaitable<void> {
        using headgate::detail::as_tuple;
        auto refused = co_await client.async_send(request, as_tuple(asio::use_awaitable));
        CHECK(std::get<0>(refused) == http::error::private_address);
        CHECK(std::get<1>(refused).error_text().find("no public address") != std::string::npos);
        CHECK(at.server.connections() == 0);
        auto answer = co_await client.send(http::request{at.server.url("/second")});
        CHECK(answer.remote_address() == "127.0.0.1");
        auto again = co_await client.async_send(request, as_tuple(asio::use_awaitable));
        CHECK(std::get<0>(again) == http::error::private_address);
        CHECK(at.server.requests() == 1); // the connection that is open was not used either
    };
    asio::co_spawn(context, coroutine, support::rethrow);
    context.run();
}
