// A list of GitHub's, or of an API like it: the next page in a Link header, a token in the
// Authorization header, and a limit that the server tells in the headers of each answer.
//
//   GITHUB_TOKEN=... github_link 'https://api.github.com/repos/OWNER/NAME/issues?state=all'
//
// prints number and title of each issue, and then what is left of the limit.
// Exit status: 0 complete, 1 not complete, 2 bad usage.
#include <headgate/headgate.hpp>

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

http::request list_at(const std::string& url, const std::string& token)
{
    http::request list{url};
    list.header("Accept", "application/vnd.github+json")
        .header("X-GitHub-Api-Version", "2022-11-28")
        .header("Authorization", "Bearer " + token);
    return list;
}

// What is counted against the same token elsewhere is not known here, but the server tells: where
// x-ratelimit-remaining is 0 the run waits for x-ratelimit-reset before the next request, and where
// it is refused (429, or 403 with these headers) for as long as it is asked to.
void print_limit(const headgate::server_limit_report& server)
{
    if (!server.remaining)
        return;
    std::cerr << "github_link: " << *server.remaining << " requests left";
    if (server.limit)
        std::cerr << " of " << *server.limit;
    if (server.reset)
        std::cerr << ", " << std::chrono::ceil<std::chrono::seconds>(*server.reset).count()
                  << " s to the reset";
    std::cerr << '\n';
}

asio::awaitable<bool> print_issues(asio::io_context& context, http::request list)
{
    http::client_options connections;
    connections.user_agent("github_link/1.0"); // GitHub refuses requests without one
    http::client client{context, connections};
    // 5,000 an hour for a token, and no more than 900 points a minute: evenly spaced both hold.
    headgate::async_limiter limiter{context, headgate::limits_for_any_server(5000, 1h)};

    headgate::paging::next_url pages{list};
    pages.in_link().page_size(100, "per_page"); // later pages come as the server's own URLs
    headgate::extract_options options;
    options
        .records("")         // the body itself is the array
        .max_wait(1h + 60s); // until the limit is reset
    auto stream = headgate::extract(client, limiter, pages, options);
    while (auto page = co_await stream.next())
        for (const auto& record : page->records()) {
            const auto issue = record.json();
            std::cout << '#' << issue.at("number") << ' ' << issue.at("title").get<std::string>()
                      << '\n';
        }
    if (!std::cout.flush())
        throw std::runtime_error{"standard output cannot be written"};
    print_limit(stream.statistics().server);
    std::cerr << "github_link: " << stream.outcome() << '\n';
    co_return stream.outcome().complete();
}

int main(int argc, char* argv[])
try {
    if (argc != 2) {
        std::cerr << "usage: GITHUB_TOKEN=... github_link URL\n";
        return 2;
    }
    const char* token = std::getenv("GITHUB_TOKEN");
    if (token == nullptr || *token == '\0') {
        std::cerr << "github_link: GITHUB_TOKEN is not set, and without a token there are only 60 "
                     "requests an hour\n";
        return 2;
    }
    const http::request list = list_at(argv[1], token);
    asio::io_context context{1};
    auto complete = asio::co_spawn(context, print_issues(context, list), asio::use_future);
    context.run();
    return complete.get() ? 0 : 1;
} catch (const std::invalid_argument& e) {
    std::cerr << "github_link: " << e.what() << '\n';
    return 2;
} catch (const std::exception& e) {
    std::cerr << "github_link: " << e.what() << '\n';
    return 1;
}
