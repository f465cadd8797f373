// A search that is a POST, with its query in a JSON body and the cursor of the next page in that
// body too. The API takes
//
//   {"query": "status:open", "page": {"size": 100, "after": "MTAw"}}
//
// and answers {"hits": [...], "next": "MTAw"}, with null or nothing for next at the end.
//
//   SEARCH_KEY=... post_search https://api.example.com/search status:open > hits.ndjson
//
// Exit status: 0 complete, 1 not complete, 2 bad usage.
#include <headgate/headgate.hpp>

#include <nlohmann/json.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

#include <chrono>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
namespace http = headgate::http;

http::request search_for(const std::string& url, const std::string& query, const std::string& key)
{
    nlohmann::json body;
    body["query"] = query;
    http::request search{url};
    search.method("POST").body(body.dump(), "application/json").header("X-Api-Key", key);
    return search;
}

asio::awaitable<bool> print_hits(asio::io_context& context, http::request search)
{
    http::client client{context};
    headgate::async_limiter limiter{context, headgate::limits_for_any_server(100, 60s)};

    // A parameter whose name begins with a slash is a JSON Pointer into the body, whose other
    // members go out as they are.
    headgate::paging::cursor pages{search};
    pages.in_body("/next").cursor_param("/page/after").page_size(100, "/page/size");

    headgate::extract_options options;
    options.records("/hits");
    // A POST may change something, so it is not sent again after a failure unless the caller says
    // that it may be: a search changes nothing.
    options.repeat_any_method(true);

    auto stream = headgate::extract(client, limiter, pages, options);
    while (auto page = co_await stream.next())
        for (const auto& record : page->records())
            std::cout << record.json() << '\n';
    if (!std::cout.flush())
        throw std::runtime_error{"standard output cannot be written"};
    std::cerr << "post_search: " << stream.outcome() << '\n';
    co_return stream.outcome().complete();
}

int main(int argc, char* argv[])
try {
    if (argc != 3) {
        std::cerr << "usage: SEARCH_KEY=... post_search URL QUERY\n";
        return 2;
    }
    const char* key = std::getenv("SEARCH_KEY");
    if (key == nullptr || *key == '\0') {
        std::cerr << "post_search: SEARCH_KEY is not set\n";
        return 2;
    }
    const http::request search = search_for(argv[1], argv[2], key);
    asio::io_context context{1};
    auto complete = asio::co_spawn(context, print_hits(context, search), asio::use_future);
    context.run();
    return complete.get() ? 0 : 1;
} catch (const std::invalid_argument& e) {
    std::cerr << "post_search: " << e.what() << '\n';
    return 2;
} catch (const std::exception& e) {
    std::cerr << "post_search: " << e.what() << '\n';
    return 1;
}
