// What an observer is told of an extraction. In virtual time.
#include <headgate/extract.hpp>
#include <headgate/observer.hpp>
#include <headgate/testing/simulated_api.hpp>

#include "support/simulated_job.hpp"

#include <asio/co_spawn.hpp>
#include <asio/compose.hpp>
#include <asio/post.hpp>
#include <asio/thread_pool.hpp>
#include <asio/use_future.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
namespace http = headgate::http;
using headgate::extract_options;
using headgate::limit;
using headgate::observed_answer;
using headgate::observed_request;
using headgate::outcome_code;
using headgate::testing::simulated_api;
using headgate::testing::simulated_api_options;
using support::virtual_clock;

namespace {

using job = support::simulated_job;

const std::vector<limit> fast{limit::window(1000, 1s)};

/// Writes down what it is told: the time, which function was called, and with what.
class diary : public headgate::observer {
public:
    std::vector<std::string> lines;
    std::vector<observed_request> requests;
    std::map<std::uint64_t, int> answered; ///< how often, by the request's number
    std::vector<observed_answer> answers;
    std::vector<std::pair<time, time>> pauses;
    std::vector<std::vector<limit>> limits;
    std::optional<headgate::extract_statistics> end;
    std::size_t records = 0;
    std::size_t in_flight = 0;
    std::size_t most_in_flight = 0;
    std::function<void(const std::string&)> also; ///< gets each line

    std::size_t count(const std::string& function) const
    {
        return static_cast<std::size_t>(
            std::count_if(lines.begin(), lines.end(), [&](const std::string& line) {
                return line.find(": " + function) != std::string::npos;
            }));
    }

    void on_limits(time at, const std::vector<limit>& now) override
    {
        limits.push_back(now);
        note(at, "limits");
    }
    void on_request(const observed_request& what) override
    {
        requests.push_back(what);
        most_in_flight = std::max(most_in_flight, ++in_flight);
        note(what.sent,
             "request " + std::string{what.where} + ", try " + std::to_string(what.attempt));
    }
    void on_answer(const observed_answer& what) override
    {
        answers.push_back(what);
        ++answered[what.request.number];
        --in_flight;
        note(what.received, "answer " + std::string{what.request.where} + ", " +
                                (what.error ? what.error.message() : std::to_string(what.status)));
    }
    void on_pause(time from, time until) override
    {
        pauses.emplace_back(from, until);
        note(from, "pause");
    }
    void on_retry(time at, const observed_answer& after) override
    {
        note(at, "retry " + std::string{after.request.where});
    }
    void on_page(time at, const headgate::page& what) override
    {
        records += what.records().size();
        note(at, "page " + what.where() + ", " + std::to_string(what.records().size()));
    }
    void on_end(time at, const headgate::outcome& how,
                const headgate::extract_statistics& all) override
    {
        end = all;
        note(at, "end " + std::string{to_string(how.code())});
    }

private:
    void note(time at, const std::string& what)
    {
        std::ostringstream line;
        line << std::chrono::duration<double>(at).count() << ": " << what;
        lines.push_back(line.str());
        if (also)
            also(what);
    }
};

/// Numbers from 1, one answer for each, and an end after which there is nothing.
void check_whole(const diary& seen)
{
    for (std::size_t i = 0; i < seen.requests.size(); ++i)
        CHECK(seen.requests[i].number == i + 1);
    CHECK(seen.answered.size() == seen.requests.size());
    for (const auto& [number, times] : seen.answered)
        CHECK(times == 1);
    CHECK(seen.in_flight == 0);
    REQUIRE(seen.end);
    CHECK(seen.count("end ") == 1);
    CHECK(seen.lines.back().find(": end ") != std::string::npos);
    CHECK(seen.lines.front().find(": limits") != std::string::npos);
    CHECK(seen.end->requests == seen.requests.size());
    CHECK(seen.end->records == seen.records);
    CHECK(seen.end->retries == seen.count("retry "));
    CHECK(seen.end->peak_in_flight == seen.most_in_flight);
    CHECK_FALSE(seen.end->observer_failed);
}

} // namespace

TEST_CASE("each thing that happens is told once, in order, at its time")
{
    job its{simulated_api_options{}.records(6, 2).network(50ms, 50ms), fast};
    const auto seen = std::make_shared<diary>();
    CHECK(its.run(extract_options{}.max_in_flight(1).observe(seen)).complete());
    CHECK(seen->lines == std::vector<std::string>{
                             "0: limits",
                             "0: request offset 0, try 1",
                             "0.1: answer offset 0, 200",
                             "0.1: page offset 0, 2",
                             "0.1: request offset 2, try 1",
                             "0.2: answer offset 2, 200",
                             "0.2: page offset 2, 2",
                             "0.2: request offset 4, try 1",
                             "0.3: answer offset 4, 200",
                             "0.3: page offset 4, 2",
                             "0.3: request offset 6, try 1", // behind the end: no page
                             "0.4: answer offset 6, 200",
                             "0.4: end complete",
                         });
    check_whole(*seen);
    REQUIRE(seen->limits.size() == 1);
    CHECK(seen->limits[0] == fast);
    CHECK(seen->requests[1].page == 1);
    CHECK(seen->answers[1].latency() == 100ms);
    CHECK(seen->answers[1].bytes > 20);
}

TEST_CASE("what is tried again is told with its reason, and the next try with its number")
{
    job its{simulated_api_options{}.records(3).network(50ms, 50ms), fast};
    int asked = 0;
    its.answer = [&](const http::request&) -> std::optional<http::response> {
        switch (++asked) {
        case 2:
            return http::response{500};
        case 3:
            return http::response{200, {}, "no JSON"};
        default:
            return std::nullopt;
        }
    };
    const auto seen = std::make_shared<diary>();
    CHECK(its.run(extract_options{}.max_in_flight(1).observe(seen)).complete());
    check_whole(*seen);
    const auto from =
        std::find(seen->lines.begin(), seen->lines.end(), "0.1: request offset 1, try 1");
    REQUIRE(seen->lines.end() - from > 6);
    CHECK(from[1] == "0.2: answer offset 1, 500");
    CHECK(from[2].find(": retry offset 1") != std::string::npos);
    CHECK(from[3].find(": request offset 1, try 2") != std::string::npos);
    CHECK(from[4].find(": answer offset 1, 200") != std::string::npos);
    CHECK(from[5].find(": retry offset 1") != std::string::npos);
    CHECK(from[6].find(": request offset 1, try 3") != std::string::npos);
    CHECK(seen->requests[2].page == 1);
    CHECK(seen->requests[2].sent >= 300ms); // after the wait of at least 0.1 s
}

TEST_CASE("a pause is told once, and again as far as it gets longer")
{
    job its{simulated_api_options{}.records(200).network(10ms, 10ms).service(1s, 1s),
            {limit::paced(20, 1s)}};
    double refused_from = 0;
    its.answer = [&](const http::request&) -> std::optional<http::response> {
        const double now = its.arrivals.back();
        if (now > 3 && refused_from == 0)
            refused_from = now;
        if (now > 3 && now < refused_from + 1)
            return http::response{429, {{"Retry-After", "3"}}};
        return std::nullopt;
    };
    const auto seen = std::make_shared<diary>();
    CHECK(its.run(extract_options{}.observe(seen)).complete());
    check_whole(*seen);
    REQUIRE_FALSE(seen->pauses.empty());
    std::chrono::nanoseconds waited{0};
    for (std::size_t i = 0; i < seen->pauses.size(); ++i) {
        const auto [from, until] = seen->pauses[i];
        CHECK(from < until);
        if (i > 0)
            CHECK(from >= seen->pauses[i - 1].second);
        waited += until - from;
        for (const auto& each : seen->requests)
            CHECK_FALSE((each.sent > from && each.sent < until));
    }
    CHECK(waited == seen->end->waited);
    CHECK(seen->end->pauses == 1);
    CHECK(seen->end->retries == seen->end->http_429);
}

TEST_CASE("with many in flight, each request has its answer and each page is told")
{
    const bool ordered = GENERATE(false, true);
    job its{simulated_api_options{}.records(300, 3).network(10ms, 900ms), {limit::paced(20, 1s)}};
    its.answer = [&](const http::request&) -> std::optional<http::response> {
        return its.arrivals.size() % 7 == 0 ? std::optional{http::response{503}} : std::nullopt;
    };
    const auto seen = std::make_shared<diary>();
    CHECK(its.run(extract_options{}.ordered(ordered).observe(seen)).complete());
    check_whole(*seen);
    CHECK(seen->most_in_flight > 5);
    CHECK(seen->records == 300);
    CHECK(seen->count("page ") == 100);
    CHECK(seen->end->retries > 10);
}

TEST_CASE("records that are not delivered are not told of")
{
    job its{simulated_api_options{}.records(6), fast};
    its.answer = [](const http::request&) {
        return http::response{200, {}, R"({"results": [{"id": 1}, {"id": 1}]})"};
    };
    const auto seen = std::make_shared<diary>();
    headgate::paging::offset list = job::list();
    its.run(list.page_size(2), extract_options{}.max_in_flight(1).unique("/id").observe(seen));
    check_whole(*seen);
    CHECK(seen->records == 1);
    CHECK(seen->count("page ") == 1);
}

TEST_CASE("other limits are told when the server has told them")
{
    job its{simulated_api_options{}.records(50), {limit::paced(10, 1s)}};
    its.answer = [&](const http::request&) -> std::optional<http::response> {
        if (its.arrivals.size() != 10)
            return std::nullopt;
        return http::response{
            200,
            {{"RateLimit-Policy", "\"default\";q=5;w=1"}, {"RateLimit", "\"default\";r=4;t=1"}},
            R"({"count": 50, "results": [{"id": 9}]})"};
    };
    const auto seen = std::make_shared<diary>();
    its.run(extract_options{}.max_in_flight(1).observe(seen));
    check_whole(*seen);
    REQUIRE(seen->limits.size() == 2);
    CHECK(seen->limits[0] == std::vector{limit::paced(10, 1s)});
    CHECK(seen->limits[1].size() > 1);
    CHECK(seen->limits[1].front() == limit::paced(10, 1s));
}

TEST_CASE("what adaptive finds out is told")
{
    job its{simulated_api_options{}.records(300).network(10ms, 10ms), {limit::paced(20, 1s)}};
    its.answer = [&](const http::request&) -> std::optional<http::response> {
        return its.arrivals.size() == 100 ? std::optional{http::response{429}} : std::nullopt;
    };
    const auto seen = std::make_shared<diary>();
    CHECK(its.run(extract_options{}.adaptive(true).observe(seen)).complete());
    check_whole(*seen);
    CHECK(seen->limits.size() > 2);
    CHECK(seen->limits.front() != std::vector{limit::paced(20, 1s)}); // has one in flight, too
}

TEST_CASE("a run that is stopped tells an answer to each request, and its end")
{
    const bool dropped = GENERATE(false, true);
    job its{simulated_api_options{}.records(1000).network(100ms, 2s), {limit::paced(20, 1s)}};
    const auto seen = std::make_shared<diary>();
    const std::weak_ptr<diary> kept = seen;
    its.stream.emplace(
        headgate::extract(its.api, its.limiter, job::list(), extract_options{}.observe(seen)));
    auto stop = [&]() -> asio::awaitable<void> {
        co_await support::pause(3s);
        if (dropped)
            its.stream.reset();
        else
            its.stream->cancel();
    };
    asio::co_spawn(its.context, stop, support::rethrow);
    virtual_clock::run(its.context);
    check_whole(*seen);
    CHECK(seen->lines.back() == "3: end cancelled");
    CHECK(seen->most_in_flight > 3);
    CHECK(seen->count("answer ") > 30);
    CHECK(seen->answers.back().error == asio::error::operation_aborted);
    its.stream.reset();
    CHECK(seen.use_count() == 1);
}

TEST_CASE("a run that falls short tells how, with the numbers of the end")
{
    job its{simulated_api_options{}.records(50), fast};
    its.answer = [&](const http::request&) -> std::optional<http::response> {
        return its.arrivals.size() > 20 ? std::optional{http::response{403}} : std::nullopt;
    };
    const auto seen = std::make_shared<diary>();
    const auto outcome = its.run(extract_options{}.max_in_flight(1).observe(seen));
    CHECK(outcome.code() == outcome_code::page_failed);
    check_whole(*seen);
    CHECK(seen->lines.back().find(": end page_failed") != std::string::npos);
    CHECK(seen->end->records == 20);
    CHECK(seen->end->elapsed == its.stream->statistics().elapsed);
}

TEST_CASE("an observer may ask for the statistics, which agree with what it was told")
{
    job its{simulated_api_options{}.records(50).network(10ms, 500ms), {limit::paced(20, 1s)}};
    const auto seen = std::make_shared<diary>();
    seen->also = [&](const std::string& what) {
        if (!its.stream) // the first calls come while the stream is being made
            return;
        const auto now = its.stream->statistics();
        CHECK(now.requests == seen->requests.size());
        CHECK(now.records == seen->records);
        if (what.find("request ") == 0)
            CHECK(now.in_flight == seen->in_flight);
    };
    CHECK(its.run(extract_options{}.observe(seen)).complete());
}

TEST_CASE("an observer that throws costs the run nothing, and is not called again")
{
    const std::string function =
        GENERATE("limits", "request", "answer", "pause", "retry", "page", "end");
    CAPTURE(function);
    job its{simulated_api_options{}.records(50).network(10ms, 500ms), {limit::paced(20, 1s)}};
    its.answer = [&](const http::request&) -> std::optional<http::response> {
        if (its.arrivals.size() == 10)
            return http::response{429, {{"Retry-After", "1"}}};
        return std::nullopt;
    };
    const auto seen = std::make_shared<diary>();
    bool thrown = false;
    seen->also = [&](const std::string& what) {
        CHECK_FALSE(thrown);
        if (what.find(function) == 0) {
            thrown = true;
            throw std::runtime_error{"my metrics"};
        }
    };
    CHECK(its.run(extract_options{}.observe(seen)).complete());
    CHECK(thrown);
    CHECK(its.got.size() == 50);
    CHECK(its.stream->statistics().observer_failed);
}

namespace {

/// Answers at once what a function says.
struct stand_in {
    using answer = std::pair<headgate::error_code, http::response>;

    asio::any_io_executor executor;
    std::function<answer(const http::request&)> respond;

    stand_in share() const { return *this; }

    template <class Token>
    auto async_send(http::request what, Token&& token)
    {
        return asio::async_compose<Token, void(headgate::error_code, http::response)>(
            exchange{executor, respond(what)}, token, executor);
    }

private:
    struct exchange {
        asio::any_io_executor executor;
        answer result;
        bool posted = false;

        template <class Self>
        void operator()(Self& self)
        {
            if (!std::exchange(posted, true)) {
                asio::post(executor, std::move(self));
                return;
            }
            self.complete(result.first, std::move(result.second));
        }
    };
};

/// Gives the list of 2,000 numbers, five at a time.
stand_in::answer give_numbers(const http::request& what)
{
    const std::string query = what.url().query();
    const auto equals = query.find('=');
    const int begin = equals == query.npos ? 0 : std::stoi(query.substr(equals + 1));
    std::string rows;
    for (int id = begin; id < std::min(begin + 5, 2000); ++id)
        rows += (rows.empty() ? "" : ",") + std::to_string(id);
    return {{}, http::response{200, {}, "{\"count\": 2000, \"results\": [" + rows + "]}"}};
}

} // namespace

TEST_CASE("a request that got no answer is told with its error")
{
    virtual_clock::reset();
    asio::io_context context;
    support::limiter limiter{context, fast};
    const auto seen = std::make_shared<diary>();
    const stand_in client{
        context.get_executor(), [](const http::request&) {
            return stand_in::answer{http::make_error_code(http::error::connect_failed), {}};
        }};
    auto stream = headgate::extract(client, limiter, job::list(), extract_options{}.observe(seen));
    virtual_clock::run(context);
    CHECK(stream.outcome().code() == outcome_code::page_failed);
    check_whole(*seen);
    REQUIRE(seen->answers.size() == 1); // a host that was never there is not tried again
    for (const auto& each : seen->answers) {
        CHECK(each.error == http::error::connect_failed);
        CHECK(each.status == 0);
        CHECK(each.bytes == 0);
    }
}

TEST_CASE("what a cancelled run did not send is not told as sent")
{
    for (int pages = 0; pages < 20; ++pages) {
        virtual_clock::reset();
        asio::io_context context;
        support::limiter limiter{context, fast};
        const stand_in client{context.get_executor(), give_numbers};
        const auto seen = std::make_shared<diary>();
        const auto options = extract_options{}.max_in_flight(32).observe(seen);
        auto stream = headgate::extract(client, limiter, job::list(), options);
        auto read = [&]() -> asio::awaitable<void> {
            for (int i = 0; i < pages; ++i) {
                const auto page = co_await stream.next();
                CHECK(page);
            }
            stream.cancel();
            while (const auto page = co_await stream.next())
                CHECK(page->records().size() == 5);
        };
        asio::co_spawn(context, read, support::rethrow);
        virtual_clock::run(context);
        CHECK(stream.outcome().code() == outcome_code::cancelled);
        check_whole(*seen);
    }
}

TEST_CASE("on several threads it is called by one at a time")
{
    asio::thread_pool threads{4};
    headgate::async_limiter limiter{threads.get_executor(), limit::window(1'000'000, 1s)};
    const stand_in client{threads.get_executor(), give_numbers};
    const auto seen = std::make_shared<diary>(); // without a lock
    auto stream = headgate::extract(client, limiter, job::list(), extract_options{}.observe(seen));
    auto read = [&]() -> asio::awaitable<std::size_t> {
        std::size_t records = 0;
        while (auto page = co_await stream.next())
            records += page->records().size();
        co_return records;
    };
    CHECK(asio::co_spawn(threads, read, asio::use_future).get() == 2000);
    threads.join();
    CHECK(stream.outcome().complete());
    check_whole(*seen);
    CHECK(seen->records == 2000);
}
