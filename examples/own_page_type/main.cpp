// Records as a struct of your own, and a style of paging of your own. The API answers
//
//   {"readings": [{"station": "north", "celsius": 4.5}, ...], "count": 230,
//    "more": {"shard": 2, "after": "k17"}}
//
// and takes ?shard=2&after=k17 for the next page: two values name it, which no ready-made style
// knows. Without "more" the list has ended.
//
//   own_page_type https://api.example.com/readings
//
// prints how many readings each station has, and their mean.
// Exit status: 0 complete, 1 not complete, 2 bad usage.
#include <headgate/headgate.hpp>

#include <nlohmann/json.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

#include <chrono>
#include <exception>
#include <iostream>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
namespace http = headgate::http;
namespace paging = headgate::paging;

namespace weather {

struct reading {
    std::string station;
    double celsius = 0;
};

// What record.get<reading>() goes by: a member that is missing or of another type throws.
void from_json(const nlohmann::json& from, reading& to)
{
    from.at("station").get_to(to.station);
    from.at("celsius").get_to(to.celsius);
}

struct sum {
    int readings = 0;
    double celsius = 0;
};

} // namespace weather

// From a page to the request for the next. What it throws ends the run as a failure of the page.
// Loops, copies and a "count" that is not reached are seen to, as with the ready-made styles.
paging::next_request pages_of(const http::request& list)
{
    auto next = [list](const paging::page_content& page) -> std::optional<http::request> {
        const auto& body = page.document();
        if (!body.contains("more"))
            return std::nullopt; // the end
        const auto& more = body.at("more");
        http::url url{list.url()};
        url.set_query("shard", std::to_string(more.at("shard").get<int>()))
            .set_query("after", more.at("after").get<std::string>());
        return http::request{list}.url(url);
    };
    return paging::next_request{list, next};
}

asio::awaitable<bool> print_means(asio::io_context& context, http::request list)
{
    http::client client{context};
    headgate::async_limiter limiter{context, headgate::limits_for_any_server(100, 60s)};
    headgate::extract_options options;
    options.records("/readings");

    std::map<std::string, weather::sum> stations;
    auto stream = headgate::extract(client, limiter, pages_of(list), options);
    while (auto page = co_await stream.next())
        for (const auto& record : page->records()) {
            try {
                const auto reading = record.get<weather::reading>();
                auto& station = stations[reading.station];
                ++station.readings;
                station.celsius += reading.celsius;
            } catch (const nlohmann::json::exception& e) {
                throw std::runtime_error{page->where() + ": " + std::string{record.text()} + ": " +
                                         e.what()};
            }
        }
    std::cerr << "own_page_type: " << stream.outcome() << '\n';
    if (!stream.outcome().complete())
        co_return false; // the mean of a part would look like that of the whole
    for (const auto& [name, all] : stations)
        std::cout << name << ": " << all.readings << " readings, mean "
                  << all.celsius / all.readings << '\n';
    if (!std::cout.flush())
        throw std::runtime_error{"standard output cannot be written"};
    co_return true;
}

int main(int argc, char* argv[])
try {
    if (argc != 2) {
        std::cerr << "usage: own_page_type URL\n";
        return 2;
    }
    const http::request list{argv[1]};
    asio::io_context context{1};
    auto complete = asio::co_spawn(context, print_means(context, list), asio::use_future);
    context.run();
    return complete.get() ? 0 : 1;
} catch (const std::invalid_argument& e) {
    std::cerr << "own_page_type: " << e.what() << '\n';
    return 2;
} catch (const std::exception& e) {
    std::cerr << "own_page_type: " << e.what() << '\n';
    return 1;
}
