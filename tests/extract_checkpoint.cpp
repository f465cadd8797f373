// Runs that are stopped anywhere and go on from their checkpoint. In virtual time, with a
// checkpoint in memory; sqlite_checkpoint is about one in a file.
#include <headgate/extract.hpp>
#include <headgate/paging/cursor.hpp>
#include <headgate/paging/keyset.hpp>
#include <headgate/paging/next_request.hpp>
#include <headgate/paging/next_url.hpp>
#include <headgate/paging/offset.hpp>
#include <headgate/paging/page_number.hpp>
#include <headgate/paging/partitions.hpp>
#include <headgate/testing/simulated_api.hpp>

#include "support/kept_checkpoint.hpp"
#include "support/paged.hpp"
#include "support/run.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
namespace http = headgate::http;
namespace paging = headgate::paging;
using headgate::extract_options;
using headgate::limit;
using headgate::outcome;
using headgate::outcome_code;
using headgate::testing::simulated_api;
using headgate::testing::simulated_api_options;
using support::kept_checkpoint;
using support::virtual_clock;

namespace {

http::request list()
{
    return http::request{simulated_api::url};
}

/// Rows with a number, and how a server gives them: by offset, page number, cursor, URL or key.
struct table {
    std::vector<int> rows;
    std::size_t size = 10;
    bool tells_total = true;
    bool clamps = false; ///< behind the end the last page comes again

    explicit table(int count) : rows(static_cast<std::size_t>(count))
    {
        std::iota(rows.begin(), rows.end(), 0);
    }

    http::response answer(const http::request& asked) const
    {
        const auto number = [&](const char* name) {
            const std::string text = support::parameter(asked, name);
            return text.empty() ? std::optional<std::size_t>{} : std::stoul(text);
        };
        std::size_t begin = 0;
        if (const auto page = number("page"))
            begin = (*page - 1) * size;
        begin = number("offset").value_or(number("cursor").value_or(begin));
        if (const auto since = number("since"))
            begin = static_cast<std::size_t>(
                std::upper_bound(rows.begin(), rows.end(), static_cast<int>(*since)) -
                rows.begin());
        if (clamps && begin >= rows.size())
            begin = (rows.size() - 1) / size * size;
        const std::size_t end = std::min(begin + size, rows.size());
        nlohmann::json body{{"results", nlohmann::json::array()}};
        for (std::size_t i = begin; i < end; ++i)
            body["results"].push_back({{"id", rows[i]}});
        if (tells_total)
            body["count"] = rows.size();
        const std::string next = end < rows.size() ? std::to_string(end) : "";
        body["next"] = next;
        body["url"] = next.empty() ? "" : std::string{simulated_api::url} + "?cursor=" + next;
        return http::response{200, {}, body.dump()};
    }
};

/// One job in several lives: what they wrote, as far as it was saved, and what the server saw.
struct job {
    explicit job(std::vector<limit> kept = {limit::window(100'000, 1s)}) : limits{std::move(kept)}
    {
        virtual_clock::reset();
        kept_at->on_save = [this] { saved = got.size(); };
    }

    /// A life that ends by itself, or is killed after that time.
    template <paging::pager Pager>
    std::optional<outcome> live(Pager pager, extract_options options = {},
                                std::optional<virtual_clock::duration> killed_after = {})
    {
        got.resize(saved);
        asio::io_context context;
        simulated_api api{context, simulated_api_options{}.network(1ms, 200ms).seed(++lives)};
        api.intercept([this](const http::request& what, std::chrono::nanoseconds) {
            arrivals.push_back(virtual_clock::now().time_since_epoch());
            return answer(what);
        });
        support::limiter gate{context, limits};
        options.checkpoint(kept_at, options.acknowledged_by_hand());
        auto stream = headgate::extract(api, gate, std::move(pager), options);
        auto read = [&]() -> asio::awaitable<void> {
            while (auto page = co_await stream.next())
                for (const auto record : page->records())
                    got.push_back(record.json().at("id").template get<int>());
        };
        if (read_pages)
            asio::co_spawn(context, read_pages(stream), support::rethrow);
        else
            asio::co_spawn(context, read, support::rethrow);
        if (killed_after)
            virtual_clock::run_for(context, *killed_after);
        else
            virtual_clock::run(context);
        total = stream.statistics().total;
        return stream.outcome().code() == outcome_code::in_progress
                   ? std::nullopt
                   : std::optional{stream.outcome()};
    }

    /// Lives of random length until one ends by itself.
    template <paging::pager Pager>
    outcome live_on(const Pager& pager, const extract_options& options, unsigned seed,
                    virtual_clock::duration longest = 2s)
    {
        std::mt19937 random{seed};
        for (;;) {
            const auto before = saved;
            const auto span = virtual_clock::duration{
                std::uniform_int_distribution<virtual_clock::rep>{1, longest.count()}(random)};
            const auto end = live(pager, options, span);
            progressed += saved > before ? 1 : 0;
            if (end || lives > 400)
                return end.value_or(outcome{});
        }
    }

    /// The most requests that came within any `period`.
    std::size_t most_in(std::chrono::nanoseconds period) const
    {
        std::size_t most = 0;
        for (std::size_t first = 0, last = 0; last < arrivals.size(); ++last) {
            while (arrivals[last] - arrivals[first] >= period)
                ++first;
            most = std::max(most, last - first + 1);
        }
        return most;
    }

    std::vector<limit> limits;
    std::shared_ptr<kept_checkpoint> kept_at = std::make_shared<kept_checkpoint>();
    std::function<std::optional<http::response>(const http::request&)> answer;
    std::function<asio::awaitable<void>(headgate::page_stream&)> read_pages;
    std::vector<std::chrono::nanoseconds> arrivals;
    std::vector<int> got;
    std::size_t saved = 0;
    std::size_t progressed = 0;
    unsigned lives = 0;
    std::optional<std::uint64_t> total;
};

template <class Pager>
void check_lives(const Pager& pager, const table& rows, const extract_options& options,
                 bool sorted = true)
{
    for (unsigned seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        job its;
        its.answer = [&](const http::request& asked) { return std::optional{rows.answer(asked)}; };
        const outcome end = its.live_on(pager, options, seed);
        INFO(end.reason());
        CHECK(end.complete());
        if (!sorted)
            std::sort(its.got.begin(), its.got.end());
        CHECK((its.got == rows.rows));
        CHECK(its.lives > 1);
    }
}

} // namespace

TEST_CASE("a list by offset, killed anywhere and gone on with, comes once")
{
    const bool total = GENERATE(true, false);
    const bool clamps = GENERATE(false, true);
    const bool ordered = GENERATE(false, true);
    const std::size_t in_flight = GENERATE(1U, 4U, 16U);
    CAPTURE(total, clamps, ordered, in_flight);
    table rows{1237};
    rows.tells_total = total;
    rows.clamps = clamps;
    check_lives(paging::offset{list()}, rows,
                extract_options{}.max_in_flight(in_flight).ordered(ordered), ordered);
}

TEST_CASE("a list by page number, killed anywhere and gone on with, comes once")
{
    const bool total = GENERATE(true, false);
    const bool clamps = GENERATE(false, true);
    table rows{1237};
    rows.tells_total = total;
    rows.clamps = clamps;
    check_lives(paging::page_number{list()}, rows, extract_options{}.max_in_flight(8), false);
}

TEST_CASE("lists in which each page names the next go on from the last page that was taken")
{
    table rows{337};
    rows.tells_total = GENERATE(true, false);
    SECTION("cursor")
    {
        check_lives(paging::cursor{list()}, rows, {});
    }
    SECTION("URL")
    {
        check_lives(paging::next_url{list()}.in_body("/url"), rows, {});
    }
    SECTION("key")
    {
        check_lives(paging::keyset{list(), "/id", "since"}, rows, {});
    }
}

TEST_CASE("lists side by side go on each by itself")
{
    const table rows{137};
    paging::partitions<paging::cursor> parts;
    for (int i = 0; i < 5; ++i)
        parts.add("list " + std::to_string(i),
                  paging::cursor{http::request{std::string{simulated_api::url} +
                                               "?list=" + std::to_string(i)}});
    for (unsigned seed = 1; seed <= 20; ++seed) {
        job its;
        its.answer = [&](const http::request& asked) { return std::optional{rows.answer(asked)}; };
        CHECK(its.live_on(parts, {}, seed).complete());
        std::sort(its.got.begin(), its.got.end());
        std::vector<int> five_times;
        for (const int each : rows.rows)
            five_times.insert(five_times.end(), 5, each);
        CHECK((its.got == five_times));
    }
}

TEST_CASE("a list that changes while it is read goes on where its seam is")
{
    for (unsigned seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        table rows{400};
        job its;
        int put_in = 1000;
        its.answer = [&](const http::request& asked) {
            if (its.arrivals.size() % 20 == 10)
                rows.rows.insert(rows.rows.begin() + 3, put_in++);
            return std::optional{rows.answer(asked)};
        };
        const paging::offset pager = paging::offset{list()}.page_size(10).seam_check("/id");
        const outcome end = its.live_on(pager, extract_options{}.unique("/id"), seed);
        INFO(end.reason());
        std::vector<int> old;
        std::copy_if(its.got.begin(), its.got.end(), std::back_inserter(old),
                     [](int each) { return each < 1000; });
        // Rows that are put in at the last moment can leave it in doubt where the end is.
        CHECK((end.complete() || end.code() == outcome_code::list_changed));
        std::vector<int> first = table{400}.rows;
        first.resize(end.complete() ? first.size() : std::min(old.size(), first.size()));
        CHECK((old == first));
    }
}

TEST_CASE("what was acknowledged by hand, in whatever order, is not delivered again")
{
    const table rows{400};
    for (unsigned seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        job its;
        std::mt19937 random{seed};
        its.answer = [&](const http::request& asked) { return std::optional{rows.answer(asked)}; };
        std::vector<int> done;
        its.read_pages = [&](headgate::page_stream& stream) -> asio::awaitable<void> {
            std::vector<headgate::page> held;
            for (;;) {
                auto page = co_await stream.next();
                const bool at_end = !page;
                if (page)
                    held.push_back(std::move(*page));
                while (!held.empty() && (at_end || held.size() > 5)) {
                    std::swap(held[random() % held.size()], held.back());
                    for (const auto record : held.back().records())
                        done.push_back(record.json().at("id").get<int>());
                    stream.acknowledge(held.back());
                    held.pop_back();
                }
                if (at_end)
                    break;
            }
        };
        extract_options by_hand;
        by_hand.checkpoint(its.kept_at, true);
        const bool chain = seed % 2 == 0;
        const outcome end = chain ? its.live_on(paging::cursor{list()}, by_hand, seed, 10s)
                                  : its.live_on(paging::offset{list()}, by_hand, seed);
        CHECK(end.complete());
        std::sort(done.begin(), done.end());
        CHECK((done == rows.rows));
    }
}

TEST_CASE("no limit is broken across lives, and the quota is used")
{
    const std::vector<limit> limits = GENERATE(
        std::vector{limit::window(20, 10s)}, std::vector{limit::window(20, 10s).with_slack(200ms)},
        std::vector{limit::window(20, 10s), limit::bucket(100, 100s, 10)});
    const table rows{2000};
    job its{limits};
    its.answer = [&](const http::request& asked) { return std::optional{rows.answer(asked)}; };
    CHECK(its.live_on(paging::offset{list()}, {}, 1, 7s).complete());
    CHECK(its.lives > 5);
    // What was sent within ten seconds may arrive within those less what the network varies by.
    CHECK(its.most_in(10s - 200ms) <= 20);
    if (limits.front().slack() > 0s)
        CHECK(its.most_in(10s) <= 20);
    if (limits.size() == 1)
        CHECK(its.arrivals.back() - its.arrivals.front() < 1.3 * 200 / 20 * 10s);
}

TEST_CASE("a window with much slack does not keep the next life waiting for it")
{
    const table rows{2000};
    job its{{limit::window(20, 1s).with_slack(60s)}};
    its.answer = [&](const http::request& asked) { return std::optional{rows.answer(asked)}; };
    CHECK(its.live_on(paging::offset{list()}, {}, 1, 5s).complete());
    CHECK(its.most_in(1s) <= 20);
    CHECK(its.lives < 60);
}

TEST_CASE("a pause that the server asked for, and the limit that it told, hold in the next life")
{
    const table rows{1000};
    job its{{limit::paced(100, 1s)}};
    its.answer = [&](const http::request& asked) {
        if (its.arrivals.size() == 5)
            return std::optional{http::response{429, {{"Retry-After", "60"}}, ""}};
        http::response result = rows.answer(asked);
        return std::optional{
            http::response{200, {{"RateLimit-Policy", "\"default\";q=10;w=60"}}, result.body()}};
    };
    its.live(paging::offset{list()}, extract_options{}.max_in_flight(1), 20s);
    const std::size_t before = its.arrivals.size();
    CHECK(before == 5);
    its.live(paging::offset{list()}, extract_options{}.max_in_flight(1), 30s);
    CHECK(its.arrivals.size() == before);
    its.live(paging::offset{list()}, extract_options{}.max_in_flight(1), 121s);
    CHECK(its.arrivals.size() > before + 5);
    CHECK(its.arrivals.size() <= before + 20);
}

TEST_CASE("a checkpoint that cannot be written ends the run and says so")
{
    const table rows{1000};
    job its;
    its.answer = [&](const http::request& asked) {
        its.kept_at->fails = its.arrivals.size() > 20;
        return std::optional{rows.answer(asked)};
    };
    const auto end = its.live(paging::offset{list()});
    REQUIRE(end);
    CHECK(end->code() == outcome_code::checkpoint_failed);
    CHECK(end->reason() == "the disk is full");
    its.answer = [&](const http::request& asked) { return std::optional{rows.answer(asked)}; };
    its.kept_at->fails = false;
    CHECK(its.live(paging::offset{list()})->complete());
    std::sort(its.got.begin(), its.got.end());
    CHECK((its.got == rows.rows));
}

TEST_CASE("a run that was complete is complete again, and brings nothing")
{
    const table rows{300};
    job its;
    its.answer = [&](const http::request& asked) { return std::optional{rows.answer(asked)}; };
    CHECK(its.live(paging::offset{list()})->complete());
    const std::size_t before = its.arrivals.size();
    CHECK(its.live(paging::offset{list()})->complete());
    CHECK(its.got.size() == 300);
    CHECK(its.arrivals.size() <= before + 3);
}

TEST_CASE("a checkpoint that is not understood, or a pager that keeps nothing, is refused")
{
    job its;
    const auto next = [](const paging::page_content&) { return std::optional<http::request>{}; };
    CHECK_THROWS_WITH(its.live(paging::next_request{list(), next}),
                      Catch::Contains("no run can go on"));
    its.kept_at->progress =
        GENERATE("{", "{}", R"({"format":2})", R"({"format":1,"pages":{"spans":[]}})");
    CHECK_THROWS_WITH(its.live(paging::offset{list()}), Catch::Contains("is not understood"));
}

TEST_CASE("a list whose pages name no next one too early goes on behind the records that came")
{
    // The fifth page has but half of its records at first, and none behind it.
    const table rows{100};
    const auto check = [&rows](const auto& pager) {
        job its;
        bool is_whole = false;
        its.answer = [&](const http::request& asked) {
            table now = rows;
            if (!is_whole)
                now.rows.resize(45);
            auto body = nlohmann::json::parse(now.answer(asked).body());
            body["count"] = 100;
            return std::optional{http::response{200, {}, body.dump()}};
        };
        CHECK(its.live(pager)->code() == outcome_code::count_mismatch);
        CHECK(its.got.size() == 45);
        CHECK(its.saved == 45);
        CHECK(its.live(pager)->code() == outcome_code::count_mismatch);
        CHECK(its.saved == 45);
        is_whole = true;
        CHECK(its.live(pager)->complete());
        CHECK((its.got == rows.rows));
    };
    SECTION("cursor")
    {
        check(paging::cursor{list()});
    }
    SECTION("URL")
    {
        check(paging::next_url{list()}.in_body("/url"));
    }
}

TEST_CASE("a page that was a copy of another is not taken for delivered")
{
    const table rows{100};
    job its;
    its.answer = [&](const http::request& asked) {
        if (its.arrivals.size() != 5)
            return std::optional{rows.answer(asked)};
        return std::optional{
            rows.answer(http::request{std::string{simulated_api::url} + "?cursor=30"})};
    };
    its.read_pages = [&](headgate::page_stream& stream) -> asio::awaitable<void> {
        while (auto page = co_await stream.next()) {
            for (const auto record : page->records())
                its.got.push_back(record.json().at("id").get<int>());
            co_await support::pause(1min); // so that all has come when the next one is asked for
        }
    };
    CHECK(its.live(paging::cursor{list()})->code() == outcome_code::loop);
    CHECK(its.saved == 40);
    CHECK(its.live(paging::cursor{list()})->complete());
    CHECK((its.got == rows.rows));
}

TEST_CASE("with a seam check a first page that comes in parts is done with as a whole")
{
    table rows{1000};
    rows.size = 4;
    job its;
    its.answer = [&](const http::request& asked) { return std::optional{rows.answer(asked)}; };
    const paging::offset pager = paging::offset{list()}.page_size(14).seam_check("/id");
    const auto options = extract_options{}.max_in_flight(16);
    CHECK_FALSE(its.live(pager, options, 3s));
    CHECK(its.saved > 200);
    const auto end = its.live(pager, options);
    INFO(end->reason());
    CHECK(end->complete());
    CHECK((its.got == rows.rows));
}

TEST_CASE("a server that gives a page in the place of another, now and then")
{
    const table rows{600};
    for (unsigned seed = 1; seed <= 40; ++seed) {
        CAPTURE(seed);
        job its;
        std::mt19937 random{seed};
        http::response last;
        its.answer = [&](const http::request& asked) {
            if (!last.body().empty() && random() % 25 == 0)
                return std::optional{last};
            last = rows.answer(asked);
            return std::optional{last};
        };
        const bool by_number = seed % 2 == 0;
        const auto options = extract_options{}.max_in_flight(4);
        const outcome end = by_number ? its.live_on(paging::page_number{list()}, options, seed, 1s)
                                      : its.live_on(paging::offset{list()}, options, seed, 1s);
        INFO(end.reason());
        if (end.complete()) {
            std::sort(its.got.begin(), its.got.end());
            CHECK((its.got == rows.rows));
        }
    }
}
