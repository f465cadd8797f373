// The job of extract.cpp written by hand from the parts, the way it goes into an existing service:
// worker_pool URL prints the records of a list, page by page.
#include <headgate/headgate.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <cstdlib>
#include <exception>
#include <iostream>

using namespace std::chrono_literals;
using asio::use_awaitable;

struct extraction {
    extraction(asio::io_context& context, std::string list) : url{std::move(list)}, client{context},
        limiter{context, headgate::limit::paced(100, 61s)}, offsets{context, 64},
        pages{context, 64}, pool{context, 64} {}

    std::string url;
    headgate::http::client client;
    headgate::async_limiter limiter;
    headgate::work_queue<int> offsets;
    headgate::result_channel<nlohmann::json> pages;
    headgate::worker_pool pool;
};

asio::awaitable<nlohmann::json> fetch(extraction& the, int offset)
{
    headgate::http::url page{the.url};
    page.set_query("offset", std::to_string(offset)).set_query("limit", "100");
    auto response = co_await the.client.send(headgate::http::request{page});
    if (response.status() != 200)
        throw std::runtime_error{page.str() + ": status " + std::to_string(response.status())};
    co_return nlohmann::json::parse(response.body());
}

asio::awaitable<void> work(headgate::worker_pool::worker me, extraction& the)
{
    while (auto offset = co_await the.offsets.async_pop(use_awaitable)) {
        auto place = co_await the.pages.async_reserve(use_awaitable); // room before the token
        co_await the.limiter.async_acquire(use_awaitable);
        const auto busy = me.in_flight(); // the pool adds a worker if nobody is left to wait
        auto page = co_await fetch(the, *offset);
        place.send(std::move(page));
    }
}

asio::awaitable<void> plan(extraction& the, int total)
{
    for (int offset = 100; offset < total; offset += 100)
        co_await the.offsets.async_push(offset, use_awaitable);
    the.offsets.close();
}
