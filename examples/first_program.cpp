// Prints the name of every record of a paginated API: first_program URL
#include <headgate/headgate.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>

#include <iostream>

using namespace std::chrono_literals;

asio::awaitable<void> print_names(std::string url)
{
    auto executor = co_await asio::this_coro::executor;
    headgate::http::client client{executor};
    headgate::async_limiter limiter{executor, headgate::limit::paced(100, 61s)};
    headgate::paging::offset pages{headgate::http::request{url}};
    auto stream = headgate::extract(client, limiter, pages.page_size(100));
    while (auto page = co_await stream.next())
        for (const auto& record : page->records())
            std::cout << record.at("name").get<std::string>() << '\n';
    std::cerr << stream.outcome() << '\n';
}

int main(int argc, char* argv[])
{
    asio::io_context context;
    asio::co_spawn(context, print_names(argc > 1 ? argv[1] : ""), [](std::exception_ptr e) {
        if (e)
            std::rethrow_exception(e);
    });
    context.run();
}
