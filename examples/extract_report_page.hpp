#ifndef EXTRACT_REPORT_PAGE_HPP
#define EXTRACT_REPORT_PAGE_HPP

#include "extract_chart.hpp"
#include "extract_report.hpp"
#include "extract_report_curves.hpp"

#include <headgate/page_stream.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <string>
#include <utility>
#include <vector>

/// What the page says beside what was observed.
struct report_facts {
    std::string url; ///< without credentials
    std::string outcome;
    std::string reason;
    bool complete = false;
    std::uint64_t written = 0; ///< records
    headgate::extract_statistics statistics;
};

/// One page of HTML that says how a run went. It needs nothing from elsewhere; without scripts it
/// shows all but the values under the pointer.
class report_page {
public:
    report_page(const run_report& report, const report_facts& facts)
        : report_{report},
          facts_{facts},
          seconds_{std::max(std::chrono::duration<double>(facts.statistics.elapsed).count(), 1e-3)},
          curves_{report, seconds_}
    {
    }

    std::string str() const
    {
        return head() + summary() + charts() + pauses() + failures() + limits() + data() +
               "</main></body></html>\n";
    }

private:
    using kind = chart_series::kind;

    static const char* style();
    static const char* script();

    std::string head() const
    {
        return "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
               "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
               "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
               "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
               "<meta name=\"color-scheme\" content=\"light dark\">"
               "<title>extract: " +
               html(facts_.outcome) + "</title>\n<style>" + style() +
               "</style></head>\n<body><main>\n";
    }

    static std::string tile(const std::string& name, const std::string& value,
                            const std::string& more = {})
    {
        return "<div><dt>" + html(name) + "</dt><dd>" + html(value) +
               (more.empty() ? "" : "<small>" + html(more) + "</small>") + "</dd></div>\n";
    }

    std::string summary() const
    {
        const auto& all = facts_.statistics;
        const auto& latencies = report_.latencies();
        std::string result =
            "<header><h1><span class=\"outcome " + std::string{facts_.complete ? "good" : "bad"} +
            "\">" + html(facts_.outcome) + "</span> " + html(facts_.reason) +
            "</h1>\n<p class=\"url\">" + html(facts_.url) + "</p><p>" + html(started()) + "</p>" +
            (all.observer_failed
                 ? "<p>Memory ran out: from some time on the charts show nothing.</p>"
                 : "") +
            "</header>\n<dl>";
        result += tile("Records written", grouped(facts_.written),
                       all.total ? "of " + grouped(*all.total) : "");
        result += tile("Pages", grouped(all.pages));
        result += tile("Requests", grouped(all.requests));
        result += tile("Time", time_text(seconds_));
        if (report_.counted() && seconds_ >= curves_.period())
            result += tile("Limit used", number_text(100 * curves_.used(seconds_)) + " %");
        result += tile("Most in flight", grouped(all.peak_in_flight));
        if (!latencies.empty())
            result += tile("Median latency", time_text(latencies.quantile(0.5)),
                           "p95 " + time_text(latencies.quantile(0.95)) + ", max " +
                               time_text(latencies.longest()));
        result += tile("Answered 429", grouped(all.http_429));
        result += tile("Retries", grouped(all.retries));
        result += tile("Pauses", grouped(report_.pauses()),
                       report_.pauses() > 0 ? time_text(paused()) : "");
        return result + "</dl>\n";
    }

    double paused() const
    {
        double result = 0;
        for (const double share : curves_.paused)
            result += share * curves_.interval();
        return result;
    }

    /// When the run began, by the calendar: now, less how long it was.
    std::string started() const
    {
        const auto now = std::chrono::system_clock::now();
        const auto begin = now - std::chrono::duration_cast<std::chrono::system_clock::duration>(
                                     facts_.statistics.elapsed);
        const std::time_t seconds = std::chrono::system_clock::to_time_t(begin);
        std::tm parts{};
        char text[40] = "";
        if (::gmtime_r(&seconds, &parts))
            std::strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S UTC", &parts);
        return std::string{"Started "} + text;
    }

    chart make(std::string title) const
    {
        return chart{std::move(title), seconds_, curves_.interval()};
    }

    std::string charts() const
    {
        const std::string per = time_text(curves_.period());
        auto requests =
            make(curves_.period() < curves_.interval() ? "Requests for each " + per + ", on average"
                                                       : "Requests in the last " + per);
        requests.add({"sent", "sent", kind::area, curves_.requests});
        if (!curves_.allowed.empty())
            requests.add({"limit", "limit", kind::line, curves_.allowed});
        requests.mark("paused by the server", curves_.paused);
        chart latencies{"Latency of pages", seconds_, curves_.latency_interval()};
        latencies.labels(time_text).logarithmic();
        latencies.add({"max", "longest", kind::line, curves_.longest})
            .add({"p95", "p95", kind::line, curves_.p95})
            .add({"median", "median", kind::line, curves_.median});
        std::string result = requests.str();
        result += make("In flight").add({"most", "flight", kind::area, curves_.in_flight}).str();
        result += latencies.str();
        if (any(curves_.refused) || any(curves_.failed) || any(curves_.retried))
            result += make("Failures and retries")
                          .add({"429", "refused", kind::bars, curves_.refused})
                          .add({"failed", "failed", kind::bars, curves_.failed})
                          .add({"retries", "retried", kind::bars, curves_.retried})
                          .str();
        return result +
               make("Records").add({"delivered", "records", kind::area, curves_.records}).str();
    }

    static bool any(const std::vector<double>& values)
    {
        return std::any_of(values.begin(), values.end(), [](double value) { return value > 0; });
    }

    static double seconds(std::chrono::nanoseconds time)
    {
        return std::chrono::duration<double>(time).count();
    }

    std::string pauses() const
    {
        if (report_.pauses() == 0)
            return "<h2>Pauses</h2><p>The server asked for none.</p>\n";
        std::string result = "<h2>Pauses</h2>";
        if (report_.pauses() > report_.longest_pauses().size())
            result += "<p>The longest of " + grouped(report_.pauses()) + ":</p>";
        result += "<table><tr><th>at</th><th>for</th></tr>";
        for (const run_report::pause& each : report_.longest_pauses())
            result += "<tr><td>" + time_text(seconds(each.from)) + "</td><td>" +
                      time_text(seconds(each.until - each.from)) + "</td></tr>";
        return result + "</table>\n";
    }

    std::string failures() const
    {
        if (report_.failures().empty())
            return "<h2>Failures</h2><p>Every request was answered with success.</p>\n";
        std::string result = "<h2>Failures</h2><table><tr><th>what</th><th>times</th><th>first "
                             "at</th><th>for the page at</th></tr>";
        for (const auto& [what, each] : report_.failures())
            result += "<tr><td>" + html(what) + "</td><td>" + grouped(each.times) + "</td><td>" +
                      time_text(seconds(each.first)) + "</td><td>" + html(each.where) +
                      "</td></tr>";
        return result + "</table>\n";
    }

    std::string limits() const
    {
        std::string result = "<h2>Limits</h2><ul>";
        for (const headgate::limit& each : report_.limits())
            result += "<li>" + html(describe(each)) + "</li>";
        if (report_.limit_changes() > 0)
            result += "<li>changed " + grouped(report_.limit_changes()) +
                      (report_.limit_changes() == 1 ? " time" : " times") +
                      " by what the server said</li>";
        return result + "</ul>\n";
    }

    static std::string describe(const headgate::limit& one)
    {
        using limit_kind = headgate::limit::kind;
        const std::string count = grouped(one.count());
        if (one.type() == limit_kind::in_flight)
            return count + " at the same time";
        const std::string rate = count + " in " + time_text(seconds(one.period()));
        if (one.type() == limit_kind::window)
            return rate + ", whenever in it";
        if (one.type() == limit_kind::bucket)
            return rate + ", at most " + grouped(one.burst()) + " at once";
        return rate + ", evenly spaced";
    }

    /// What the charts show, for the pointer and for programs.
    std::string data() const
    {
        const auto rounded = [](const std::vector<double>& values) {
            auto result = nlohmann::ordered_json::array();
            for (const double value : values)
                if (std::isnan(value))
                    result.push_back(nullptr);
                else
                    result.push_back(std::round(value * 1e5) / 1e5);
            return result;
        };
        const nlohmann::ordered_json all{
            {"outcome", facts_.outcome},
            {"reason", facts_.reason},
            {"url", facts_.url},
            {"elapsed_s", seconds_},
            {"interval_s", curves_.interval()},
            {"latency_interval_s", curves_.latency_interval()},
            {"period_s", curves_.period()},
            {"requests", rounded(curves_.requests)},
            {"limit", rounded(curves_.allowed)},
            {"in_flight", rounded(curves_.in_flight)},
            {"median_s", rounded(curves_.median)},
            {"p95_s", rounded(curves_.p95)},
            {"longest_s", rounded(curves_.longest)},
            {"retries", rounded(curves_.retried)},
            {"http_429", rounded(curves_.refused)},
            {"failed", rounded(curves_.failed)},
            {"paused_share", rounded(curves_.paused)},
            {"records", rounded(curves_.records)},
        };
        return "<script type=\"application/json\" id=\"data\">" + script_json(all) +
               "</script>\n<script>" + script() + "</script>\n";
    }

    const run_report& report_;
    const report_facts& facts_;
    double seconds_;
    report_curves curves_;
};

inline const char* report_page::style()
{
    return R"(
:root { color-scheme: light dark; --back: #fbfbfa; --card: #fff; --text: #1d2126; --soft: #667079;
  --rule: #e3e6e8; --blue: #2f6fde; --teal: #128a7d; --amber: #c9820a; --red: #cf3440;
  --violet: #7a4fd0; --good: #1a7f43; --pale: #9aa4ac }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --card: #1c2024; --text: #e6e9ec;
  --soft: #98a2ab; --rule: #2f353a; --blue: #6ea2ff; --teal: #45c4b4; --amber: #f0b24a;
  --red: #ff6b74; --violet: #b294ff; --good: #4cc680; --pale: #6b757d } }
* { box-sizing: border-box }
body { margin: 0; background: var(--back); color: var(--text);
  font: 15px/1.45 system-ui, "DejaVu Sans", sans-serif }
main { max-width: 1100px; margin: 0 auto; padding: 28px 20px 48px }
h1 { font-size: 21px; font-weight: 600; margin: 0 0 8px; line-height: 1.5; overflow-wrap: anywhere }
h2 { font-size: 15px; margin: 28px 0 6px }
p { margin: 2px 0; color: var(--soft) }
.url { font-family: ui-monospace, "DejaVu Sans Mono", monospace; font-size: 13px;
  overflow-wrap: anywhere }
.outcome { border-radius: 6px; padding: 2px 10px; color: var(--card); margin-right: 6px }
.good { background: var(--good) } .bad { background: var(--red) }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(175px, 1fr)); gap: 10px;
  margin: 20px 0 }
dl div, figure { background: var(--card); border: 1px solid var(--rule); border-radius: 8px }
dl div { padding: 10px 14px }
dt { font-size: 12.5px; color: var(--soft) }
dd { margin: 0; font-size: 22px; font-weight: 600; font-variant-numeric: tabular-nums }
dd small { display: block; font-size: 12px; font-weight: 400; color: var(--soft) }
figure { margin: 12px 0; padding: 12px 16px 34px }
figcaption { font-size: 13.5px; display: flex; flex-wrap: wrap; gap: 4px 16px; margin-bottom: 12px }
.key::before { content: ""; display: inline-block; width: 12px; height: 3px; margin: 0 6px 3px 0;
  background: var(--c); border-radius: 2px }
.key { color: var(--soft) }
.key.mark::before { height: 10px; margin-bottom: -1px; opacity: .45 }
.sent, .records { --c: var(--blue) } .limit { --c: var(--text) } .flight { --c: var(--teal) }
.median { --c: var(--blue) } .p95 { --c: var(--violet) } .longest { --c: var(--pale) }
.retried { --c: var(--pale) } .failed { --c: var(--violet) } .refused { --c: var(--red) }
.mark { --c: var(--amber) }
.plot { position: relative; height: 130px; margin-left: 58px }
.plot svg { display: block; width: 100%; height: 100%; overflow: visible }
.plot span { position: absolute; font-size: 11.5px; color: var(--soft); white-space: nowrap;
  font-variant-numeric: tabular-nums }
.plot .y { right: 100%; margin-right: 8px; transform: translateY(-50%) }
.plot .x { top: 100%; margin-top: 5px; transform: translateX(-50%) }
.grid { stroke: var(--rule); stroke-width: 1; vector-effect: non-scaling-stroke; fill: none }
.line { stroke: var(--c); stroke-width: 1.6; vector-effect: non-scaling-stroke; fill: none }
.line.limit { stroke-width: 1.3; stroke-dasharray: 6 4 }
.area { fill: var(--c); opacity: .16 } .bars { fill: var(--c) }
rect.mark { fill: var(--c); fill-opacity: .26 }
.hair { position: absolute; top: 0; bottom: 0; width: 1px; background: var(--soft); display: none }
table { border-collapse: collapse; font-size: 13.5px }
th, td { text-align: left; padding: 3px 22px 3px 0; border-bottom: 1px solid var(--rule);
  overflow-wrap: anywhere }
th { font-weight: 500; color: var(--soft) }
ul { margin: 0; padding-left: 18px; font-size: 13.5px }
#tip { position: fixed; pointer-events: none; background: var(--card); color: var(--text);
  border: 1px solid var(--rule); border-radius: 6px; padding: 6px 10px; font-size: 12px;
  box-shadow: 0 2px 8px #0003; white-space: pre; display: none }
@media print { body { background: none } figure, dl div { break-inside: avoid } }
)";
}

inline const char* report_page::script()
{
    return R"(
const all = JSON.parse(document.getElementById('data').textContent);
const tip = document.body.appendChild(document.createElement('div'));
tip.id = 'tip';
const show = value => value < 1 ? (value * 1000).toPrecision(3) + ' ms' : value.toPrecision(4) + ' s';
const rows = [['sent', 'requests'], ['limit', 'limit'], ['in flight', 'in_flight'],
  ['median', 'median_s', show], ['p95', 'p95_s', show], ['max', 'longest_s', show],
  ['429', 'http_429'], ['failed', 'failed'], ['retries', 'retries'], ['records', 'records']];
const hairs = [...document.querySelectorAll('.hair')];
for (const plot of document.querySelectorAll('.plot')) {
  plot.addEventListener('pointermove', event => {
    const box = plot.getBoundingClientRect();
    const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    tip.textContent = 'at ' + show(share * all.elapsed_s) + rows.map(([name, key, text]) => {
      const interval = text ? all.latency_interval_s : all.interval_s;
      const value = all[key][Math.min(all[key].length - 1,
        Math.floor(share * all.elapsed_s / interval))];
      return value == null ? '' : '\n' + name + ': ' + (text ? text(value) : +value.toPrecision(6));
    }).join('');
    tip.style.display = 'block';
    tip.style.left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8) + 'px';
    tip.style.top = Math.min(event.clientY + 14, innerHeight - tip.offsetHeight - 8) + 'px';
    for (const hair of hairs) {
      hair.style.display = 'block';
      hair.style.left = share * 100 + '%';
    }
  });
  plot.addEventListener('pointerleave', () => {
    tip.style.display = 'none';
    for (const hair of hairs) hair.style.display = 'none';
  });
}
)";
}

#endif
