// What an extraction makes of pages: their order, records that come twice, rows that move, the end
// when it comes as a surprise. In virtual time.
#include <headgate/paging/cursor.hpp>
#include <headgate/paging/offset.hpp>
#include <headgate/paging/page_number.hpp>
#include <headgate/paging/partitions.hpp>

#include "support/paged.hpp"
#include "support/simulated_job.hpp"

#include <algorithm>
#include <numeric>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
namespace http = headgate::http;
namespace paging = headgate::paging;
using headgate::extract_options;
using headgate::limit;
using headgate::outcome_code;
using headgate::testing::simulated_api_options;

namespace {

const std::vector<limit> fast{limit::window(100'000, 1s)};

/// A list that tests change while it is read.
struct table {
    std::vector<int> rows;
    std::size_t size = 10;
    bool tells_total = false;

    explicit table(int count) : rows(static_cast<std::size_t>(count))
    {
        std::iota(rows.begin(), rows.end(), 0);
    }

    http::response page(const http::request& asked) const
    {
        const std::size_t begin = std::stoul(support::parameter(asked, "offset"));
        const std::string limit = support::parameter(asked, "limit");
        const std::size_t end = begin + std::min(size, limit.empty() ? size : std::stoul(limit));
        nlohmann::json body{{"results", nlohmann::json::array()}};
        if (tells_total)
            body["count"] = rows.size();
        for (std::size_t i = begin; i < std::min(end, rows.size()); ++i)
            body["results"].push_back({{"id", rows[i]}});
        return http::response{200, {}, body.dump()};
    }
};

struct job : support::simulated_job {
    explicit job(const std::vector<limit>& limits = fast)
        : simulated_job{simulated_api_options{}.network(1ms, 200ms), limits}
    {
    }

    std::vector<int> ids() const
    {
        std::vector<int> result;
        for (const auto& each : got)
            result.push_back(each.at("id").get<int>());
        return result;
    }

    std::size_t different() const
    {
        const auto all = ids();
        return std::set<int>(all.begin(), all.end()).size();
    }
};

} // namespace

TEST_CASE("ordered delivery gives the list as it is, with no more pages in memory than places")
{
    const table list{1000};
    job its;
    its.answer = [&](const http::request& asked) { return std::optional{list.page(asked)}; };
    const auto outcome = its.run(job::list(), extract_options{}.ordered(true).max_in_flight(8));
    INFO(outcome.reason());
    CHECK(outcome.complete());
    CHECK(its.ids() == list.rows);
    CHECK(its.stream->statistics().peak_in_flight == 7);
}

TEST_CASE("a list of unknown end is read as fast as one with a total, and not far beyond it")
{
    double seconds[2];
    for (const bool total : {true, false}) {
        table list{2000};
        list.tells_total = total;
        job its;
        its.answer = [&](const http::request& asked) { return std::optional{list.page(asked)}; };
        const auto outcome =
            its.run(job::list().page_size(10), extract_options{}.max_in_flight(16));
        CHECK(outcome.complete());
        CHECK(its.ids().size() == 2000);
        CHECK(its.different() == 2000);
        CHECK(its.arrivals.size() <= 200 + 16);
        seconds[total ? 1 : 0] = support::seconds();
    }
    CHECK(seconds[0] <= 1.15 * seconds[1]);
}

TEST_CASE("no more than may be in flight goes beyond an unknown end, however long tokens take")
{
    const int rate = GENERATE(20, 50, 100, 200, 400, 1000);
    const bool ordered = GENERATE(false, true);
    const table list{200};
    for (int round = 0; round < 10; ++round) { // latencies are random
        job its{{limit::paced(static_cast<std::size_t>(rate), 1s)}};
        std::size_t beyond = 0;
        its.answer = [&](const http::request& asked) {
            beyond += std::stoul(support::parameter(asked, "offset")) >= 200 ? 1 : 0;
            return std::optional{list.page(asked)};
        };
        const auto outcome = its.run(job::list().page_size(10),
                                     extract_options{}.ordered(ordered).max_in_flight(16));
        INFO((ordered ? "ordered, " : "") << rate << " a second: " << outcome.reason());
        CHECK(outcome.complete());
        CHECK(its.ids().size() == 200);
        CHECK(beyond <= 16);
    }
}

TEST_CASE(
    "an empty page in the midst of a list of unknown end is read over, however slow the limit")
{
    const bool fast_limit = GENERATE(true, false);
    const table list{200};
    job its{fast_limit ? fast : std::vector{limit::paced(1, 10s)}};
    its.answer = [&](const http::request& asked) {
        const bool hole = support::parameter(asked, "offset") == "100";
        return std::optional{hole ? http::response{200, {}, R"({"results":[]})"}
                                  : list.page(asked)};
    };
    const auto outcome = its.run(job::list().page_size(10));
    CHECK(outcome.complete());
    CHECK(its.ids().size() == 190);
}

TEST_CASE("the end is the end at once, though a token is an hour away")
{
    const bool ordered = GENERATE(false, true);
    const std::size_t in_flight = GENERATE(as<std::size_t>{}, 8, 64);
    const table list{20};
    job its{{limit::bucket(1, 1h, 4)}};
    its.answer = [&](const http::request& asked) { return std::optional{list.page(asked)}; };
    const auto outcome = its.run(job::list().page_size(10),
                                 extract_options{}.ordered(ordered).max_in_flight(in_flight));
    INFO((ordered ? "ordered, " : "") << in_flight << " in flight: " << outcome.reason());
    CHECK(outcome.complete());
    CHECK(its.ids().size() == 20);
    // Two pages, three behind them, and the first of those once more.
    CHECK(support::seconds() < 7201);
    CHECK(its.limiter.statistics().tokens == 6); // those for pages of no use went back
}

TEST_CASE(
    "in order, too, an empty page that was a slip of the server is asked for again, in its place")
{
    table list{200};
    list.tells_total = GENERATE(true, false);
    const std::size_t in_flight = GENERATE(as<std::size_t>{}, 1, 2, 8, 64);
    const bool fast_limit = GENERATE(true, false);
    job its{fast_limit ? fast : std::vector{limit::paced(1, 10s)}};
    bool has_slipped = false;
    its.answer = [&](const http::request& asked) {
        const bool slips =
            support::parameter(asked, "offset") == "100" && !std::exchange(has_slipped, true);
        return std::optional{slips ? http::response{200, {}, R"({"results":[]})"}
                                   : list.page(asked)};
    };
    const auto outcome = its.run(job::list().page_size(10),
                                 extract_options{}.ordered(true).max_in_flight(in_flight));
    INFO(in_flight << " in flight: " << outcome.reason());
    CHECK(outcome.complete());
    CHECK(its.ids() == list.rows);
}

TEST_CASE("a page behind the end that cannot be had does no harm, and is not waited for")
{
    const table list{100};
    job its;
    its.answer = [&](const http::request& asked) {
        const bool behind = std::stoul(support::parameter(asked, "offset")) > 100;
        return std::optional{behind ? http::response{500} : list.page(asked)};
    };
    const auto outcome = its.run(job::list().page_size(10));
    INFO(outcome.reason());
    CHECK(outcome.complete());
    CHECK(its.ids().size() == 100);
    CHECK(support::seconds() < 20);
}

TEST_CASE("500 for ever after page 40: what comes before is delivered, the rest is told")
{
    table list{1000};
    list.tells_total = GENERATE(true, false);
    job its;
    its.answer = [&](const http::request& asked) {
        const bool broken = std::stoul(support::parameter(asked, "offset")) >= 400;
        return std::optional{broken ? http::response{500} : list.page(asked)};
    };
    const auto outcome = its.run(job::list().page_size(10), extract_options{}.max_in_flight(16));
    CHECK(outcome.code() == outcome_code::page_failed);
    CHECK(outcome.reason().find("page at offset 400: ") == 0);
    CHECK(its.different() == 400);
    CHECK(its.ids().size() == 400);
    CHECK(its.arrivals.size() <= 40 + 16 + 2 * 5 + 4); // pages, those in flight, the retry budget
}

TEST_CASE("a cap on pages that the list does not reach is none")
{
    table list{100};
    list.tells_total = GENERATE(true, false);
    job its;
    its.answer = [&](const http::request& asked) { return std::optional{list.page(asked)}; };
    CHECK(its.run(job::list().page_size(10), extract_options{}.max_pages(12)).complete());
    CHECK(its.ids().size() == 100);
    CHECK(its.arrivals.size() <= 12);
}

TEST_CASE("a cap is no reason to take an empty page in the midst of a list for its end")
{
    const table list{200};
    job its;
    its.answer = [&](const http::request& asked) {
        const bool hole = support::parameter(asked, "offset") == "40";
        return std::optional{hole ? http::response{200, {}, R"({"results":[]})"}
                                  : list.page(asked)};
    };
    const auto outcome = its.run(job::list().page_size(10), extract_options{}.max_pages(7));
    CHECK(outcome.code() == outcome_code::page_cap);
    CHECK(its.ids().size() == 60);
}

TEST_CASE("a status or a copy in the midst of a list is not its end")
{
    const table list{200};
    job its;
    const bool copy = GENERATE(true, false);
    its.answer = [&](const http::request& asked) {
        const bool odd = support::parameter(asked, "offset") == "100";
        http::request first{"http://api.test/?offset=0&limit=10"};
        return std::optional{!odd   ? list.page(asked)
                             : copy ? list.page(first)
                                    : http::response{404}};
    };
    const auto outcome = its.run(job::list().page_size(10));
    INFO(outcome.reason());
    CHECK(outcome.code() == (copy ? outcome_code::loop : outcome_code::page_failed));
    CHECK(its.different() == its.ids().size());
}

TEST_CASE("an empty page in the midst that was a slip is delivered late")
{
    const table list{200};
    job its;
    bool is_first = true;
    its.answer = [&](const http::request& asked) {
        const bool slips =
            support::parameter(asked, "offset") == "100" && std::exchange(is_first, false);
        return std::optional{slips ? http::response{200, {}, R"({"results":[]})"}
                                   : list.page(asked)};
    };
    const auto outcome = its.run(job::list().page_size(10));
    INFO(outcome.reason());
    CHECK(outcome.complete());
    CHECK(its.ids().size() == 200);
    CHECK(its.different() == 200);
}

TEST_CASE("one slip on the last page of a list of unknown end loses nothing, however few in flight")
{
    const auto in_flight = GENERATE(range<std::size_t>(1, 12));
    const bool ordered = GENERATE(false, true);
    const std::string slips_at = GENERATE("40", "90");
    const bool is_empty = GENERATE(true, false);
    const table list{100};
    for (int round = 0; round < 5; ++round) { // latencies are random
        job its;
        bool is_first = true;
        std::size_t beyond = 0;
        its.answer = [&](const http::request& asked) {
            const std::string offset = support::parameter(asked, "offset");
            const bool slips = offset == slips_at && std::exchange(is_first, false);
            beyond += std::stoul(offset) >= 100 ? 1 : 0;
            return std::optional{!slips     ? list.page(asked)
                                 : is_empty ? http::response{200, {}, R"({"results":[]})"}
                                            : http::response{404}};
        };
        const auto outcome = its.run(job::list().page_size(10),
                                     extract_options{}.ordered(ordered).max_in_flight(in_flight));
        INFO(in_flight << (ordered ? " in order: " : ": ") << outcome.reason());
        CHECK(outcome.complete());
        CHECK(its.ids().size() == 100);
        CHECK(beyond <= std::max<std::size_t>(in_flight, 3));
    }
}

TEST_CASE("what is called off behind the end holds up no page that waits for its turn")
{
    // The page at 50 fails for now and waits; those behind it come, and prove the end meanwhile.
    const table list{40};
    for (int round = 0; round < 20; ++round) { // the waits between tries are random
        const bool has_seam = round % 2 == 0;
        job its;
        its.answer = [&](const http::request& asked) -> std::optional<http::response> {
            const auto offset = std::stoul(support::parameter(asked, "offset"));
            if (offset >= 45 && offset <= 50)
                return http::response{500, {}, "{}"};
            return list.page(asked);
        };
        paging::offset pager = job::list().page_size(10);
        if (has_seam)
            pager.seam_check("/id");
        const auto outcome = its.run(pager, extract_options{}.ordered(true).max_in_flight(8));
        INFO(has_seam << ": " << outcome.reason());
        CHECK(outcome.complete());
        CHECK(its.ids() == list.rows);
    }
}

TEST_CASE("a total that is that of one page ends no list")
{
    table list{100};
    job its;
    its.answer = [&](const http::request& asked) {
        auto body = nlohmann::json::parse(list.page(asked).body());
        body["count"] = body["results"].size();
        return std::optional{http::response{200, {}, body.dump()}};
    };
    paging::offset pager = job::list();
    if (GENERATE(true, false))
        pager.page_size(50);
    its.run(pager);
    CHECK(its.ids().size() == 100);
}

TEST_CASE("ordered delivery keeps the order also where an empty page made others wait")
{
    const table list{300};
    job its{{limit::paced(20, 1s)}};
    its.answer = [&](const http::request& asked) {
        const bool hole = support::parameter(asked, "offset") == "10";
        return std::optional{hole ? http::response{200, {}, R"({"results":[]})"}
                                  : list.page(asked)};
    };
    const auto outcome =
        its.run(job::list().page_size(10), extract_options{}.ordered(true).max_in_flight(8));
    CHECK(outcome.complete());
    const auto ids = its.ids();
    CHECK(ids.size() == 290);
    CHECK(std::is_sorted(ids.begin(), ids.end()));
}

TEST_CASE("pages behind the end that wait for others keep no places of a run that is over")
{
    const table list{40};
    for (const std::size_t in_flight : {std::size_t{2}, std::size_t{8}, std::size_t{64}}) {
        std::set<std::string> failed;
        job its;
        its.answer = [&](const http::request& asked) -> std::optional<http::response> {
            const std::string offset = support::parameter(asked, "offset");
            if (std::stoul(offset) >= 40 && failed.insert(offset).second)
                return http::response{500, {}, "{}"};
            return list.page(asked);
        };
        const auto outcome =
            its.run(job::list(), extract_options{}.ordered(true).max_in_flight(in_flight));
        INFO(in_flight << " in flight: " << outcome.reason());
        CHECK(outcome.complete());
        CHECK(its.ids() == list.rows);
    }
}

TEST_CASE("rows that move while pages are capped neither hang nor hide")
{
    table list{500};
    job its;
    its.answer = [&](const http::request& asked) {
        if (its.arrivals.size() == 4)
            list.rows.erase(list.rows.begin(), list.rows.begin() + 3);
        return std::optional{list.page(asked)};
    };
    paging::offset pager = job::list();
    const auto outcome =
        its.run(pager.seam_check("/id").page_size(10), extract_options{}.max_pages(6));
    CHECK(outcome.code() == outcome_code::page_cap);
    CHECK(its.different() == its.ids().size());
}

TEST_CASE("hooks and pagers of one's own may ask the stream")
{
    const table list{50};
    job its;
    its.answer = [&](const http::request& asked) { return std::optional{list.page(asked)}; };
    extract_options options;
    options.throttled_if(
        [&](const http::response&) { return its.stream->statistics().pages > 1000; });
    CHECK(its.run(job::list(), options).complete());
}

TEST_CASE("a cap on pages that the list reaches is told, unless the total was reached before")
{
    table list{100};
    list.tells_total = GENERATE(true, false);
    job its;
    its.answer = [&](const http::request& asked) { return std::optional{list.page(asked)}; };
    const auto outcome = its.run(job::list().page_size(10), extract_options{}.max_pages(10));
    CHECK(outcome.code() == (list.tells_total ? outcome_code::complete : outcome_code::page_cap));
    CHECK(its.ids().size() == 100);
    CHECK(its.arrivals.size() == 10);
}

TEST_CASE("records that come again are dropped by key, within a bound on memory")
{
    job its;
    its.answer = [](const http::request& asked) {
        const std::size_t begin = std::stoul(support::parameter(asked, "offset"));
        nlohmann::json body{{"results", nlohmann::json::array()}};
        for (std::size_t i = begin; i < std::min<std::size_t>(begin + 10, 100); ++i)
            body["results"].push_back({{"id", i / 2}, {"row", i}});
        return std::optional{http::response{200, {}, body.dump()}};
    };
    SECTION("all of them")
    {
        CHECK(its.run(job::list(), extract_options{}.unique("/id")).complete());
        CHECK(its.different() == 50);
        CHECK(its.got.size() == 50);
        CHECK(its.stream->statistics().duplicates == 50);
        CHECK(its.stream->statistics().records == 50);
    }
    SECTION("as far as the memory goes")
    {
        CHECK(its.run(job::list(), extract_options{}.unique("/id", 1).ordered(true)).complete());
        CHECK(its.got.size() == 50); // the copies stand next to each other
    }
    SECTION("and one without a key is an error")
    {
        const auto outcome = its.run(job::list(), extract_options{}.unique("/name"));
        CHECK(outcome.reason().find("no /name") != std::string::npos);
    }
}

TEST_CASE("keys that only their last digits tell apart are different")
{
    // More than 64 bits, a fraction, and one that is deeper down; digits come in the place of #.
    const std::string key = GENERATE(as<std::string>{}, "20000000000000000#",
                                     "0.12345678901234567#", R"({"part":[0.12345678901234567#]})");
    CAPTURE(key);
    job its;
    its.answer = [&key](const http::request& asked) {
        const std::size_t begin = std::stoul(support::parameter(asked, "offset"));
        const std::size_t limit = std::stoul(support::parameter(asked, "limit"));
        std::string records;
        for (std::size_t i = begin; i < std::min<std::size_t>(begin + limit, 30); ++i) {
            std::string one = R"({ "key" : )" + key + "}";
            one.replace(one.find('#'), 1, std::to_string(1000 + i));
            records += (i > begin ? "," : "") + one;
        }
        return std::optional{http::response{200, {}, R"({"results":[)" + records + "]}"}};
    };
    paging::offset pager = job::list();
    pager.page_size(10);
    extract_options options;
    SECTION("where those that come again are dropped")
    {
        options.unique("/key");
    }
    SECTION("at the seams")
    {
        pager.seam_check("/key");
    }
    const auto outcome = its.run(pager, options);
    INFO(outcome.reason());
    CHECK(outcome.complete());
    CHECK(its.got.size() == 30);
    CHECK(its.stream->statistics().rewinds == 0);
}

TEST_CASE("rows that move while an offset list is read are noticed at the seams")
{
    const std::size_t in_flight = GENERATE(1u, 8u);
    const int change = GENERATE(-35, -12, -1, 0, 1, 12, 35);
    table list{500};
    job its;
    std::size_t asked_for = 0;
    its.answer = [&](const http::request& asked) {
        if (++asked_for == 20) {
            for (int i = 0; i < change; ++i)
                list.rows.insert(list.rows.begin(), -1 - i);
            if (change < 0)
                list.rows.erase(list.rows.begin(), list.rows.begin() - change);
        }
        return std::optional{list.page(asked)};
    };
    paging::offset pager = job::list();
    const auto outcome =
        its.run(pager.seam_check("/id").page_size(10), extract_options{}.max_in_flight(in_flight));
    CAPTURE(in_flight, change, outcome.reason());
    CHECK(outcome.complete());
    auto ids = its.ids();
    ids.erase(std::remove_if(ids.begin(), ids.end(), [](int id) { return id < 0; }), ids.end());
    CHECK(ids.size() == 500);
    CHECK(its.different() >= 500);
    CHECK(std::is_sorted(ids.begin(), ids.end()));
    if (change < -9)
        CHECK(its.stream->statistics().rewinds > 0);
}

TEST_CASE("a row that new ones have moved on past the next page comes once")
{
    const int new_rows = GENERATE(1, 3, 4, 9);
    table list{60};
    job its;
    its.answer = [&](const http::request& asked) {
        if (support::parameter(asked, "offset") == "18" && list.rows.front() == 0) {
            for (int i = 0; i < new_rows; ++i)
                list.rows.insert(list.rows.begin() + 18, 1000 + i);
            list.rows.erase(list.rows.begin()); // so that the page begins before 18, the last there
        }
        return std::optional{list.page(asked)};
    };
    paging::offset pager = job::list();
    pager.seam_check("/id").page_size(4);
    const auto outcome = its.run(pager, extract_options{}.max_in_flight(1));
    CAPTURE(new_rows, outcome.reason());
    CHECK(outcome.complete());
    CHECK(its.different() == its.ids().size());
    CHECK(its.different() >= 60);
}

TEST_CASE("whatever rows come and go, those that stay are delivered once, or it is told")
{
    int told = 0;
    for (unsigned seed = 0; seed < 60; ++seed) {
        std::mt19937 random{seed};
        const auto below = [&random](std::size_t n) { return static_cast<int>(random() % n); };
        table list{300};
        std::set<int> staying(list.rows.begin(), list.rows.end());
        int changes = 0;
        job its;
        its.answer = [&](const http::request& asked) {
            if (its.arrivals.size() > 1 && changes < 6 && below(4) == 0) {
                const bool at_front = below(2) == 0;
                const auto at = at_front ? 0 : below(list.rows.size() - 6);
                const int many = 1 + below(5);
                if (below(2) == 0) {
                    for (int i = 0; i < many; ++i)
                        list.rows.insert(list.rows.begin() + at, 1000 + 10 * changes + i);
                } else {
                    for (int i = 0; i < many; ++i)
                        staying.erase(list.rows[static_cast<std::size_t>(at + i)]);
                    list.rows.erase(list.rows.begin() + at, list.rows.begin() + at + many);
                }
                ++changes;
            }
            return std::optional{list.page(asked)};
        };
        list.tells_total = seed % 3 == 0;
        paging::offset pager = job::list();
        pager.seam_check("/id").page_size(4 + seed % 7);
        const auto outcome = its.run(pager, extract_options{}.max_in_flight(1 + seed % 9));
        CAPTURE(seed, outcome.code(), outcome.reason());
        const auto ids = its.ids();
        CHECK(its.different() == ids.size());
        if (outcome.complete())
            for (const int id : staying)
                CHECK(std::find(ids.begin(), ids.end(), id) != ids.end());
        else
            ++told;
        CHECK(its.arrivals.size() < 1000);
    }
    CHECK(told < 12);
}

TEST_CASE("a list that is not to be known again is told as changed")
{
    table list{500};
    job its;
    std::size_t asked_for = 0;
    its.answer = [&](const http::request& asked) {
        if (++asked_for == 20)
            for (int& row : list.rows)
                row += 100'000;
        return std::optional{list.page(asked)};
    };
    paging::offset pager = job::list();
    const auto outcome = its.run(pager.seam_check("/id").page_size(10));
    CHECK(outcome.code() == outcome_code::list_changed);
    CHECK(its.different() == its.got.size());
    job keyless;
    keyless.answer = [&](const http::request& asked) { return std::optional{list.page(asked)}; };
    paging::offset other = job::list();
    CHECK(keyless.run(other.seam_check("/name")).reason().find("no /name") != std::string::npos);
}

TEST_CASE("lists side by side fill a limit that one chain of pages cannot")
{
    const auto chain = [](const http::request& asked) {
        const std::string cursor = support::parameter(asked, "cursor");
        const int page = cursor.empty() ? 0 : std::stoi(cursor);
        nlohmann::json body{{"results", {{{"id", page}}}}};
        if (page < 49)
            body["next"] = page + 1;
        return std::optional{http::response{200, {}, body.dump()}};
    };
    job its;
    its.answer = chain;
    paging::partitions<paging::cursor> lists;
    for (int i = 0; i < 10; ++i)
        lists.add("list " + std::to_string(i),
                  paging::cursor{http::request{"http://api.test/" + std::to_string(i)}});
    const auto outcome = its.run(lists);
    CHECK(outcome.reason() == "all 10 lists complete");
    CHECK(its.got.size() == 500);
    CHECK(its.stream->statistics().peak_in_flight == 10);
}
