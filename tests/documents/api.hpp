#ifndef HEADGATE_TESTS_DOCUMENTS_API_HPP
#define HEADGATE_TESTS_DOCUMENTS_API_HPP

#include <headgate/testing/loopback_server.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>

#include <algorithm>
#include <functional>
#include <string>
#include <thread>
#include <utility>

namespace documents {

using request = headgate::testing::loopback_request;
using response = headgate::testing::loopback_response;

/// An API on loopback, on a thread of its own: what the snippets of a page talk to.
///
/// Unless it is told what to answer it is a list of `records` records that is read with `?offset=`
/// and `?limit=`, with its total.
class api {
public:
    static constexpr int page_size = 10;

    using handler = std::function<response(const request&)>;

    explicit api(int records = 35)
        : api{[records](const request& asked) { return page_of(records, asked); }}
    {
    }
    explicit api(handler answer) : answer_{std::move(answer)} {}
    api(const api&) = delete;
    api& operator=(const api&) = delete;
    ~api()
    {
        context_.stop();
        thread_.join();
    }

    std::string url(const std::string& path = "/items") const { return server_.url(path); }
    std::size_t requests() const { return server_.requests(); }

private:
    static int number(const request& asked, const char* name, int otherwise)
    {
        const std::string text = asked.query(name);
        return text.empty() ? otherwise : std::stoi(text);
    }

    static response page_of(int records, const request& asked)
    {
        const int begin = number(asked, "offset", 0);
        const int size = std::clamp(number(asked, "limit", page_size), 1, page_size);
        std::string items;
        for (int id = begin; id < std::min(records, begin + size); ++id)
            items += (items.empty() ? "" : ",") + std::string{"{\"id\":"} + std::to_string(id) +
                     ",\"name\":\"item " + std::to_string(id) + "\"}";
        return response{200,
                        "{\"count\":" + std::to_string(records) + ",\"results\":[" + items + "]}"};
    }

    asio::awaitable<response> respond(request asked) { co_return answer_(asked); }

    const handler answer_;
    asio::io_context context_;
    headgate::testing::loopback_server server_{
        context_.get_executor(), [this](request asked) { return respond(std::move(asked)); }};
    std::thread thread_{[this] { context_.run(); }};
};

/// What a coroutine returns, run to its end.
template <class T>
T run(asio::io_context& context, asio::awaitable<T> coroutine)
{
    auto result = asio::co_spawn(context, std::move(coroutine), asio::use_future);
    context.restart();
    context.run();
    return result.get();
}

} // namespace documents

#endif
