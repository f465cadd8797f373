// The job of extract.cpp by hand, the way it goes into an existing service: worker_pool URL
// Here it is the first 1000 records of a list, whatever its length.
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>
#include <headgate/headgate.hpp>
#include <iostream>

using namespace std::literals;

struct service {
    asio::io_context& context;
    headgate::http::client client{context};
    headgate::async_limiter limiter{context, headgate::limit::paced(100, 61s)};
    headgate::work_queue<headgate::http::url> urls{context, 8};
    headgate::result_channel<nlohmann::json> pages{context, 64};
    headgate::worker_pool pool{context, 64};
};

asio::awaitable<void> plan(service& my, headgate::http::url list, int records)
{
    for (int offset = 0; offset < records; offset += 100) {
        list.set_query("offset", std::to_string(offset)).set_query("limit", "100");
        co_await my.urls.async_push(list, asio::use_awaitable);
    }
    my.urls.close();
}

asio::awaitable<void> work(headgate::worker_pool::worker me, service& my)
{
    while (auto url = co_await my.urls.async_pop(asio::use_awaitable)) {
        auto place = co_await my.pages.async_reserve(asio::use_awaitable); // before a token
        co_await my.limiter.async_acquire(asio::use_awaitable);
        const auto busy = me.in_flight(); // adds a worker if none is left to wait for a token
        auto answer = co_await my.client.send(headgate::http::request{*url});
        if (answer.status() != 200)
            throw std::runtime_error{url->str() + ": status " + std::to_string(answer.status())};
        place.send(nlohmann::json::parse(answer.body()));
    }
}

asio::awaitable<void> print(service& my)
{
    while (auto page = co_await my.pages.async_receive(asio::use_awaitable))
        for (const auto& record : page->at("results"))
            std::cout << record << '\n';
    if (auto failure = my.pages.outcome().value())
        std::rethrow_exception(failure);
}

int main(int argc, char* argv[])
try {
    if (argc != 2) {
        std::cerr << "usage: worker_pool URL\n";
        return 2;
    }
    const headgate::http::url list{argv[1]};
    asio::io_context context;
    service my{context};
    auto planned = asio::co_spawn(context, plan(my, list, 1000), asio::use_future);
    my.pool.async_run([&](auto me) { return work(me, my); },
                      [&](auto failure) {
                          my.urls.close(); // nobody is left to take more
                          my.pages.close(failure);
                      });
    auto printed = asio::co_spawn(context, print(my), asio::use_future);
    context.run();
    printed.get(); // a failure of the work comes before what follows from it
    planned.get();
    return 0;
} catch (const std::exception& e) {
    std::cerr << "worker_pool: " << e.what() << '\n';
    return 1;
}
