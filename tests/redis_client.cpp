#include <headgate/redis/client.hpp>

#include "support/catch.hpp"
#include "support/redis_server.hpp"

#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/use_future.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

namespace redis = headgate::redis;
using namespace std::chrono_literals;
using headgate::error_code;

namespace {

struct noted {
    int calls = 0;
    error_code code;
    redis::reply reply;
};

/// A handler that notes what it was called with.
auto note(noted& where)
{
    return [&where](error_code code, redis::reply reply) {
        ++where.calls;
        where.code = code;
        where.reply = std::move(reply);
    };
}

redis::client_options quick(const std::string& url)
{
    redis::client_options options{url};
    options.command_timeout(60s).reconnect_backoff(5ms, 50ms);
    return options;
}

struct fixture {
    support::redis_server server;
    asio::io_context context;
    redis::client client{context, quick(server.url())};

    noted run(std::vector<std::string> command)
    {
        noted result;
        client.async_command(std::move(command), note(result));
        context.restart();
        context.run();
        REQUIRE(result.calls == 1);
        return result;
    }
};

} // namespace

TEST_CASE_METHOD(fixture, "Commands have the replies of Redis, of every kind")
{
    CHECK(run({"SET", "a", std::string("x\0y", 3)}).reply ==
          redis::reply::of(redis::reply::kind::status, "OK"));
    CHECK(run({"GET", "a"}).reply == redis::reply::of(redis::reply::kind::string, {"x\0y", 3}));
    CHECK(run({"GET", "none"}).reply.is_nil());
    CHECK(run({"INCR", "n"}).reply == redis::reply::of(1));
    run({"RPUSH", "list", "1", "2"});
    const auto list = run({"LRANGE", "list", "0", "-1"}).reply;
    REQUIRE(list.size() == 2);
    CHECK(list[1].text() == "2");
    const auto refused = run({"NOSUCH"});
    CHECK(refused.code == redis::error::server_error);
    CHECK(refused.reply.text().find("unknown command") != std::string::npos);
}

TEST_CASE_METHOD(fixture, "What has no single reply is not sent")
{
    for (const auto& command : std::vector<std::vector<std::string>>{
             {}, {""}, {"subscribe", "a"}, {"PSubscribe", "a"}, {"MONITOR"}, {"UNSUBSCRIBE"}})
        CHECK(run(command).code == redis::error::bad_command);
}

TEST_CASE_METHOD(fixture, "Commands are pipelined in order")
{
    std::vector<std::int64_t> got;
    for (int i = 0; i < 5'000; ++i)
        client.async_command({"INCR", "n"}, [&](error_code code, const redis::reply& reply) {
            CHECK_FALSE(code);
            got.push_back(reply.integer());
        });
    context.run();
    REQUIRE(got.size() == 5'000);
    for (std::size_t i = 0; i < got.size(); ++i)
        REQUIRE(got[i] == static_cast<std::int64_t>(i + 1));
    CHECK(client.server().session == 1);
}

TEST_CASE_METHOD(fixture, "A large value goes there and back")
{
    const std::string large(3'000'000, 'z');
    CHECK_FALSE(run({"SET", "large", large}).code);
    CHECK(run({"GET", "large"}).reply.text() == large);
}

TEST_CASE_METHOD(fixture, "Scripts are called by their SHA-1, which Redis says")
{
    const redis::script sum{"return {KEYS[1], ARGV[1] + ARGV[2]}"};
    const auto eval = [&](const redis::script& which) {
        noted result;
        client.async_eval(which, {"k"}, std::vector<std::string>{"1", "2"}, note(result));
        context.restart();
        context.run();
        REQUIRE(result.calls == 1);
        return result;
    };
    CHECK(sum.sha1().empty());
    CHECK(eval(sum).reply[1].integer() == 3);
    CHECK(sum.sha1().size() == 40);
    CHECK(eval(sum).reply[0].text() == "k");
    run({"SCRIPT", "FLUSH"});
    CHECK(eval(sum).reply[1].integer() == 3);
    CHECK(eval(sum).reply[1].integer() == 3);
    CHECK(eval(redis::script{"return nonsense("}).code == redis::error::server_error);
}

TEST_CASE_METHOD(fixture, "Arguments of a script can depend on the Redis that they go to")
{
    noted result;
    client.async_eval_for(
        5s, redis::script{"return ARGV[1]"}, {},
        [](const redis::server_info& to) { return std::vector<std::string>{to.run_id}; },
        note(result));
    context.run();
    const auto server_now = client.server();
    CHECK(result.reply.text() == server_now.run_id);
    CHECK(server_now.run_id.size() == 40);
    CHECK(server_now.version.find('.') != std::string::npos);
    CHECK(server_now.time > 1'000'000'000s);
    CHECK(server_now.started_by() <= server_now.time);
}

TEST_CASE_METHOD(fixture, "Any completion token will do")
{
    auto future = client.async_command({"PING"}, asio::use_future);
    context.run();
    CHECK(future.get().text() == "PONG");
    context.restart();
    std::string got;
    auto job = [&]() -> asio::awaitable<void> {
        std::vector<std::string> ping{"PING"};
        const redis::reply reply =
            co_await client.async_command(std::move(ping), asio::use_awaitable);
        got = reply.text();
    };
    asio::co_spawn(context, job, [](std::exception_ptr failure) { CHECK_FALSE(failure); });
    context.run();
    CHECK(got == "PONG");
}

TEST_CASE_METHOD(fixture, "A cancelled command completes at once and the next has its own reply")
{
    noted blocked;
    noted next;
    asio::cancellation_signal signal;
    run({"PING"});
    context.restart();
    client.async_command({"BLPOP", "nothing", "1"},
                         asio::bind_cancellation_slot(signal.slot(), note(blocked)));
    client.async_command({"ECHO", "mine"}, note(next));
    asio::post(context, [&] { signal.emit(asio::cancellation_type::total); });
    while (blocked.calls == 0)
        context.run_one();
    CHECK(blocked.code == asio::error::operation_aborted);
    CHECK(next.calls == 0);
    context.run();
    CHECK(next.reply.text() == "mine");
    CHECK(blocked.calls == 1);
}

TEST_CASE_METHOD(fixture, "A command that gets no reply in time says so, and the client goes on")
{
    run({"PING"});
    context.restart();
    noted late;
    client.async_command_for(50ms, {"BLPOP", "nothing", "0"}, note(late));
    context.run();
    CHECK(late.code == asio::error::timed_out);
    CHECK(run({"ECHO", "on"}).reply.text() == "on");
    CHECK(client.server().session == 2);
}

TEST_CASE_METHOD(fixture, "What was sent when Redis dies is lost, what was not is sent to the next")
{
    run({"PING"});
    const auto first = client.server();
    context.restart();
    noted lost;
    client.async_command({"BLPOP", "nothing", "0"}, note(lost));
    while (context.poll_one() > 0) {
    }
    server.kill();
    context.restart();
    context.run();
    CHECK(lost.code == redis::error::connection_lost);

    noted waits;
    client.async_command({"ECHO", "back"}, note(waits));
    context.restart();
    context.run_for(30ms);
    CHECK(waits.calls == 0);
    server.start();
    context.restart();
    context.run();
    CHECK(waits.reply.text() == "back");
    CHECK(client.server().session == 2);
    CHECK(client.server().run_id != first.run_id);
}

TEST_CASE_METHOD(fixture, "A Redis that was restarted while nobody looked costs no command")
{
    run({"PING"});
    server.kill();
    server.start();
    CHECK(run({"ECHO", "a"}).reply.text() == "a");
    CHECK(client.server().session == 2);
}

TEST_CASE("Where no Redis is, commands fail after their timeout and say why")
{
    asio::io_context context;
    redis::client_options options;
    {
        const support::redis_server gone;
        options = redis::client_options{gone.url()};
    }
    options.command_timeout(100ms).reconnect_backoff(5ms, 20ms);
    redis::client client{context, options};
    noted result;
    client.async_command({"PING"}, note(result));
    context.run();
    CHECK(result.code == redis::error::connect_failed);
    CHECK(result.reply.text().find("127.0.0.1") != std::string::npos);
    CHECK(result.reply.text().find("refused") != std::string::npos);
}

TEST_CASE("A password and a database are part of the URL")
{
    const support::redis_server server{support::redis_server::options{}.password("s3cret")};
    asio::io_context context;
    noted good;
    noted wrong;
    noted none;
    redis::client client{context, redis::client_options{server.url("/2")}};
    client.async_command({"CLIENT", "LIST"}, note(good));
    redis::client bad{context, quick("redis://:other@127.0.0.1:" + std::to_string(server.port()))};
    bad.async_command({"PING"}, note(wrong));
    redis::client silent{context, quick("redis://127.0.0.1:" + std::to_string(server.port()))};
    silent.async_command({"PING"}, note(none));
    context.run();
    CHECK_FALSE(good.code);
    CHECK(good.reply.text().find("db=2") != std::string::npos);
    CHECK(wrong.code == redis::error::authentication_failed);
    CHECK(wrong.reply.text().find("other") == std::string::npos);
    CHECK(none.code == redis::error::authentication_failed);
}

TEST_CASE("TLS is there, with the certificate checked, or is said not to be")
{
    asio::io_context context;
    noted result;
    if (!headgate::detail::redis_has_tls) {
        redis::client client{context, redis::client_options{"rediss://127.0.0.1"}};
        client.async_command({"PING"}, note(result));
        context.run();
        CHECK(result.code == redis::error::tls_unavailable);
        CHECK(result.reply.text().find("no TLS") != std::string::npos);
        return;
    }
    const std::string file =
        (std::filesystem::temp_directory_path() / "headgate-redis-tls-").string() +
        std::to_string(::getpid());
    const std::string make =
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost -keyout " +
        file + " -out " + file + ".crt 2>/dev/null && cat " + file + ".crt >> " + file;
    REQUIRE(std::system(make.c_str()) == 0);
    const support::redis_server server{support::redis_server::options{}.certificate(file)};
    const auto ping = [&](const std::string& host, const std::string& trusted) {
        redis::client_options options{"rediss://" + host + ':' + std::to_string(server.port())};
        options.ca_file(trusted).command_timeout(trusted.empty() || host[0] == '1' ? 500ms : 60s);
        redis::client client{context, options};
        noted answer;
        client.async_command({"ECHO", std::string(100'000, 'e')}, note(answer));
        context.restart();
        context.run();
        return answer;
    };
    CHECK(ping("localhost", file + ".crt").reply.text().size() == 100'000);
    CHECK(ping("127.0.0.1", file + ".crt").code == redis::error::connect_failed); // another name
    CHECK(ping("localhost", "").code == redis::error::connect_failed);            // not trusted
    std::filesystem::remove(file);
    std::filesystem::remove(file + ".crt");
}

TEST_CASE_METHOD(fixture, "Closing and destroying complete what waits")
{
    noted first;
    noted second;
    noted late;
    run({"PING"});
    context.restart();
    client.async_command({"BLPOP", "nothing", "0"}, note(first));
    context.poll();
    client.close();
    client.async_command({"PING"}, note(late));
    {
        redis::client other{context, quick(server.url())};
        other.async_command({"PING"}, note(second));
    }
    context.restart();
    context.run();
    CHECK(first.code == asio::error::operation_aborted);
    CHECK(second.code == asio::error::operation_aborted);
    CHECK(late.code == asio::error::operation_aborted);
}

TEST_CASE("A context that goes away with commands in flight takes them along")
{
    const support::redis_server server;
    const auto kept = std::make_shared<int>(0);
    {
        asio::io_context context;
        auto client = std::make_shared<redis::client>(context, quick(server.url()));
        client->async_command({"BLPOP", "nothing", "0"},
                              [kept, client](error_code, const redis::reply&) { FAIL(); });
        client->async_command({"PING"}, [kept](error_code, const redis::reply&) {});
        context.poll();
    }
    CHECK(kept.use_count() == 1);
}

TEST_CASE("Many threads share a client while Redis comes and goes")
{
    support::redis_server server;
    asio::thread_pool pool{2};
    redis::client client{pool, quick(server.url())};
    std::atomic<int> done{0};
    std::atomic<int> good{0};
    constexpr int each = 400;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t)
        threads.emplace_back([&] {
            for (int i = 0; i < each; ++i) {
                client.async_command({"INCR", "n"}, [&](error_code code, const redis::reply&) {
                    ++done;
                    good += code ? 0 : 1;
                });
                if (i % 50 == 0)
                    std::this_thread::sleep_for(1ms);
            }
        });
    server.kill();
    server.start();
    for (auto& thread : threads)
        thread.join();
    auto last = client.async_command({"PING"}, asio::use_future);
    CHECK(last.get().text() == "PONG");
    pool.join();
    CHECK(done == 3 * each);
    CHECK(good > 0);
}

TEST_CASE("Options are read from a URL, and what is wrong is said without the password")
{
    const redis::client_options all{"redis://us%40er:p%2Fw@example.org:7000/3"};
    CHECK(all.user() == "us@er");
    CHECK(all.password() == "p/w");
    CHECK(all.host() == "example.org");
    CHECK(all.port() == 7000);
    CHECK(all.database() == 3);
    CHECK_FALSE(all.tls());
    const redis::client_options v6{"rediss://[::1]"};
    CHECK(v6.host() == "::1");
    CHECK(v6.port() == 6379);
    CHECK(v6.tls());
    CHECK(v6.address() == "[::1]:6379");

    const auto keyed = redis::client_options::with_key("redis://h/2/a/b");
    CHECK(keyed.options.database() == 2);
    CHECK(keyed.key == "a/b");
    CHECK(redis::client_options::with_key("redis://h/7").key == "7");
    CHECK_THROWS_AS(redis::client_options::with_key("redis://h"), std::invalid_argument);

    for (const std::string bad :
         {"http://h", "redis://", "h:1", "redis://:secret@h:99999", "redis://:secret@h/x",
          "redis://:secret@h/-1", "redis://:secret@h/1?x=secret", "redis://:secret@h\n"}) {
        try {
            const redis::client_options parsed{bad};
            FAIL(bad);
        } catch (const std::invalid_argument& refusal) {
            CAPTURE(refusal.what());
            CHECK(std::string{refusal.what()}.find("secret") == std::string::npos);
        }
    }
    CHECK_THROWS_AS(redis::client_options{}.command_timeout(0ms), std::invalid_argument);
    CHECK_THROWS_AS(redis::client_options{}.reconnect_backoff(2ms, 1ms), std::invalid_argument);
    CHECK_THROWS_AS(redis::client_options{}.database(-1), std::invalid_argument);
    CHECK_THROWS_AS(redis::client_options{}.host(""), std::invalid_argument);
}
