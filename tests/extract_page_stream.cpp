// extract and page_stream on a real server: delivery, back-pressure, outcomes.
#include <headgate/headgate.hpp>
#include <headgate/testing/loopback_server.hpp>

#include "support/run.hpp"

#include <asio/detached.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace http = headgate::http;
using headgate::outcome_code;
using headgate::testing::loopback_request;
using headgate::testing::loopback_response;
using headgate::testing::loopback_server;

namespace {

using answers = asio::awaitable<loopback_response>;

/// A list of `records` numbers in pages of at most ten.
loopback_server::handler numbers(int records)
{
    return [records](loopback_request request) -> answers {
        const int begin = std::stoi(request.query("offset"));
        nlohmann::json body{{"count", records}, {"results", nlohmann::json::array()}};
        for (int i = begin; i < std::min(records, begin + 10); ++i)
            body["results"].push_back({{"id", i}});
        co_return loopback_response{200, body.dump()};
    };
}

/// Answers the page at one offset with this, the others well.
loopback_server::handler broken_at(int offset, loopback_response answer)
{
    return [=, good = numbers(100)](loopback_request request) -> answers {
        if (request.query("offset") == std::to_string(offset))
            co_return answer;
        auto answered = good(std::move(request));
        co_return co_await std::move(answered);
    };
}

struct run {
    explicit run(loopback_server::handler answer, const headgate::limit& rate = fast())
        : server{context.get_executor(), std::move(answer)}, limiter{context, rate}
    {
    }

    static headgate::limit fast() { return headgate::limit::bucket(1'000'000, 1s, 1000); }

    headgate::page_stream start(const headgate::extract_options& options = {})
    {
        headgate::paging::offset pager{http::request{server.url("/list")}};
        return headgate::extract(client, limiter, pager, options);
    }

    headgate::outcome all(const headgate::extract_options& options = {})
    {
        headgate::outcome result;
        auto coroutine = [&]() -> asio::awaitable<void> {
            auto stream = start(options);
            while (auto page = co_await stream.next())
                for (const auto& record : page->records())
                    ids.push_back(record.at("id").get<int>());
            result = stream.outcome();
            statistics = stream.statistics();
            server.close();
        };
        asio::co_spawn(context, coroutine, support::rethrow);
        context.run();
        return result;
    }

    asio::io_context context;
    loopback_server server;
    http::client client{context};
    headgate::async_limiter limiter;
    std::vector<int> ids;
    headgate::extract_statistics statistics;
};

} // namespace

TEST_CASE("an extraction delivers each record once and says that it did")
{
    run job{numbers(1234)};
    const auto outcome = job.all();
    INFO(outcome.reason());
    CHECK(outcome.complete());
    CHECK(job.ids.size() == 1234);
    CHECK(std::set<int>(job.ids.begin(), job.ids.end()).size() == 1234);
    CHECK(job.statistics.pages == 125); // the last is empty, which proves the end
    CHECK(job.statistics.records == 1234);
    CHECK(job.statistics.requests == 125);
    CHECK(job.statistics.total == 1234u);
    CHECK(job.limiter.statistics().tokens == 125); // the limiter is the only door
    CHECK(job.statistics.in_flight == 0);
    CHECK(job.statistics.peak_in_flight <= 64);
}

TEST_CASE("a page that cannot be had ends the run with its place and the reason")
{
    struct failure {
        loopback_response answer;
        const char* reason;
    };
    const auto [answer, reason] = GENERATE(values<failure>({
        {loopback_response{404}, "status 404"},
        {loopback_response{500}, "status 500"},
        {loopback_response{429}, "status 429"},
        {loopback_response{200, "<html>"}, "not JSON"},
        {loopback_response{200, "{\"results\":[{\"id\":1}"}, "not JSON"},
        {loopback_response{200, "{\"items\":[]}"}, "no /results in the answer"},
        {loopback_response{200, "[]"}, "no /results in the answer"},
        {loopback_response{200, "{\"results\":{}}"}, "/results is an object"},
        {loopback_response{200, "{\"results\":" + std::string(100'000, '[')}, "nested"},
        {loopback_response::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"), "GET http"},
    }));
    const int offset = GENERATE(0, 50);
    run job{broken_at(offset, answer)};
    headgate::extract_options options;
    const auto outcome = job.all(options.retries(0));
    INFO(outcome.reason());
    const bool too_deep = std::string{reason} == "nested";
    CHECK(outcome.code() == (too_deep ? outcome_code::bound_exceeded : outcome_code::page_failed));
    CHECK(outcome.reason().find("page at offset " + std::to_string(offset)) == 0);
    CHECK(outcome.reason().find(reason) != std::string::npos);
    const bool is_pagers = std::string{reason} == "status 404" && offset > 0;
    if (std::string{reason}.find("status") == 0 && !is_pagers)
        CHECK(outcome.reason().find(std::string{reason} + " to http://127.0.0.1:") !=
              std::string::npos);
    CHECK(outcome.reason().find('\n') == std::string::npos);
    CHECK(job.ids.size() == job.statistics.records);
}

TEST_CASE("a failure that passes costs a retry and no record")
{
    const auto answer = GENERATE(
        loopback_response{500}, loopback_response{503}, loopback_response{200, "{\"results\":[{"},
        loopback_response::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"));
    const int offset = GENERATE(0, 50);
    int left = 2;
    run job{[&, good = numbers(100)](loopback_request request) -> answers {
        if (request.query("offset") == std::to_string(offset) && left-- > 0)
            co_return answer;
        auto answered = good(std::move(request));
        co_return co_await std::move(answered);
    }};
    const auto outcome = job.all();
    INFO(outcome.reason());
    CHECK(outcome.complete());
    CHECK(std::set<int>(job.ids.begin(), job.ids.end()).size() == 100);
    CHECK(job.ids.size() == 100);
    CHECK(job.statistics.retries == 2);
    CHECK(job.statistics.requests == 13);         // a full page at the end is no proof that it is
    CHECK(job.limiter.statistics().tokens == 13); // each try has paid
}

TEST_CASE("a server that fails for ever is left alone")
{
    run job{[good = numbers(1000)](loopback_request request) -> answers {
        if (std::stoi(request.query("offset")) >= 400)
            co_return loopback_response{500};
        auto answered = good(std::move(request));
        co_return co_await std::move(answered);
    }};
    headgate::extract_options options;
    const auto outcome = job.all(options.retries(2));
    CHECK(outcome.code() == outcome_code::page_failed);
    CHECK(outcome.reason().find("status 500") != std::string::npos);
    CHECK(job.ids.size() == 400);
    CHECK(job.statistics.requests <= 100 + 8);
}

TEST_CASE("twenty refusals at once are one pause, for everyone, and then one goes first")
{
    using clock = std::chrono::steady_clock;
    std::vector<clock::time_point> refused, after;
    std::size_t waiting = 0, most_with_probe = 0;
    run job{[&, good = numbers(1000)](loopback_request request) -> answers {
        if (std::stoi(request.query("offset")) > 0 && refused.size() < 20) {
            // All twenty are in flight before the first is refused.
            ++waiting;
            asio::steady_timer turn{co_await asio::this_coro::executor};
            while (waiting < 20) {
                turn.expires_after(1ms);
                co_await turn.async_wait(asio::use_awaitable);
            }
            refused.push_back(clock::now());
            loopback_response refusal{429};
            co_return refusal.header("Retry-After", "0.3");
        }
        if (!refused.empty()) {
            after.push_back(clock::now());
            if (after.size() == 1) {
                asio::steady_timer slow{co_await asio::this_coro::executor, 50ms};
                co_await slow.async_wait(asio::use_awaitable);
                most_with_probe = after.size();
            }
        }
        auto answered = good(std::move(request));
        co_return co_await std::move(answered);
    }};
    headgate::extract_options options;
    const auto outcome = job.all(options.max_in_flight(20));
    INFO(outcome.reason());
    CHECK(outcome.complete());
    CHECK(std::set<int>(job.ids.begin(), job.ids.end()).size() == 1000);
    CHECK(job.statistics.http_429 == 20);
    CHECK(job.statistics.retries == 20);
    CHECK(job.statistics.pauses == 1);
    REQUIRE_FALSE(after.empty());
    CHECK(after.front() - refused.front() >= 300ms);
    CHECK(most_with_probe == 1);
}

TEST_CASE("an answer that says nothing is left is heeded before anybody is refused")
{
    using clock = std::chrono::steady_clock;
    std::optional<clock::time_point> told, next;
    run job{[&, good = numbers(100)](loopback_request request) -> answers {
        if (told && !next)
            next = clock::now();
        auto answered = good(std::move(request));
        loopback_response answer = co_await std::move(answered);
        if (!told) {
            told = clock::now();
            answer.header("RateLimit", "\"default\";r=0;t=1");
        }
        co_return answer;
    }};
    CHECK(job.all().complete());
    REQUIRE(next);
    CHECK(*next - *told >= 1s);
    CHECK(job.ids.size() == 100);
}

TEST_CASE("a wait that is too long ends the run at once")
{
    loopback_response refusal{503};
    refusal.header("Retry-After", "3600");
    run job{broken_at(0, refusal)};
    const auto outcome = job.all();
    CHECK(outcome.code() == outcome_code::wait_too_long);
    CHECK(outcome.reason().find("wait of 3600 s, more than the 300 s") != std::string::npos);
    CHECK(job.server.requests() == 1);
}

TEST_CASE("a redirect to another origin is refused and shown")
{
    loopback_response moved{302};
    moved.header("Location", "http://127.0.0.1:1/");
    run job{broken_at(0, moved)};
    const auto outcome = job.all();
    CHECK(outcome.code() == outcome_code::foreign_origin);
    CHECK(outcome.reason().find("sends to http://127.0.0.1:1/") != std::string::npos);
}

TEST_CASE("a cap on pages is no quiet end")
{
    run job{numbers(1000)};
    headgate::extract_options options;
    const auto outcome = job.all(options.max_pages(3));
    CHECK(outcome.code() == outcome_code::page_cap);
    CHECK(job.ids.size() == 30);
    run exact{numbers(30)};
    CHECK(exact.all(options).complete());
}

TEST_CASE("a page in parts is no larger than one that comes at once may be")
{
    const std::string filler(15'000, 'x');
    const bool in_records = GENERATE(false, true);
    run job{[&](loopback_request request) -> answers {
        const int begin = std::stoi(request.query("offset"));
        nlohmann::json body{{"results", nlohmann::json::array()}};
        for (int i = begin; i < std::min(begin == 0 ? 20 : begin + 1, 40); ++i)
            body["results"].push_back({{"id", i}});
        if (begin > 0 && in_records && begin < 40)
            body["results"][0]["text"] = filler;
        else if (begin > 0)
            body["text"] = filler;
        co_return loopback_response{200, body.dump()};
    }};
    http::client_options small;
    job.client = http::client{job.context, small.max_body_bytes(20'000)};
    headgate::extract_options options;
    const auto outcome = job.all(options.max_in_flight(1));
    INFO(outcome.reason());
    if (in_records) {
        CHECK(outcome.code() == outcome_code::bound_exceeded);
        CHECK(outcome.reason().find("larger than 20000 bytes together") != std::string::npos);
        CHECK(job.ids.size() < 25);
    } else {
        CHECK(outcome.complete());
        CHECK(job.ids.size() == 40);
    }
}

TEST_CASE("a caller that does not ask stops the fetching, and no token is spent meanwhile")
{
    run job{numbers(1000)};
    headgate::extract_options options;
    auto stream = job.start(options.max_in_flight(5));
    while (job.limiter.statistics().tokens < 5)
        job.context.run_one();
    for (int i = 0; i < 200; ++i)
        job.context.poll();
    CHECK(job.limiter.statistics().tokens == 5);
    CHECK(job.server.requests() <= 5);
    CHECK(stream.statistics().pages <= 5);
    CHECK(stream.outcome().code() == outcome_code::in_progress);
}

TEST_CASE("cancelling ends promptly and keeps what has come")
{
    run job{numbers(1000), headgate::limit::paced(1, 1h)};
    headgate::outcome outcome;
    int pages = 0;
    auto coroutine = [&]() -> asio::awaitable<void> {
        auto stream = job.start();
        while (auto page = co_await stream.next()) {
            ++pages;
            stream.cancel(); // the next token is an hour away
        }
        outcome = stream.outcome();
        job.server.close();
    };
    asio::co_spawn(job.context, coroutine, support::rethrow);
    job.context.run();
    CHECK(pages == 1);
    CHECK(outcome.code() == outcome_code::cancelled);
}

TEST_CASE("dropping the stream, the limiter or the client ends the run")
{
    auto job = std::make_unique<run>(numbers(1000), headgate::limit::paced(1, 1h));
    headgate::extract_options options;
    if (GENERATE(false, true))
        options.stall_after(1h);
    auto stream = std::make_unique<headgate::page_stream>(job->start(options));
    while (stream->statistics().pages < 1)
        job->context.run_one();
    SECTION("stream")
    {
        stream.reset();
    }
    SECTION("limiter")
    {
        job->limiter = headgate::async_limiter{job->context, 1, 1s};
        bool ended = false;
        stream->async_next([](headgate::error_code, std::optional<headgate::page>) {});
        stream->async_next(
            [&](headgate::error_code, std::optional<headgate::page> page) { ended = !page; });
        while (!ended)
            job->context.run_one();
        CHECK(stream->outcome().code() == outcome_code::cancelled);
        CHECK(stream->outcome().reason().find("limiter") != std::string::npos);
    }
    SECTION("client")
    {
        job->limiter.close();
        stream.reset();
        job->client = http::client{job->context};
    }
    SECTION("context")
    {
        job.reset();
        stream.reset();
        return;
    }
    job->server.close();
    job->context.run();
}

TEST_CASE("pages that have come are taken without suspending, but others have their turn")
{
    run its{numbers(100)};
    std::vector<int> turns_of_others;
    auto coroutine = [&]() -> asio::awaitable<void> {
        headgate::extract_options options;
        options.max_in_flight(4);
        auto stream = its.start(options);
        asio::steady_timer soon{its.context};
        int turns = 0;
        for (std::uint64_t i = 0; i < 5; ++i) {
            while (stream.statistics().pages < 4 + i || stream.statistics().in_flight > 0) {
                soon.expires_after(1ms);
                co_await soon.async_wait(asio::use_awaitable);
            }
            bool had_turn = false;
            asio::post(its.context, [&had_turn, &turns] {
                had_turn = true;
                ++turns;
            });
            auto page = co_await stream.next();
            REQUIRE(page);
            turns_of_others.push_back(turns);
            while (!had_turn)
                co_await asio::post(asio::use_awaitable);
            turns = 0;
        }
        stream.cancel();
        while (auto page = co_await stream.next())
            ;
        its.server.close();
    };
    asio::co_spawn(its.context, coroutine, support::rethrow);
    its.context.run();
    // As many as wait are taken at once; then the stream goes through the loop.
    CHECK(turns_of_others == std::vector<int>{0, 0, 0, 0, 1});
}
