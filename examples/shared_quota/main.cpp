// Several processes, on one machine or many, that share the quota of one API: together they never
// send more than it allows, and one may use what the others leave. Each pulls a list of its own:
//
//   shared_quota redis://127.0.0.1/example-api 100 60 https://api.example.com/items > items.ndjson
//   shared_quota redis://127.0.0.1/example-api 100 60 https://api.example.com/users > users.ndjson
//
// What has been spent is in Redis (6.2 or later, or Valkey), under a key that all of them name. The
// API answers {"results": [{"id": 1, ...}, ...], "count": 120000} and takes ?offset=200&limit=100.
// Exit status: 0 complete, 1 not complete, 2 bad usage.
#include <headgate/headgate.hpp>
#include <headgate/redis/shared_limiter.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

#include <charconv>
#include <chrono>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace http = headgate::http;
namespace redis = headgate::redis;

asio::awaitable<bool> pull(asio::io_context& context, redis::client_options::keyed quota,
                           std::vector<headgate::limit> limits, http::request list)
{
    http::client client{context};
    // While Redis is away nobody sends anything. Instead of that when_away::fail() ends the run,
    // and when_away::share(0.25) goes on with a quarter of the limits, for up to four processes
    // that lose Redis together.
    redis::shared_limiter_options options;
    options.away(redis::when_away::wait());
    // In the place of a headgate::async_limiter. The limits in force are those of whoever was
    // first under that key.
    redis::shared_limiter limiter{context, quota.options, quota.key, limits, options};

    headgate::paging::offset pages{list};
    pages.page_size(100);
    auto stream = headgate::extract(client, limiter, pages);
    while (auto page = co_await stream.next())
        for (const auto& record : page->records())
            std::cout << record.json().dump() << '\n';

    const redis::shared_limiter_statistics used = limiter.statistics();
    std::cerr << "shared_quota: " << stream.outcome() << "; " << used.granted
              << " tokens, Redis was asked " << used.round_trips << " times\n";
    co_return stream.outcome().complete();
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
    const int calls = argc == 5 ? number(argv[2]) : 0;
    const int seconds = argc == 5 ? number(argv[3]) : 0;
    if (calls <= 0 || seconds <= 0) {
        std::cerr << "usage: shared_quota redis://[:PASSWORD@]HOST[:PORT]/KEY CALLS SECONDS URL\n";
        return 2;
    }
    const auto quota = redis::client_options::with_key(argv[1]);
    const auto limits = headgate::limits_for_any_server(static_cast<std::size_t>(calls),
                                                        std::chrono::seconds{seconds});
    const http::request list{argv[4]};
    asio::io_context context{1};
    auto complete = asio::co_spawn(context, pull(context, quota, limits, list), asio::use_future);
    context.run();
    return complete.get() && std::cout.flush() ? 0 : 1;
} catch (const std::invalid_argument& e) {
    std::cerr << "shared_quota: " << e.what() << '\n';
    return 2;
} catch (const std::exception& e) {
    std::cerr << "shared_quota: " << e.what() << '\n';
    return 1;
}
