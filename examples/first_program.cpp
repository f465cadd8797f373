// Prints the name of every record of a paginated API: first_program URL
#include <headgate/headgate.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>
#include <iostream>

asio::awaitable<bool> print_names(asio::io_context& context, std::string url)
{
    headgate::http::client client{context};
    headgate::async_limiter limiter{context, headgate::limit::paced(100, std::chrono::seconds{61})};
    headgate::paging::offset pages{headgate::http::request{url}};
    auto stream = headgate::extract(client, limiter, pages);
    while (auto page = co_await stream.next())
        for (const auto& record : page->records())
            std::cout << record.at("name").get<std::string>() << '\n';
    std::cerr << stream.outcome() << '\n';
    co_return stream.outcome().complete();
}

int main(int argc, char* argv[])
try {
    if (argc != 2) {
        std::cerr << "usage: first_program URL\n";
        return 2;
    }
    asio::io_context context;
    auto complete = asio::co_spawn(context, print_names(context, argv[1]), asio::use_future);
    context.run();
    return complete.get() ? 0 : 1;
} catch (const std::exception& e) {
    std::cerr << "first_program: " << e.what() << '\n';
    return 1;
}
