#ifndef HEADGATE_TESTING_LOOPBACK_SERVER_HPP
#define HEADGATE_TESTING_LOOPBACK_SERVER_HPP

#include <headgate/detail/asio.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/error.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(awaitable.hpp)
#include HEADGATE_ASIO(buffer.hpp)
#include HEADGATE_ASIO(co_spawn.hpp)
#include HEADGATE_ASIO(completion_condition.hpp)
#include HEADGATE_ASIO(detached.hpp)
#include HEADGATE_ASIO(post.hpp)
#include HEADGATE_ASIO(read.hpp)
#include HEADGATE_ASIO(read_until.hpp)
#include HEADGATE_ASIO(socket_base.hpp)
#include HEADGATE_ASIO(strand.hpp)
#include HEADGATE_ASIO(use_awaitable.hpp)
#include HEADGATE_ASIO(write.hpp)
#include HEADGATE_ASIO_IP(address_v4.hpp)
#include HEADGATE_ASIO_IP(tcp.hpp)

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::testing {

/// A request as the loopback server received it. Header names are in lower case.
struct loopback_request {
    /// Such as "GET".
    std::string method;
    /// Path and query, as they came.
    std::string target;
    /// Header fields in order: names in lower case, and values.
    std::vector<std::pair<std::string, std::string>> headers;
    /// The body.
    std::string body;

    /// The value of the first header field of that name, in lower case; empty if there is none.
    std::string header(std::string_view name) const
    {
        for (const auto& [key, value] : headers)
            if (key == name)
                return value;
        return {};
    }

    /// A parameter of the query, as it is written; empty if there is none.
    std::string query(std::string_view name) const
    {
        std::istringstream parameters{
            target.substr(std::min(target.find('?'), target.size() - 1) + 1)};
        for (std::string each; std::getline(parameters, each, '&');)
            if (each.substr(0, each.find('=')) == name)
                return each.substr(std::min(each.find('=') + 1, each.size()));
        return {};
    }
};

/// What the loopback server answers: a well-formed answer, or any bytes at all.
class loopback_response {
public:
    /// A well-formed answer.
    explicit loopback_response(int status, std::string body = {})
        : status_{status}, body_{std::move(body)}
    {
    }

    /// These bytes and nothing else, then the end of the connection.
    static loopback_response raw(std::string bytes)
    {
        loopback_response result{0, std::move(bytes)};
        return result;
    }

    /// Adds a header field.
    loopback_response& header(const std::string& name, const std::string& value)
    {
        headers_ += name + ": " + value + "\r\n";
        return *this;
    }

    /// Ends the connection after this answer; `reset` does so with a TCP reset.
    loopback_response& close(bool reset = false)
    {
        close_ = true;
        reset_ = reset;
        return *this;
    }

private:
    friend class loopback_server;

    bool last() const noexcept { return close_ || status_ == 0; }

    std::string bytes(bool with_body) const
    {
        if (status_ == 0)
            return body_;
        return "HTTP/1.1 " + std::to_string(status_) + " Status\r\n" + headers_ +
               "Content-Length: " + std::to_string(body_.size()) + "\r\n\r\n" +
               (with_body ? body_ : "");
    }

    int status_;
    std::string body_;
    std::string headers_;
    bool close_ = false;
    bool reset_ = false;
};

/// A small HTTP/1.1 server on 127.0.0.1 for tests and demonstrations: keep-alive, bodies with a
/// Content-Length, and a handler that may answer whatever it likes and take as long as it likes.
/// Not for the world outside.
///
/// @par Thread safety
/// `port`, `connections`, `requests`, `in_flight` and `close` may be called from any thread. The
/// handler is called on the executor, for several connections at once if that has several threads.
///
/// @par Lifetime
/// Destroying the server ends its connections; handlers that still run end with an error when they
/// next use the network.
class loopback_server {
public:
    /// Makes the answer to a request.
    using handler = std::function<asio::awaitable<loopback_response>(loopback_request)>;

    /// Listens at once on a free port, or on the one given.
    loopback_server(const asio::any_io_executor& executor, handler answer, std::uint16_t port = 0)
        : state_{std::make_shared<state>(executor, std::move(answer), port)}
    {
        asio::co_spawn(state_->strand, accept(state_), asio::detached);
    }
    loopback_server(const loopback_server&) = delete;
    loopback_server& operator=(const loopback_server&) = delete;
    ~loopback_server() { close(); }

    /// The port that it listens on.
    std::uint16_t port() const noexcept { return state_->port; }

    /// "http://127.0.0.1:PORT" and the path.
    std::string url(const std::string& path = "/") const
    {
        return "http://127.0.0.1:" + std::to_string(port()) + path;
    }

    /// How many connections were made so far.
    std::size_t connections() const noexcept { return state_->connections; }
    /// How many requests came so far.
    std::size_t requests() const noexcept { return state_->requests; }
    /// How many requests wait for the handler now.
    std::size_t in_flight() const noexcept { return state_->in_flight; }

    /// Stops listening and ends all connections.
    void close()
    {
        if (state_->closed.exchange(true))
            return;
        asio::post(state_->strand, [state = state_] {
            error_code ignored;
            state->acceptor.close(ignored);
            for (tcp::socket* open : state->sockets)
                open->close(ignored);
        });
    }

private:
    using tcp = asio::ip::tcp;

    struct state {
        state(const asio::any_io_executor& executor, handler answer_with, std::uint16_t wanted)
            : strand{asio::make_strand(executor)},
              answer{std::move(answer_with)},
              acceptor{strand, tcp::endpoint{asio::ip::address_v4::loopback(), wanted}},
              port{acceptor.local_endpoint().port()}
        {
        }

        asio::strand<asio::any_io_executor> strand;
        handler answer;
        tcp::acceptor acceptor;
        std::set<tcp::socket*> sockets; // used on the strand only
        const std::uint16_t port;
        std::atomic<bool> closed{false};
        std::atomic<std::size_t> connections{0};
        std::atomic<std::size_t> requests{0};
        std::atomic<std::size_t> in_flight{0};
    };

    /// Keeps a connection where `close` finds it.
    struct registered {
        registered(std::shared_ptr<state> where, tcp::socket& what)
            : all{std::move(where)}, socket{what}
        {
            all->sockets.insert(&socket);
        }
        registered(const registered&) = delete;
        registered& operator=(const registered&) = delete;
        ~registered() { all->sockets.erase(&socket); }

        std::shared_ptr<state> all;
        tcp::socket& socket;
    };

    static asio::awaitable<void> accept(std::shared_ptr<state> all)
    {
        while (!all->closed) {
            auto accepted =
                co_await all->acceptor.async_accept(detail::as_tuple(asio::use_awaitable));
            if (std::get<0>(accepted))
                co_return;
            ++all->connections;
            asio::co_spawn(all->strand, serve(all, std::move(std::get<1>(accepted))),
                           asio::detached);
        }
    }

    static asio::awaitable<void> serve(std::shared_ptr<state> all, tcp::socket socket)
    {
        const registered listed{all, socket};
        socket.set_option(tcp::no_delay{true});
        std::string input;
        while (!all->closed) {
            auto head =
                co_await asio::async_read_until(socket, asio::dynamic_buffer(input), "\r\n\r\n",
                                                detail::as_tuple(asio::use_awaitable));
            if (std::get<0>(head))
                co_return;
            const std::size_t head_size = std::get<1>(head);
            loopback_request request = parse(input.substr(0, head_size));
            input.erase(0, head_size);
            const std::string length = request.header("content-length");
            const std::size_t body_size = length.empty() ? 0 : std::stoul(length);
            if (input.size() < body_size)
                co_await asio::async_read(socket, asio::dynamic_buffer(input),
                                          asio::transfer_exactly(body_size - input.size()),
                                          asio::use_awaitable);
            request.body = input.substr(0, body_size);
            input.erase(0, body_size);
            const bool with_body = request.method != "HEAD";
            ++all->requests;
            ++all->in_flight;
            auto answered = all->answer(std::move(request));
            const loopback_response response = co_await std::move(answered);
            --all->in_flight;
            const std::string output = response.bytes(with_body);
            co_await asio::async_write(socket, asio::buffer(output), asio::use_awaitable);
            if (response.reset_)
                socket.set_option(asio::socket_base::linger{true, 0});
            if (response.last())
                co_return;
        }
    }

    static loopback_request parse(const std::string& head)
    {
        loopback_request result;
        std::istringstream lines{head};
        std::string line;
        std::getline(lines, line);
        std::istringstream{line} >> result.method >> result.target;
        while (std::getline(lines, line) && line.size() > 1) {
            const auto colon = line.find(':');
            std::string name = line.substr(0, colon);
            std::transform(name.begin(), name.end(), name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            const auto value = line.find_first_not_of(' ', colon + 1);
            result.headers.emplace_back(std::move(name),
                                        line.substr(value, line.size() - value - 1));
        }
        return result;
    }

    std::shared_ptr<state> state_;
};

} // namespace HEADGATE_NAMESPACE::testing

#endif
