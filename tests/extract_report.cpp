// What `extract --report` keeps of a run and makes of it.
#include "extract_report.hpp"
#include "extract_report_page.hpp"

#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>
#include <vector>

using namespace std::chrono_literals;
using headgate::limit;
using headgate::observed_answer;
using headgate::observed_request;
using std::chrono::nanoseconds;

namespace {

observed_answer answer(nanoseconds sent, nanoseconds latency, int status = 200)
{
    observed_answer result;
    result.request.sent = sent;
    result.request.where = "offset 7";
    result.received = sent + latency;
    result.status = status;
    return result;
}

/// A request and its answer.
void exchange(run_report& report, nanoseconds sent, nanoseconds latency, int status = 200)
{
    const observed_answer what = answer(sent, latency, status);
    report.on_request(what.request);
    report.on_answer(what);
}

std::uint64_t all_sent(const run_report& report)
{
    std::uint64_t result = 0;
    for (const time_slice& each : report.slices().slices())
        result += each.sent;
    return result;
}

std::string page_of(const run_report& report, const report_facts& facts)
{
    return report_page{report, facts}.str();
}

} // namespace

TEST_CASE("a run of any length takes the same memory, and nothing is lost of it")
{
    STATIC_REQUIRE(timeline::memory() < 512 * 1024);
    run_report report;
    report.on_limits(0s, {limit::paced(100, 60s)});
    const auto* const begin = report.slices().slices().data();
    nanoseconds now{0};
    std::uint64_t sent = 0;
    for (nanoseconds step = 1ms; now < 366 * 24h; now += step, ++sent) {
        exchange(report, now, 10ms);
        if (sent % 1000 == 999)
            step *= 2;
    }
    CHECK(report.slices().slices().size() <= timeline::most_slices);
    CHECK(report.slices().slices().size() > timeline::most_slices / 4);
    CHECK(report.slices().slices().data() == begin);
    CHECK(all_sent(report) == sent);
    CHECK(report.latencies().size() == sent);
}

TEST_CASE("the slices go into the period that is counted")
{
    for (const nanoseconds period :
         {nanoseconds{1ms}, nanoseconds{1s}, nanoseconds{61s}, nanoseconds{1h}, nanoseconds{24h}}) {
        timeline slices;
        slices.fit(period);
        for (const nanoseconds end : {1s, 100s, 10'000s, 1'000'000s}) {
            slices.at(end);
            const nanoseconds width = slices.width();
            CHECK((width > period ? width % period : period % width) == 0ns);
        }
    }
}

TEST_CASE("bursts that keep to a window are not shown above it, however coarse the slices are")
{
    const nanoseconds length = GENERATE(as<nanoseconds>{}, 3min, 1h, 24h);
    run_report report;
    report.on_limits(0s, {limit::window(100, 60s)});
    for (nanoseconds begin{0}; begin < length; begin += 60s + 1ms)
        for (int i = 0; i < 100; ++i)
            exchange(report, begin, 5ms);
    report.on_end(length, {}, {});
    const double seconds = std::chrono::duration<double>(length).count();
    const report_curves curves{report, seconds};
    const double most = *std::max_element(curves.requests.begin(), curves.requests.end());
    CHECK(most > 90);
    CHECK(most < 100.1 * (curves.interval() > 60 ? 1 + 60 / curves.interval() : 1));
    CHECK(curves.used(seconds) > 0.98);
    CHECK(curves.used(seconds) < 1.02);
    for (const double each : curves.allowed)
        CHECK(each == Approx(100));
}

TEST_CASE("quantiles are right to a twentieth")
{
    latency_counts counts;
    CHECK(counts.quantile(0.5) == 0);
    for (int i = 1; i <= 1000; ++i)
        counts.add(i * 0.01);
    CHECK(counts.quantile(0.5) == Approx(5).epsilon(0.05));
    CHECK(counts.quantile(0.95) == Approx(9.5).epsilon(0.05));
    CHECK(counts.quantile(1) <= 10);
    CHECK(counts.longest() == 10);
    for (const double extreme : {0.0, 1e-9, 1e9})
        counts.add(extreme);
    CHECK(counts.size() == 1003);
}

TEST_CASE("of pauses and kinds of failures only so many are kept")
{
    run_report report;
    report.on_limits(0s, {limit::paced(1, 1s)});
    for (int i = 0; i < 100; ++i)
        report.on_pause(i * 200s, i * 200s + (i % 50) * 1s + 1s);
    for (int status = 400; status < 500; ++status)
        exchange(report, 20'000s, 1s, status);
    report.on_end(20'001s, {}, {});
    CHECK(report.pauses() == 100);
    CHECK(report.longest_pauses().size() == run_report::most_pauses);
    for (const auto& each : report.longest_pauses())
        CHECK(each.until - each.from >= 46s);
    CHECK(report.failures().size() <= run_report::most_failures + 1);
    CHECK(report.failures().at("others").times == 100 - run_report::most_failures);
}

TEST_CASE("a pause that gets longer is one, and ends with the run")
{
    run_report report;
    report.on_limits(0s, {limit::paced(1, 1s)});
    report.on_pause(1s, 4s);
    report.on_pause(4s, 6s);
    report.on_pause(8s, 300s);
    report.on_end(10s, {}, {});
    CHECK(report.pauses() == 2);
    REQUIRE(report.longest_pauses().size() == 2);
    CHECK(report.longest_pauses()[0].until == 6s);
    CHECK(report.longest_pauses()[1].until == 10s);
    double paused = 0;
    for (const time_slice& each : report.slices().slices())
        paused += each.paused;
    CHECK(paused == Approx(7));
    CHECK(report.slices().width() <= 100ms); // what had not come took no room
}

TEST_CASE("what is in flight and allowed goes on where nothing happens")
{
    run_report report;
    report.on_limits(0s, {limit::paced(10, 1s), limit::paced(100, 1s), limit::in_flight(2)});
    const observed_answer slow = answer(1s, 2s);
    report.on_request(slow.request);
    report.on_limits(2s, {limit::paced(5, 1s)});
    report.on_answer(slow);
    report.on_end(4s, {}, {});
    const report_curves curves{report, 4};
    const auto at = [&](double seconds) {
        return static_cast<std::size_t>(seconds / curves.interval());
    };
    CHECK(curves.in_flight[at(0.5)] == 0);
    CHECK(curves.in_flight[at(2.5)] == 1);
    CHECK(curves.in_flight[at(3.5)] == 0);
    CHECK(curves.allowed[at(1.5)] == Approx(10));
    CHECK(curves.allowed[at(3.5)] == Approx(5));
    CHECK(curves.period() == 1);
    CHECK(report.limit_changes() == 1);
}

TEST_CASE("what came from outside is text on the page, whatever it is")
{
    run_report report;
    report.on_limits(0s, {limit::paced(10, 1s)});
    const std::string evil = "</script><script>alert(1)</script>&\"'\n\x1b[2J\xff\xe2\x80\xa8";
    observed_answer refused = answer(0s, 10ms, 500);
    refused.request.where = evil;
    report.on_request(refused.request);
    report.on_answer(refused);
    report_facts facts;
    facts.url = facts.reason = facts.outcome = evil;
    const std::string page = page_of(report, facts);
    CHECK(page.find("alert(1)</") == std::string::npos);
    CHECK(page.find("&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;?") !=
          std::string::npos);
    std::size_t scripts = 0;
    for (auto at = page.find("<script"); at != page.npos; at = page.find("<script", at + 1))
        ++scripts;
    CHECK(scripts == 2);
    CHECK(std::none_of(page.begin(), page.end(), [](char c) {
        return (static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == '\xff';
    }));
    const std::string begin = "id=\"data\">";
    const auto data = page.find(begin) + begin.size();
    const auto all = nlohmann::json::parse(page.substr(data, page.find("</script>", data) - data));
    CHECK(all.at("outcome").get<std::string>().find("</script>") == 0);
}

TEST_CASE("a page of a run in which nothing happened, and of one without a limit")
{
    run_report report;
    report_facts facts;
    facts.outcome = "cancelled";
    CHECK(page_of(report, facts).find(">cancelled</span>") != std::string::npos);
    report.on_limits(0s, {limit::in_flight(3)});
    report.on_end(0s, {}, {});
    const std::string page = page_of(report, facts);
    CHECK(page.find("3 at the same time") != std::string::npos);
    CHECK(page.find("Limit used") == std::string::npos);
    CHECK(page.find("nan") == std::string::npos);
    CHECK(page.find("inf") == std::string::npos);
}

TEST_CASE("times and numbers are written as a person does it")
{
    CHECK(time_text(0.25) == "250 ms");
    CHECK(time_text(0.00012) == "0.12 ms");
    CHECK(time_text(3.5) == "3.5 s");
    CHECK(time_text(61) == "1:01 min");
    CHECK(time_text(3723) == "1:02:03 h");
    CHECK(time_text(0.99999) == "1 s");
    CHECK(time_text(59.99) == "60 s");
    CHECK(grouped(999) == "999");
    CHECK(grouped(1234567) == "1\u202f234\u202f567");
    CHECK(number_text(98.26) == "98.3");
    CHECK(number_text(12345) == "12345");
}
