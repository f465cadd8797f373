// The operations of headgate without coroutines: every one takes any completion token of Asio. Here
// the same job is done twice, a single request under the limit and then all pages of the list:
//
//   callbacks_and_futures callbacks https://api.example.com/items
//   callbacks_and_futures futures https://api.example.com/items
//
// prints how many records there are. The API answers {"results": [...], "count": 1200} and takes
// ?offset=200&limit=100.
// Exit status: 0 complete, 1 not complete, 2 bad usage.
#include <headgate/headgate.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/io_context.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <system_error>

using namespace std::chrono_literals;
namespace http = headgate::http;

struct api {
    api(const asio::any_io_executor& executor, const std::string& url)
        : client{executor}, list{url}, limiter{executor, headgate::limits_for_any_server(100, 60s)}
    {
    }

    headgate::page_stream pages() const
    {
        headgate::paging::offset pager{list};
        pager.page_size(100);
        return headgate::extract(client, limiter, pager);
    }

    http::client client;
    http::request list;
    headgate::async_limiter limiter;
};

void check(const http::response& answer)
{
    if (answer.status() != 200)
        throw std::runtime_error{"the API answers with status " + std::to_string(answer.status())};
}

// Handlers, each of which starts the next operation; what one throws leaves io_context::run.
class by_callbacks {
public:
    explicit by_callbacks(api& of) : api_{of} {}

    void start()
    {
        api_.limiter.async_acquire([this](std::error_code error) {
            if (error)
                throw std::system_error{error};
            send();
        });
    }

    const headgate::page_stream& stream() const { return *stream_; }
    std::size_t records() const { return records_; }

private:
    void send()
    {
        api_.client.async_send(api_.list, [this](std::error_code error, http::response answer) {
            if (error)
                throw http::transfer_error{error, answer.error_text()};
            check(answer);
            stream_ = api_.pages();
            receive();
        });
    }

    void receive()
    {
        stream_->async_next([this](std::error_code error, std::optional<headgate::page> page) {
            if (error)
                throw std::system_error{error};
            if (!page)
                return; // the end, and the outcome says how it went
            records_ += page->records().size();
            receive();
        });
    }

    api& api_;
    std::optional<headgate::page_stream> stream_;
    std::size_t records_ = 0;
};

int finish(const headgate::page_stream& stream, std::size_t records)
{
    std::cout << records << " records\n";
    std::cerr << "callbacks_and_futures: " << stream.outcome() << '\n';
    return stream.outcome().complete() ? 0 : 1;
}

int with_callbacks(const std::string& url)
{
    asio::io_context context{1};
    api my{context.get_executor(), url};
    by_callbacks job{my};
    job.start();
    context.run();
    return finish(job.stream(), job.records());
}

int with_futures(const std::string& url)
{
    asio::thread_pool loop{1}; // runs what this thread waits for
    api my{loop.get_executor(), url};
    // What fails is thrown by get(): the code of the error, without the text a callback gets.
    my.limiter.async_acquire(asio::use_future).get();
    check(my.client.async_send(my.list, asio::use_future).get());
    auto stream = my.pages();
    std::size_t records = 0;
    while (auto page = stream.async_next(asio::use_future).get())
        records += page->records().size();
    return finish(stream, records);
}

int main(int argc, char* argv[])
try {
    const std::string way = argc == 3 ? argv[1] : "";
    if (way == "callbacks")
        return with_callbacks(argv[2]);
    if (way == "futures")
        return with_futures(argv[2]);
    std::cerr << "usage: callbacks_and_futures callbacks|futures URL\n";
    return 2;
} catch (const std::invalid_argument& e) {
    std::cerr << "callbacks_and_futures: " << e.what() << '\n';
    return 2;
} catch (const std::exception& e) {
    std::cerr << "callbacks_and_futures: " << e.what() << '\n';
    return 1;
}
