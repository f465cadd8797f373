// Several APIs, each with a limit of its own, under a limit that all share: a keyed_limiter.
//
//   many_apis 5 8 https://one.example.com/a https://one.example.com/b https://two.example.com/c
//
// asks for each URL once, at most 5 a second at each API and 8 a second at all together, and
// prints status and size of each answer. An API that says "too many" holds up only itself.
// Exit status: 0 if every URL was answered with 200, 1 if not, 2 for bad usage.
#include <headgate/http/client.hpp>
#include <headgate/http/retry_after.hpp>
#include <headgate/keyed_limiter.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include <charconv>
#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
namespace http = headgate::http;

struct apis {
    // A limit on what one API sees, for each key, and one on what leaves this program: a request
    // is charged to both or waits. The key here is the API's origin; it may be a route, a
    // credential, or a struct of several with a std::hash.
    apis(asio::io_context& context, std::size_t each, std::size_t all)
        : client{context}, limiter{context, limits(each), limits(all)}
    {
    }

    // Up to so many at once. The slack is how much later than another a request may arrive, for it
    // is then that the server counts it.
    static std::vector<headgate::limit> limits(std::size_t per_second)
    {
        std::vector<headgate::limit> result;
        result.push_back(headgate::limit::window(per_second, 1s).with_slack(300ms));
        return result;
    }

    http::client client;
    headgate::keyed_limiter<std::string> limiter;
    int failures = 0;
};

std::string key_of(const http::url& url)
{
    return url.scheme() + "://" + url.host() + ":" + url.port();
}

asio::awaitable<http::response> ask(apis& my, http::url url)
{
    const std::string key = key_of(url);
    for (int tries = 3;; --tries) {
        auto permit = co_await my.limiter.async_acquire_permit(key, 1, asio::use_awaitable);
        http::request request{url};
        // The token is used whatever comes back. The permit lives until the answer is there: if
        // this is the first request after a pause, the others wait for what it learns.
        permit.commit();
        http::response answer = co_await my.client.send(std::move(request));
        const auto wait = http::retry_after(answer).value_or(1s);
        if (answer.status() != 429 || tries == 1 || wait > 5min)
            co_return answer;
        my.limiter.pause_until(key, std::chrono::steady_clock::now() + wait);
    }
}

asio::awaitable<void> report(apis& my, http::url url)
{
    const http::response answer = co_await ask(my, url);
    if (answer.status() != 200)
        throw std::runtime_error{"status " + std::to_string(answer.status())};
    std::cout << url.without_credentials() << ": " << answer.body().size() << " bytes\n";
}

// 0 if it is not a whole number.
int number(std::string_view text)
{
    int value = 0;
    const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
    return end.ec == std::errc{} && end.ptr == text.data() + text.size() ? value : 0;
}

int main(int argc, char* argv[])
try {
    const int each = argc > 3 ? number(argv[1]) : 0;
    const int all = argc > 3 ? number(argv[2]) : 0;
    if (each <= 0 || all <= 0) {
        std::cerr << "usage: many_apis EACH_PER_SECOND ALL_PER_SECOND URL...\n";
        return 2;
    }
    const std::vector<std::string> arguments{argv + 3, argv + argc};
    std::vector<http::url> urls;
    for (const std::string& text : arguments)
        urls.emplace_back(text);

    asio::io_context context{1};
    apis my{context, static_cast<std::size_t>(each), static_cast<std::size_t>(all)};
    for (const http::url& url : urls) {
        auto done = [&my, url](std::exception_ptr failure) {
            try {
                if (failure)
                    std::rethrow_exception(failure);
            } catch (const std::exception& e) {
                std::cerr << "many_apis: " << url.without_credentials() << ": " << e.what() << '\n';
                ++my.failures;
            }
        };
        asio::co_spawn(context, report(my, url), std::move(done));
    }
    context.run();
    return my.failures == 0 ? 0 : 1;
} catch (const std::invalid_argument& e) {
    std::cerr << "many_apis: " << e.what() << '\n';
    return 2;
} catch (const std::exception& e) {
    std::cerr << "many_apis: " << e.what() << '\n';
    return 1;
}
