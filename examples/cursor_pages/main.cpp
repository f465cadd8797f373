// A list with a cursor in the body, as NDJSON: which options there are to set, and what to make of
// the outcome. The API answers
//
//   {"data": [{...}, ...], "meta": {"next_cursor": "b3Blb...", "has_more": true, "total": 1200}}
//
// and takes ?cursor=b3Blb...&limit=100. API_TOKEN, if there is one in the environment, goes out as
// a bearer token.
//
//   cursor_pages https://api.example.com/orders > orders.ndjson
//
// Exit status: 0 complete, 1 not complete, 2 bad usage, 3 not complete but worth another try later.
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

http::request list_at(const std::string& url)
{
    http::request list{url};
    list.header("Accept", "application/json");
    if (const char* token = std::getenv("API_TOKEN"))
        list.header("Authorization", std::string{"Bearer "} + token);
    return list;
}

headgate::paging::cursor pages_of(const http::request& list)
{
    headgate::paging::cursor pages{list};
    pages.in_body("/meta/next_cursor")
        .more("/meta/has_more") // else the end is a page without a cursor
        .total("/meta/total")   // a list that ends before it is not complete
        .cursor_param("cursor")
        .page_size(100, "limit");
    return pages;
}

headgate::extract_options options()
{
    headgate::extract_options result;
    result.records("/data")
        .unique("/id") // rows may move to another page while the list is read
        .retries(3)
        .max_wait(60s) // the longest Retry-After to wait for
        .stall_after(5min)
        .max_pages(100'000); // a bound against a server without an end
    return result;
}

http::client_options connections()
{
    http::client_options result;
    result.timeout(20s).max_body_bytes(16 << 20).user_agent("cursor_pages/1.0");
    return result;
}

int exit_status(const headgate::outcome& outcome)
{
    switch (outcome.code()) {
    case headgate::outcome_code::complete:
        return 0;
    case headgate::outcome_code::page_failed:
    case headgate::outcome_code::wait_too_long:
    case headgate::outcome_code::stalled:
    case headgate::outcome_code::cursor_expired:
        return 3; // the server may be better by then
    default:
        return 1; // it takes a person to look at the reason
    }
}

asio::awaitable<headgate::outcome> copy(asio::io_context& context, http::request list)
{
    http::client client{context, connections()};
    headgate::async_limiter limiter{context, headgate::limits_for_any_server(100, 60s)};
    auto stream = headgate::extract(client, limiter, pages_of(list), options());
    while (auto page = co_await stream.next())
        for (const auto& record : page->records())
            std::cout << record.json() << '\n'; // text() may have line breaks in it
    if (!std::cout.flush())
        throw std::runtime_error{"standard output cannot be written"};
    const auto did = stream.statistics();
    std::cerr << did.records << " records in " << did.pages << " pages, " << did.requests
              << " requests, " << did.retries << " of them again\n";
    co_return stream.outcome();
}

int main(int argc, char* argv[])
try {
    if (argc != 2) {
        std::cerr << "usage: cursor_pages URL\n";
        return 2;
    }
    const http::request list = list_at(argv[1]);
    asio::io_context context{1};
    auto ended = asio::co_spawn(context, copy(context, list), asio::use_future);
    context.run();
    const headgate::outcome outcome = ended.get();
    std::cerr << "cursor_pages: " << outcome << '\n';
    return exit_status(outcome);
} catch (const std::invalid_argument& e) {
    std::cerr << "cursor_pages: " << e.what() << '\n';
    return 2;
} catch (const std::exception& e) {
    std::cerr << "cursor_pages: " << e.what() << '\n';
    return 1;
}
