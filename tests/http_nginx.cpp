// The client against a real server: TLS, HTTP/2, compression, connections that the server ends.
#include <headgate/http/client.hpp>

#include "support/nginx.hpp"
#include "support/run.hpp"

#include <asio/steady_timer.hpp>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace http = headgate::http;

namespace {

class site {
public:
    site()
        : tls_{std::to_string(support::free_port())}, plain_{std::to_string(support::free_port())}
    {
        for (int i = 0; i < 5000; ++i)
            text += "line " + std::to_string(i) + '\n';
        directory.write("text", text);
        const std::string make =
            "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
            " -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout " +
            directory.file("key.pem") + " -out " + ca() + " 2> /dev/null";
        REQUIRE(std::system(make.c_str()) == 0);
        const std::string common = "root " + directory.file("") +
                                   "; gzip on; gzip_types *; "
                                   "gzip_min_length 1; ";
        server.emplace(directory, "default_type text/plain; server { listen 127.0.0.1:" + tls_ +
                                      " ssl http2; ssl_certificate " + ca() +
                                      "; ssl_certificate_key " + directory.file("key.pem") + "; " +
                                      common + "} server { listen 127.0.0.1:" + plain_ + "; " +
                                      common + "keepalive_requests 1; }");
    }

    std::string ca() const { return directory.file("cert.pem"); }
    std::string tls() const { return "https://localhost:" + tls_ + "/text"; }
    std::string plain() const { return "http://127.0.0.1:" + plain_ + "/text"; }

    /// The answer, as soon as there is somebody to give it.
    asio::awaitable<http::response> get(http::client& client, std::string url)
    {
        for (;;) {
            http::request request{url};
            auto answer = co_await client.async_send(
                request, headgate::detail::as_tuple(asio::use_awaitable));
            if (std::get<0>(answer) != http::error::connect_failed) {
                INFO(std::get<1>(answer).error_text());
                CHECK_FALSE(std::get<0>(answer));
                co_return std::get<1>(answer);
            }
            REQUIRE(server->running());
            asio::steady_timer moment{client.get_executor(), 10ms};
            co_await moment.async_wait(asio::use_awaitable);
        }
    }

    support::temporary_directory directory;
    std::string text;
    std::optional<support::nginx> server;

private:
    std::string tls_;
    std::string plain_;
};

void run(asio::io_context& context, asio::awaitable<void> coroutine)
{
    asio::co_spawn(context, std::move(coroutine), support::rethrow);
    context.run();
}

} // namespace

TEST_CASE("TLS is verified, HTTP/2 carries many requests on one connection")
{
    site nginx;
    asio::io_context context;
    http::client_options trusting;
    trusting.ca_file(nginx.ca());
    http::client client{context, trusting};
    http::client wary{context};
    auto coroutine = [&]() -> asio::awaitable<void> {
        auto first = co_await nginx.get(client, nginx.tls());
        CHECK(first.status() == 200);
        CHECK(first.http_version() == 20);
        CHECK(first.body() == nginx.text);
        auto plain = co_await nginx.get(client, nginx.plain()); // with the same handle
        CHECK(plain.http_version() == 11);
        auto again = co_await nginx.get(client, nginx.tls());
        CHECK(again.http_version() == 20);
        CHECK(again.body() == nginx.text);
        http::request request{nginx.tls()};
        auto refused =
            co_await wary.async_send(request, headgate::detail::as_tuple(asio::use_awaitable));
        CHECK(std::get<0>(refused) == http::error::tls_failed);
        CHECK(std::get<1>(refused).error_text().find("certificate") != std::string::npos);
    };
    run(context, coroutine());
    int good = 0;
    for (int i = 0; i < 50; ++i)
        client.async_send(http::request{nginx.tls()},
                          [&](headgate::error_code failed, http::response answer) {
                              good += !failed && answer.body() == nginx.text;
                          });
    context.restart();
    context.run();
    CHECK(good == 50);
    CHECK(client.statistics().connections == 2);

    http::client_options careless;
    careless.insecure_skip_tls_verification();
    http::client reckless{context, careless};
    context.restart();
    run(context, [&]() -> asio::awaitable<void> {
        auto answer = co_await nginx.get(reckless, nginx.tls());
        CHECK(answer.status() == 200);
    }());
}

TEST_CASE("compressed bodies come decompressed, the server may end a connection after each")
{
    site nginx;
    asio::io_context context;
    http::client client{context};
    auto coroutine = [&]() -> asio::awaitable<void> {
        auto first = co_await nginx.get(client, nginx.plain());
        CHECK(first.header("Content-Encoding") == "gzip");
        CHECK(first.body() == nginx.text);
        CHECK(first.http_version() == 11);
        auto second = co_await nginx.get(client, nginx.plain());
        CHECK(second.body() == nginx.text);
    };
    run(context, coroutine());
    CHECK(client.statistics().connections == 2);
}
