// Both ways to wait for libcurl's sockets, without libcurl.
#include <headgate/detail/descriptor_sockets.hpp>
#include <headgate/detail/socket_watcher.hpp>

#include "support/catch.hpp"

#include <asio/io_context.hpp>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

using headgate::detail::descriptor_sockets;
using headgate::detail::epoll_sockets;

namespace {

/// Two ends of a connection, closed at the end unless that was done before.
class connection {
public:
    connection()
    {
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                             ends_.data()) == 0);
    }
    connection(const connection&) = delete;
    connection& operator=(const connection&) = delete;
    ~connection()
    {
        hang_up();
        close();
    }

    int mine() const { return ends_[0]; }
    void say_something() { REQUIRE(::write(ends_[1], "x", 1) == 1); }
    void read()
    {
        char byte = 0;
        REQUIRE(::read(ends_[0], &byte, 1) == 1);
    }
    void hang_up() { end(ends_[1]); }
    void close() { end(ends_[0]); }

    /// Gives up both ends and makes this one's number the number of another connection.
    void become(connection& other)
    {
        const int number = ends_[0];
        hang_up();
        close();
        REQUIRE(::dup2(other.ends_[0], number) == number);
        other.close();
        ends_ = {number, std::exchange(other.ends_[1], -1)};
    }

private:
    static void end(int& one)
    {
        if (one >= 0)
            ::close(one);
        one = -1;
    }

    std::array<int, 2> ends_{-1, -1};
};

template <class Watcher>
class fixture final : public headgate::detail::socket_user,
                public std::enable_shared_from_this<fixture<Watcher>> {
public:
    static std::shared_ptr<fixture> make()
    {
        auto made = std::make_shared<fixture>();
        made->watcher.emplace(made->context.get_executor(), made);
        return made;
    }

    bool on_ready(curl_socket_t socket, int events) override
    {
        told[socket] |= events;
        ++calls;
        if (then)
            then(socket);
        return !then_pause;
    }
    void on_pause() override
    {
        ++pauses;
        watcher->settle();
    }

    void watch(curl_socket_t socket, int wanted)
    {
        watcher->watch(socket, wanted);
        watcher->settle();
    }
    void forget(curl_socket_t socket)
    {
        watcher->forget(socket);
        watcher->settle();
    }

    /// What is told now, with the handlers that were needed for it.
    std::map<curl_socket_t, int> tell()
    {
        context.restart();
        told.clear();
        for (int i = 0; i < 30; ++i) // what is not read comes again for ever
            handlers += context.poll_one();
        return told;
    }

    asio::io_context context;
    std::optional<Watcher> watcher;
    std::map<curl_socket_t, int> told;
    std::function<void(curl_socket_t)> then;
    bool then_pause = false;
    std::size_t calls = 0;
    std::size_t pauses = 0;
    std::size_t handlers = 0;
};

using seen = std::map<curl_socket_t, int>;

} // namespace

TEMPLATE_TEST_CASE("what is wanted is told, again and again until it is read", "", epoll_sockets,
                   descriptor_sockets)
{
    const auto user = fixture<TestType>::make();
    connection a, b;
    user->watch(a.mine(), CURL_POLL_IN);
    user->watch(b.mine(), CURL_POLL_OUT);
    CHECK(user->tell() == seen{{b.mine(), CURL_CSELECT_OUT}});
    user->watch(b.mine(), CURL_POLL_IN);
    user->tell();
    CHECK(user->tell().empty());
    a.say_something();
    user->then = [&](curl_socket_t) {
        if (user->calls % 3 == 0)
            a.read();
    };
    user->calls = 0;
    CHECK(user->tell() == seen{{a.mine(), CURL_CSELECT_IN}});
    CHECK(user->calls == 3);
    user->watch(a.mine(), CURL_POLL_INOUT);
    user->then = [&](curl_socket_t socket) { user->watch(socket, CURL_POLL_IN); };
    CHECK(user->tell() == seen{{a.mine(), CURL_CSELECT_OUT}});
    user->then = [&](curl_socket_t socket) { user->forget(socket); };
    b.hang_up();
    CHECK(user->tell() == seen{{b.mine(), CURL_CSELECT_IN}});
}

TEMPLATE_TEST_CASE("the loop ends while nothing is wanted", "", epoll_sockets, descriptor_sockets)
{
    const auto user = fixture<TestType>::make();
    user->context.run();
    connection a;
    user->watcher->opened(a.mine());
    for (int i = 0; i < 3; ++i) {
        user->watch(a.mine(), CURL_POLL_IN);
        user->forget(a.mine());
        user->context.restart();
        user->context.run();
        user->watch(a.mine(), CURL_POLL_IN);
        user->forget(a.mine());
        user->watch(a.mine(), CURL_POLL_IN); // before the loop has noticed
        a.say_something();
        user->then = [&](curl_socket_t) {
            a.read();
            user->forget(a.mine());
        };
        user->context.restart();
        user->context.run();
        CHECK(user->calls == static_cast<std::size_t>(i) + 1);
    }
    user->watch(a.mine(), CURL_POLL_IN);
    user->watcher->closed(a.mine());
    user->watcher->settle();
    user->context.restart();
    user->context.run();
    user->watch(a.mine(), CURL_POLL_IN);
    user->watcher->forget_all();
    user->context.restart();
    user->context.run();
    user->watch(a.mine(), CURL_POLL_IN);
    user->watcher.reset();
    user->context.restart();
    user->context.run();
}

TEMPLATE_TEST_CASE("an idle connection that is ready is left alone at once", "", epoll_sockets,
                   descriptor_sockets)
{
    const auto user = fixture<TestType>::make();
    connection idle, busy;
    user->watcher->opened(idle.mine());
    user->watch(idle.mine(), CURL_POLL_IN);
    user->watch(busy.mine(), CURL_POLL_IN);
    user->forget(idle.mine());
    user->tell();
    user->handlers = 0;
    idle.say_something();
    idle.hang_up();
    for (int i = 0; i < 100; ++i)
        CHECK(user->tell().empty());
    CHECK(user->handlers <= 3);
    user->watch(idle.mine(), CURL_POLL_IN); // it is used again nevertheless
    user->then = [&](curl_socket_t socket) { user->forget(socket); };
    CHECK(user->tell() == seen{{idle.mine(), CURL_CSELECT_IN}});
    user->watcher->closed(idle.mine());
}

TEMPLATE_TEST_CASE("a number that comes again is another socket", "", epoll_sockets,
                   descriptor_sockets)
{
    const auto user = fixture<TestType>::make();
    connection a, b, always;
    const int number = a.mine();
    user->watch(always.mine(), CURL_POLL_IN);
    user->then = [&](curl_socket_t) { a.read(); };

    SECTION("of a descriptor that others close")
    {
        user->watch(number, CURL_POLL_IN);
        user->forget(number);
        a.become(b);
        user->watch(number, CURL_POLL_IN);
    }
    SECTION("of one that was closed before it was forgotten")
    {
        user->watch(number, CURL_POLL_OUT);
        a.become(b);
        user->forget(number);
        user->watch(number, CURL_POLL_IN);
    }
    SECTION("of a connection that was closed while it was idle")
    {
        user->watcher->opened(number);
        user->watch(number, CURL_POLL_IN);
        user->forget(number);
        user->watcher->closed(number);
        a.become(b);
        user->watch(number, CURL_POLL_IN);
    }
    SECTION("of a socket that never was a connection and was closed without a word")
    {
        user->watcher->opened(number);
        user->watch(number, CURL_POLL_OUT);
        user->forget(number);
        a.become(b);
        user->watch(number, CURL_POLL_IN);
    }
    SECTION("of one that libcurl takes for the one before")
    {
        user->watcher->opened(number);
        user->watch(number, CURL_POLL_IN);
        a.become(b);
        user->watcher->opened(number);
        user->watcher->settle();
    }
    SECTION("of one that other processes may have kept open")
    {
        const int kept = ::dup(number);
        user->watcher->opened(number);
        user->watch(number, CURL_POLL_IN);
        a.say_something();
        user->watcher->closed(number);
        a.become(b);
        user->watcher->opened(number);
        user->watch(number, CURL_POLL_IN);
        CHECK(user->tell().empty());
        ::close(kept);
    }
    CHECK(user->tell().empty());
    a.say_something();
    CHECK(user->tell() == seen{{number, CURL_CSELECT_IN}});
    user->watcher->closed(number);
}

// Asio may tell a new descriptor of what was meant for the one before, which libcurl bears.
TEST_CASE("telling of one socket may change the others")
{
    const auto user = fixture<epoll_sockets>::make();
    connection a, b, c;
    for (connection* each : {&a, &b}) {
        user->watcher->opened(each->mine());
        user->watch(each->mine(), CURL_POLL_IN);
        each->say_something();
    }
    bool changed = false;
    user->then = [&](curl_socket_t first) {
        if (std::exchange(changed, true))
            return;
        connection& other = first == a.mine() ? b : a;
        user->watcher->forget(first);
        user->watcher->closed(other.mine());
        other.become(c); // which has nothing to say
        user->watcher->opened(other.mine());
        user->watcher->watch(other.mine(), CURL_POLL_IN);
    };
    CHECK(user->tell().size() == 1);
    CHECK(user->tell().empty());
}

TEMPLATE_TEST_CASE("all have their turn, however many are ready", "", epoll_sockets,
                   descriptor_sockets)
{
    const auto user = fixture<TestType>::make();
    std::vector<connection> many(300);
    user->then_pause = GENERATE(false, true);
    for (connection& each : many) {
        user->watch(each.mine(), CURL_POLL_IN);
        each.say_something(); // and nobody reads it
    }
    std::size_t handlers = 0;
    while (user->told.size() < many.size() && handlers < 5 * many.size())
        handlers += user->context.poll_one();
    CHECK(user->told.size() == many.size());
    user->watcher->forget_all();
    CHECK(user->tell().empty());
}

TEST_CASE("what cannot be watched is said so and leaves nothing")
{
    const auto user = fixture<epoll_sockets>::make();
    const int file = ::open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    REQUIRE(file >= 0);
    CHECK_THROWS_AS(user->watch(file, CURL_POLL_IN), headgate::system_error);
    CHECK_THROWS_AS(user->watch(-1, CURL_POLL_IN), headgate::system_error);
    user->forget(file);
    ::close(file);
    connection a;
    user->watch(a.mine(), CURL_POLL_OUT);
    CHECK(user->tell() == seen{{a.mine(), CURL_CSELECT_OUT}});
}

TEST_CASE("whoever is told may be gone")
{
    connection a;
    asio::io_context context;
    std::optional<epoll_sockets> watcher;
    watcher.emplace(context.get_executor(), std::weak_ptr<headgate::detail::socket_user>{});
    watcher->watch(a.mine(), CURL_POLL_OUT);
    watcher->settle();
    CHECK(context.run() == 1);
}
