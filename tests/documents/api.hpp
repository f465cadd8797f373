#ifndef HEADGATE_TESTS_DOCUMENTS_API_HPP
#define HEADGATE_TESTS_DOCUMENTS_API_HPP

#include <headgate/testing/loopback_server.hpp>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>

#include <algorithm>
#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <utility>

namespace documents {

using request = headgate::testing::loopback_request;
using response = headgate::testing::loopback_response;

/// A paginated API on loopback, on a thread of its own: what the snippets of a page talk to.
///
/// `?offset=&limit=` and `?page=` give a list of `records` records with its total, `?cursor=` and
/// anything else its pages by cursor, with the next one's URL in the body and in a Link header.
class api {
public:
    static constexpr int page_size = 10;

    explicit api(int records = 35) : records_{records} {}
    api(const api&) = delete;
    api& operator=(const api&) = delete;
    ~api()
    {
        context_.stop();
        thread_.join();
    }

    std::string url(const std::string& path = "/items") const { return server_.url(path); }
    std::size_t requests() const { return server_.requests(); }

    /// Adds to each answer what an API says of its limit.
    std::function<void(const request&, response&)> decorate;

private:
    asio::awaitable<response> answer(request asked)
    {
        response result{200, body(asked)};
        const int next = begin(asked) + size(asked);
        if (next < records_)
            result.header("Link", "<" + next_url(next) + ">; rel=\"next\"");
        if (decorate)
            decorate(asked, result);
        co_return result;
    }

    static int number(const request& asked, const char* name, int otherwise)
    {
        const std::string text = asked.query(name);
        return text.empty() ? otherwise : std::stoi(text);
    }

    static int size(const request& asked)
    {
        return std::clamp(number(asked, "limit", page_size), 1, page_size);
    }

    static int begin(const request& asked)
    {
        const int page = number(asked, "page", 1);
        return number(asked, "cursor", number(asked, "offset", (page - 1) * size(asked)));
    }

    std::string next_url(int next) const { return url("/items?cursor=" + std::to_string(next)); }

    std::string body(const request& asked) const
    {
        const int end = std::min(records_, begin(asked) + size(asked));
        std::string items;
        for (int id = begin(asked); id < end; ++id)
            items += (items.empty() ? "" : ",") + std::string{"{\"id\":"} + std::to_string(id) +
                     ",\"name\":\"item " + std::to_string(id) + "\"}";
        const std::string cursor = end < records_ ? '"' + std::to_string(end) + '"' : "null";
        const std::string next = end < records_ ? '"' + next_url(end) + '"' : "null";
        return "{\"count\":" + std::to_string(records_) + ",\"results\":[" + items +
               "],\"next\":" + next + ",\"meta\":{\"cursor\":" + cursor + "}}";
    }

    const int records_;
    asio::io_context context_;
    headgate::testing::loopback_server server_{
        context_.get_executor(), [this](request asked) { return answer(std::move(asked)); }};
    std::thread thread_{[this] { context_.run(); }};
};

} // namespace documents

#endif
