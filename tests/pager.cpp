// A pager of one's own, and the page that comes of it.
#include <headgate/headgate.hpp>
#include <headgate/testing/loopback_server.hpp>

#include "support/run.hpp"

#include <string>

using headgate::testing::loopback_request;
using headgate::testing::loopback_response;
namespace http = headgate::http;
namespace paging = headgate::paging;
using namespace std::chrono_literals;

namespace {

/// One list after another, each in a single answer.
class files {
public:
    using position = std::string;

    explicit files(std::string base, int count = 3) : base_{std::move(base)}, count_{count} {}
    std::optional<position> next()
    {
        return sent_ < count_ ? std::optional{std::to_string(++sent_)} : std::nullopt;
    }
    http::request request(const position& name) const { return http::request{base_ + name}; }
    std::string describe(const position& name) const { return "file " + name; }
    std::size_t received(const position&, const paging::page_content& content)
    {
        if (content.document().contains("error"))
            throw std::runtime_error{"the file has an error"};
        ++received_;
        return content.records();
    }
    std::optional<paging::page_end> end() const
    {
        return received_ < count_ ? std::nullopt
                                  : std::optional{paging::page_end{headgate::outcome_code::complete,
                                                                   "all files read"}};
    }

private:
    std::string base_;
    int count_;
    int sent_ = 0;
    int received_ = 0;
};

static_assert(paging::pager<files>);
static_assert(paging::pager<paging::offset>);

/// Throws where it plans the sixth file, names it, or is asked whether it is wanted.
class broken_files : public files {
public:
    enum class place { next, describe, wanted };

    broken_files(std::string base, place where) : files{std::move(base), 9}, where_{where} {}

    std::optional<position> next()
    {
        auto result = files::next();
        check(result == "6", place::next);
        return result;
    }
    std::string describe(const position& name) const
    {
        check(name == "6", place::describe);
        return files::describe(name);
    }
    bool wanted(const position& name) const
    {
        check(name == "6", place::wanted);
        return true;
    }

private:
    void check(bool is_sixth, place where) const
    {
        if (is_sixth && where == where_)
            throw std::runtime_error{"the pager is broken"};
    }

    place where_;
};

} // namespace

TEST_CASE("what a pager of one's own throws is the reason of the outcome")
{
    using place = broken_files::place;
    const place where = GENERATE(place::next, place::describe, place::wanted);
    asio::io_context context;
    headgate::testing::loopback_server server{
        context.get_executor(), [](loopback_request request) -> asio::awaitable<loopback_response> {
            co_return loopback_response{200, "{\"results\":[\"" + request.target + "\"]}"};
        }};
    http::client client{context};
    headgate::async_limiter limiter{context, 100, 1s};
    std::optional<headgate::outcome> outcome;
    auto coroutine = [&]() -> asio::awaitable<void> {
        const auto options = headgate::extract_options{}.max_in_flight(2); // which plans four
        auto stream =
            headgate::extract(client, limiter, broken_files{server.url(), where}, options);
        while (auto page = co_await stream.next())
            CHECK(page->where() != "file 6");
        outcome = stream.outcome();
        server.close();
    };
    asio::co_spawn(context, coroutine, support::rethrow);
    context.run();
    REQUIRE(outcome);
    CHECK(outcome->code() == headgate::outcome_code::page_failed);
    CHECK_THAT(outcome->reason(), Catch::Contains("the pager is broken"));
}

TEST_CASE("a pager of one's own")
{
    const bool fails = GENERATE(false, true);
    asio::io_context context;
    headgate::testing::loopback_server server{
        context.get_executor(),
        [fails](loopback_request request) -> asio::awaitable<loopback_response> {
            const std::string error = fails && request.target == "/2" ? ",\"error\":1" : "";
            co_return loopback_response{200,
                                        "{\"results\":[\"" + request.target + "\"]" + error + "}"};
        }};
    http::client client{context};
    headgate::async_limiter limiter{context, 100, 1s};
    std::string all, where;
    headgate::outcome outcome;
    auto coroutine = [&]() -> asio::awaitable<void> {
        auto stream = headgate::extract(client, limiter, files{server.url()});
        while (auto page = co_await stream.next()) {
            all += page->records().at(0).get<std::string>();
            where += page->where();
            CHECK(page->index() < 3);
        }
        outcome = stream.outcome();
        server.close();
    };
    asio::co_spawn(context, coroutine, support::rethrow);
    context.run();
    if (fails) {
        CHECK(outcome.reason() == "page at file 2: the file has an error");
    } else {
        CHECK(outcome.reason() == "all files read");
        CHECK(all.size() == 6);
        CHECK(where.size() == 18);
    }
}
