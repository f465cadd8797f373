// What a client uses again - handles, connections, the system's lists - and what that must not
// show.
#include <headgate/http/client.hpp>
#include <headgate/testing/loopback_server.hpp>

#include "support/interpose.hpp"
#include "support/run.hpp"

#include <asio/detached.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read_until.hpp>
#include <asio/steady_timer.hpp>
#include <asio/write.hpp>

#include <sys/epoll.h>
#include <sys/timerfd.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
namespace http = headgate::http;
using headgate::testing::loopback_request;
using headgate::testing::loopback_response;
using headgate::testing::loopback_server;
using support::original;

namespace {

struct system_calls {
    int epoll_ctl = 0;
    int epoll_wait = 0;
    int timerfd_settime = 0;
    int curl_multi_socket_action = 0;

    int all() const { return epoll_ctl + epoll_wait + timerfd_settime + curl_multi_socket_action; }
};

thread_local system_calls made;

} // namespace

extern "C" int epoll_ctl(int epoll, int what, int socket, epoll_event* event) noexcept
{
    static const auto real = original<int(int, int, int, epoll_event*)>("epoll_ctl");
    ++made.epoll_ctl;
    return real(epoll, what, socket, event);
}

extern "C" int epoll_wait(int epoll, epoll_event* events, int most, int timeout)
{
    static const auto real = original<int(int, epoll_event*, int, int)>("epoll_wait");
    ++made.epoll_wait;
    return real(epoll, events, most, timeout);
}

extern "C" int timerfd_settime(int timer, int flags, const itimerspec* to, itimerspec* was) noexcept
{
    using function = int(int, int, const itimerspec*, itimerspec*);
    static const auto real = original<function>("timerfd_settime");
    ++made.timerfd_settime;
    return real(timer, flags, to, was);
}

extern "C" CURLMcode curl_multi_socket_action(CURLM* multi, curl_socket_t socket, int events,
                                              int* running)
{
    using function = CURLMcode(CURLM*, curl_socket_t, int, int*);
    static const auto real = original<function>("curl_multi_socket_action");
    ++made.curl_multi_socket_action;
    return real(multi, socket, events, running);
}

namespace {

using answers = asio::awaitable<loopback_response>;

answers hang()
{
    asio::steady_timer never{co_await asio::this_coro::executor, 1h};
    co_await never.async_wait(asio::use_awaitable);
    co_return loopback_response{200};
}

/// Answers with everything that the request consists of.
answers mirror(loopback_request request)
{
    if (request.target == "/hang")
        co_return co_await hang();
    std::string all = request.method + ' ' + request.target + '\n';
    for (const auto& [name, value] : request.headers)
        all += name + ": " + value + '\n';
    co_return loopback_response{200, all + '\n' + request.body};
}

std::string with_credentials(std::string url, const std::string& credentials)
{
    return url.insert(7, credentials + '@');
}

} // namespace

TEST_CASE("no request shows in the next one that goes over the same handle")
{
    asio::io_context context;
    loopback_server server{context.get_executor(), mirror};
    const std::string url = server.url("/page?a=b");
    std::vector<http::request> kinds;
    const auto add = [&](const std::string& target) -> http::request& {
        return kinds.emplace_back(target);
    };
    add(url);
    add(server.url("/another"));
    add(url).method("HEAD");
    add(url).method("DELETE");
    add(url).method("OPTIONS");
    add(url).method("POST").body("a body", "text/plain");
    add(url).method("POST").body("another, which is longer");
    add(url).method("POST").body("");
    add(url).method("POST");
    add(url).method("PUT").body("put", "text/plain");
    add(url).body("with GET");
    add(url).header("X-One", "1").header("X-Blank", "");
    add(url).header("X-One", "2");
    add(url).header("User-Agent", "mine");
    add(url).header("user-agent", "").header("Accept-Encoding", "identity").header("Accept", "a/b");
    add(url).header("Host", "elsewhere");
    add(with_credentials(url, "user:secret"));
    add(with_credentials(url, "other"));
    add(url).timeout(1h);
    // These end in other ways.
    add(server.url("/hang")).timeout(10ms);
    add(url).public_only(true);
    add(url).method("HEAD").body("no such request");
    add("http://127.0.0.1:1/");

    int pairs = 0;
    auto compare = [&]() -> asio::awaitable<void> {
        const auto text = [&](http::client& client,
                              const http::request& what) -> asio::awaitable<std::string> {
            auto got =
                co_await client.async_send(what, headgate::detail::as_tuple(asio::use_awaitable));
            const http::response& answer = std::get<1>(got);
            std::string all = std::to_string(answer.status()) + ' ' + std::get<0>(got).message();
            for (const auto& [name, value] : answer.headers())
                all += '\n' + name + ": " + value;
            co_return all + "\n\n" + answer.body();
        };
        std::vector<std::string> expected;
        for (const http::request& each : kinds) {
            http::client fresh{context};
            expected.push_back(co_await text(fresh, each));
        }
        http::client reused{context};
        for (const http::request& first : kinds)
            for (std::size_t second = 0; second < kinds.size(); ++second) {
                co_await text(reused, first);
                const std::string got = co_await text(reused, kinds[second]);
                CHECK(got == expected[second]);
                ++pairs;
            }
    };
    asio::co_spawn(context, compare, [&](std::exception_ptr failure) {
        context.stop();
        support::rethrow(failure);
    });
    context.run();
    CHECK(pairs == static_cast<int>(kinds.size() * kinds.size()));
}

TEST_CASE("a request that is lost with its connection is not sent again")
{
    asio::io_context context;
    loopback_server server{context.get_executor(), [](loopback_request request) -> answers {
                               if (request.target == "/lost")
                                   co_return loopback_response::raw("");
                               co_return co_await mirror(std::move(request));
                           }};
    http::client client{context};
    auto coroutine = [&]() -> asio::awaitable<void> {
        for (int i = 0; i < 2; ++i) {
            http::request first{server.url("/first")}, lost{server.url("/lost")};
            auto before = co_await client.send(std::move(first));
            CHECK(before.body().find("GET /first\n") == 0);
            auto got = co_await client.async_send(std::move(lost),
                                                  headgate::detail::as_tuple(asio::use_awaitable));
            CHECK(std::get<0>(got) == http::error::connection_lost);
            CHECK(std::get<1>(got).error_text().find("/lost: the connection was lost") !=
                  std::string::npos);
        }
        CHECK(server.requests() == 4);
    };
    asio::co_spawn(context, coroutine, [&](std::exception_ptr failure) {
        context.stop();
        support::rethrow(failure);
    });
    context.run();
}

namespace {

using asio::ip::tcp;

std::string whole(const std::string& body)
{
    return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// A server that goes on speaking on a connection after it has answered.
class talkative_server {
public:
    talkative_server(asio::io_context& context, std::string unasked, bool closes)
        : unasked_{std::move(unasked)},
          closes_{closes},
          acceptor_{context, tcp::endpoint{asio::ip::address_v4::loopback(), 0}}
    {
        asio::co_spawn(context, accept(), asio::detached);
    }

    std::string url(const std::string& path) const
    {
        return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + path;
    }

    void close() { acceptor_.close(); }

    std::vector<std::string> lines; ///< of all requests, the first of each

private:
    asio::awaitable<void> accept()
    {
        for (;;) {
            tcp::socket socket = co_await acceptor_.async_accept(asio::use_awaitable);
            asio::co_spawn(acceptor_.get_executor(), serve(std::move(socket)), asio::detached);
        }
    }

    asio::awaitable<void> serve(tcp::socket socket)
    {
        std::string input;
        for (;;) {
            const std::size_t head = co_await asio::async_read_until(
                socket, asio::dynamic_buffer(input), "\r\n\r\n", asio::use_awaitable);
            const std::string line = input.substr(0, input.find(" HTTP/"));
            lines.push_back(line);
            input.erase(0, head);
            const std::string answer = whole(line);
            co_await asio::async_write(socket, asio::buffer(answer), asio::use_awaitable);
            if (line.find("/quiet") != std::string::npos)
                continue;
            asio::steady_timer moment{socket.get_executor(), 5ms};
            co_await moment.async_wait(asio::use_awaitable);
            co_await asio::async_write(socket, asio::buffer(unasked_), asio::use_awaitable);
            if (closes_)
                co_return;
        }
    }

    std::string unasked_;
    bool closes_;
    tcp::acceptor acceptor_;
};

} // namespace

TEST_CASE("an answer that nobody has asked for is not taken for that to the next request")
{
    const bool closes = GENERATE(false, true);
    const std::string unasked =
        GENERATE(whole("unasked"), std::string{"HTTP/1.1 408 Late\r\n\r\n"});
    asio::io_context context;
    talkative_server server{context, unasked, closes};
    http::client client{context};
    auto coroutine = [&]() -> asio::awaitable<void> {
        const auto pause = [&]() -> asio::awaitable<void> {
            asio::steady_timer moment{context, 30ms};
            co_await moment.async_wait(asio::use_awaitable);
        };
        const auto ask = [&](const std::string& path) -> asio::awaitable<std::string> {
            http::request what{server.url(path)};
            auto answer = co_await client.send(std::move(what));
            co_return answer.body();
        };
        for (const char* path : {"/1", "/2", "/3"}) {
            const std::string got = co_await ask(path);
            CHECK(got == std::string{"GET "} + path);
            co_await pause();
        }
        http::request post{server.url("/quiet")};
        post.method("POST").body("a body", "text/plain");
        auto posted = co_await client.send(std::move(post));
        CHECK(posted.body() == "POST /quiet");
        server.close();
    };
    asio::co_spawn(context, coroutine, [&](std::exception_ptr failure) {
        context.stop();
        support::rethrow(failure);
    });
    context.run();
    CHECK(server.lines == std::vector<std::string>{"GET /1", "GET /2", "GET /3", "POST /quiet"});
    CHECK(client.statistics().connections == 4);
    CHECK(client.statistics().requests == 4);
}

TEST_CASE("a connection that was made new for a request is used again like any other")
{
    asio::io_context context;
    talkative_server server{context, whole("unasked"), false};
    http::client client{context};
    auto coroutine = [&]() -> asio::awaitable<void> {
        for (const char* path : {"/1", "/quiet/2", "/quiet/3", "/quiet/4"}) {
            http::request what{server.url(path)};
            auto answer = co_await client.send(std::move(what));
            CHECK(answer.body() == std::string{"GET "} + path);
            asio::steady_timer moment{context, 30ms};
            co_await moment.async_wait(asio::use_awaitable);
        }
        server.close();
    };
    asio::co_spawn(context, coroutine, [&](std::exception_ptr failure) {
        context.stop();
        support::rethrow(failure);
    });
    context.run();
    CHECK(server.lines.size() == 4);
    CHECK(client.statistics().connections == 2);
}

TEST_CASE("a full loop of requests asks the system hardly anything")
{
    asio::io_context context;
    const std::string body(10'000, 'x');
    loopback_server server{context.get_executor(), [&](loopback_request) -> answers {
                               co_return loopback_response{200, body};
                           }};
    http::client client{context};
    const http::request what{server.url()};
    int left = 4000;
    int good = 0;
    std::optional<system_calls> from;
    std::function<void()> next = [&] {
        if (left == 3000)
            from = made; // all connections have been made
        if (left-- <= 0)
            return;
        client.async_send(what, [&](headgate::error_code failed, http::response answer) {
            good += !failed && answer.body() == body;
            if (good == 4000)
                context.stop();
            next();
        });
    };
    for (int i = 0; i < 64; ++i)
        next();
    context.run();
    CHECK(good == 4000);
    REQUIRE(from);
    CHECK(made.epoll_ctl - from->epoll_ctl + made.timerfd_settime - from->timerfd_settime < 300);
    CHECK(client.statistics().connections == 64);
    CHECK(client.statistics().peak_in_flight == 64);
    CHECK(client.statistics().bytes == 4000 * body.size());
}

TEST_CASE("connections that are in use do not count as idle ones")
{
    asio::io_context context;
    loopback_server server{context.get_executor(), mirror};
    http::client client{context, http::client_options{}.max_idle_connections(64)};
    const http::request what{server.url()};
    int left = 2000;
    int good = 0;
    std::function<void()> next = [&] {
        if (left-- <= 0)
            return;
        client.async_send(what, [&](headgate::error_code failed, http::response) {
            good += !failed;
            if (good == 2000)
                context.stop();
            next();
        });
    };
    for (int i = 0; i < 200; ++i)
        next();
    context.run();
    CHECK(good == 2000);
    CHECK(client.statistics().connections < 400);
}

TEST_CASE("an idle connection that the server closes costs hardly anything")
{
    asio::io_context context, elsewhere;
    loopback_server busy{context.get_executor(), mirror};
    auto closing = std::make_unique<loopback_server>(elsewhere.get_executor(), mirror);
    http::client client{context};
    bool answered = false;
    bool ended = false;
    client.async_send(http::request{closing->url()}, [&](headgate::error_code failed, auto) {
        CHECK_FALSE(failed);
        answered = true;
    });
    client.async_send(http::request{busy.url("/hang")},
                      [&](headgate::error_code, auto) { ended = true; });
    while (!answered || busy.in_flight() == 0) {
        elsewhere.poll();
        context.poll();
    }
    context.run_for(1ms);
    closing.reset();
    elsewhere.restart();
    elsewhere.poll(); // the connection is closed here
    const system_calls before = made;
    context.run_for(20ms);
    CHECK(made.all() - before.all() <= 10);
    CHECK_FALSE(ended);
    CHECK(client.statistics().in_flight == 1);
}
