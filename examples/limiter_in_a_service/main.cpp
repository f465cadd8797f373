// An Asio service that takes a token before each call that it makes to an API: the limiter alone,
// with the service's own way to call. Here a job is a line on standard input, the id of what to
// ask for, and the service has two threads:
//
//   seq 1 20 | limiter_in_a_service http://127.0.0.1:8080/items/ 5 1
//
// asks for /items/1 to /items/20, never more than 5 in any 1 s as the server counts them.
// Exit status: 0 if every job was done, 1 if not, 2 for bad usage.
#include <headgate/async_limiter.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/buffer.hpp>
#include <asio/co_spawn.hpp>
#include <asio/connect.hpp>
#include <asio/error.hpp>
#include <asio/ip/tcp.hpp>
#include <asio/read.hpp>
#include <asio/redirect_error.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_awaitable.hpp>
#include <asio/write.hpp>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <syncstream>
#include <system_error>
#include <utility>

using namespace std::chrono_literals;
using asio::ip::tcp;

class service {
public:
    // The limiter takes any executor. What is allowed may go out all at once, so a job that comes
    // alone does not wait. The slack is how much later than another a request may arrive: the
    // server counts when they arrive, not when they are sent.
    service(asio::any_io_executor executor, const std::smatch& url, int calls,
            std::chrono::seconds s)
        : executor_{executor},
          host_{url[1]},
          port_{url[2].matched ? url[2].str() : "80"},
          path_{url[3].matched ? url[3].str() : "/"},
          limiter_{executor,
                   headgate::limit::window(static_cast<std::size_t>(calls), s).with_slack(500ms)}
    {
    }

    // For each job that comes in, from any thread.
    void on_job(std::string job)
    {
        auto done = [this, job](std::exception_ptr failure) {
            try {
                if (failure)
                    std::rethrow_exception(failure);
            } catch (const std::exception& e) {
                std::osyncstream{std::cerr} << "limiter_in_a_service: " << job << ": " << e.what()
                                            << '\n';
                ++failures_;
            }
        };
        asio::co_spawn(executor_, handle(std::move(job)), std::move(done));
    }

    int failures() const { return failures_; }

private:
    asio::awaitable<void> handle(std::string job)
    {
        co_await limiter_.async_acquire(asio::use_awaitable); // the line that is new
        const std::string answer = co_await call(job);
        std::osyncstream{std::cout} << job << ": " << answer << '\n';
    }

    // Stands for the service's own call.
    asio::awaitable<std::string> call(std::string job)
    {
        if (job.find_first_of(" \t\r") != job.npos) // it would change the request
            throw std::runtime_error{"not an id"};
        tcp::resolver resolver{executor_};
        const auto found = co_await resolver.async_resolve(host_, port_, asio::use_awaitable);
        tcp::socket socket{executor_};
        co_await asio::async_connect(socket, found, asio::use_awaitable);
        const std::string request =
            "GET " + path_ + job + " HTTP/1.0\r\nHost: " + host_ + "\r\n\r\n";
        const auto bytes = asio::buffer(request);
        co_await asio::async_write(socket, bytes, asio::use_awaitable);
        std::string answer;
        std::error_code end; // the end of the answer is the end of the connection
        auto into = asio::dynamic_buffer(answer, 1 << 20);
        co_await asio::async_read(socket, into, asio::redirect_error(asio::use_awaitable, end));
        if (end != asio::error::eof)
            throw std::runtime_error{end ? end.message() : "the answer is too long"};
        const std::string status = answer.substr(0, answer.find('\r')); // "HTTP/1.0 200 OK"
        const auto body = answer.find("\r\n\r\n");
        if (status.find(" 200 ") != 8 || body == answer.npos)
            throw std::runtime_error{"the API says " + status};
        co_return answer.substr(body + 4);
    }

    asio::any_io_executor executor_;
    const std::string host_;
    const std::string port_;
    const std::string path_;
    headgate::async_limiter limiter_;
    std::atomic<int> failures_ = 0;
};

// 0 if it is not a whole number.
int number(std::string_view text)
{
    int value = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    return end.ec == std::errc{} && end.ptr == text.data() + text.size() ? value : 0;
}

int main(int argc, char* argv[])
try {
    const std::string address = argc == 4 ? argv[1] : "";
    const int calls = argc == 4 ? number(argv[2]) : 0;
    const int seconds = argc == 4 ? number(argv[3]) : 0;
    std::smatch url;
    if (!std::regex_match(address, url, std::regex{"http://([^/:]+)(?::([0-9]+))?(/.*)?"}) ||
        calls <= 0 || seconds <= 0) {
        std::cerr << "usage: limiter_in_a_service http://HOST[:PORT][/PATH] CALLS SECONDS < JOBS\n";
        return 2;
    }
    asio::thread_pool threads{2};
    service my{threads.get_executor(), url, calls, std::chrono::seconds{seconds}};
    // Each job that waits for its token is a coroutine. Where jobs may come without end, bound how
    // many wait: headgate::work_queue has those who bring them wait for room.
    for (std::string job; std::getline(std::cin, job);)
        my.on_job(std::move(job));
    threads.join();
    return my.failures() == 0 ? 0 : 1;
} catch (const std::exception& e) {
    std::cerr << "limiter_in_a_service: " << e.what() << '\n';
    return 1;
}
