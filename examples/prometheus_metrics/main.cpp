// What an extraction does, as metrics for Prometheus (prometheus-cpp): requests, answers by status,
// latencies, retries, pauses, pages and records. The API answers {"results": [{"id": 1}, ...],
// "count": 1200} and takes ?offset=200&limit=100.
//
//   prometheus_metrics https://api.example.com/items 127.0.0.1:9464
//
// While it runs the metrics are at http://127.0.0.1:9464/metrics. At the end they go to standard
// output, in the format that the textfile collector of Prometheus' node exporter reads.
// Exit status: 0 complete, 1 not complete, 2 bad usage.
#include <headgate/headgate.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_future.hpp>
#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <chrono>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

using namespace std::chrono_literals;
namespace http = headgate::http;

// The run calls it under its lock, and the exposer reads from threads of its own: the metrics of
// prometheus-cpp are made for that.
class metrics : public headgate::observer {
public:
    explicit metrics(prometheus::Registry& registry) : registry_{registry} {}

    void on_limits(time, const std::vector<headgate::limit>& limits) override
    {
        for (const headgate::limit& each : limits)
            if (each.type() == headgate::limit::kind::paced)
                limit_.Set(static_cast<double>(each.count()) / seconds(each.period()));
    }
    void on_request(const headgate::observed_request&) override
    {
        requests_.Increment();
        in_flight_.Increment();
    }
    void on_answer(const headgate::observed_answer& what) override
    {
        in_flight_.Decrement();
        answers_.Add({{"status", what.error ? "none" : std::to_string(what.status)}}).Increment();
        bytes_.Increment(static_cast<double>(what.bytes));
        if (!what.error)
            latency_.Observe(seconds(what.latency()));
    }
    void on_pause(time from, time until) override { paused_.Increment(seconds(until - from)); }
    void on_retry(time, const headgate::observed_answer&) override { retries_.Increment(); }
    void on_page(time, const headgate::page& what) override
    {
        pages_.Increment();
        records_.Increment(static_cast<double>(what.records().size()));
    }
    void on_end(time, const headgate::outcome& how, const headgate::extract_statistics&) override
    {
        complete_.Set(how.complete() ? 1 : 0);
    }

private:
    static double seconds(time span) { return std::chrono::duration<double>(span).count(); }

    prometheus::Counter& counter(const std::string& name, const std::string& help)
    {
        return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add({});
    }
    prometheus::Gauge& gauge(const std::string& name, const std::string& help)
    {
        return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add({});
    }

    prometheus::Registry& registry_;
    prometheus::Counter& requests_ = counter("extract_requests_total", "Requests sent");
    prometheus::Counter& retries_ = counter("extract_retries_total", "Requests to be repeated");
    prometheus::Counter& paused_ =
        counter("extract_paused_seconds_total", "Time the server asked for, also what is to come");
    prometheus::Counter& pages_ = counter("extract_pages_total", "Pages delivered");
    prometheus::Counter& records_ = counter("extract_records_total", "Records delivered");
    prometheus::Counter& bytes_ = counter("extract_body_bytes_total", "Bodies, decompressed");
    prometheus::Gauge& in_flight_ = gauge("extract_in_flight", "Requests that wait for an answer");
    prometheus::Gauge& limit_ = gauge("extract_limit_per_second", "Requests allowed");
    prometheus::Gauge& complete_ = gauge("extract_complete", "Whether every record was delivered");
    prometheus::Family<prometheus::Counter>& answers_ = prometheus::BuildCounter()
                                                            .Name("extract_answers_total")
                                                            .Help("Answers by status")
                                                            .Register(registry_);
    prometheus::Histogram& latency_ =
        prometheus::BuildHistogram()
            .Name("extract_latency_seconds")
            .Help("From the request to the end of the body")
            .Register(registry_)
            .Add({},
                 prometheus::Histogram::BucketBoundaries{0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30});
};

asio::awaitable<bool> pull(asio::io_context& context, http::request list,
                           std::shared_ptr<headgate::observer> observer)
{
    http::client client{context};
    headgate::async_limiter limiter{context, headgate::limits_for_any_server(100, 60s)};
    headgate::paging::offset pages{list};
    pages.page_size(100);
    auto stream = headgate::extract(client, limiter, pages,
                                    headgate::extract_options{}.observe(std::move(observer)));
    while (auto page = co_await stream.next()) {
        // What is done with the records.
    }
    std::cerr << "prometheus_metrics: " << stream.outcome() << '\n';
    co_return stream.outcome().complete();
}

int main(int argc, char* argv[])
try {
    if (argc != 3) {
        std::cerr << "usage: prometheus_metrics URL ADDRESS:PORT\n";
        return 2;
    }
    const http::request list{argv[1]};
    const auto registry = std::make_shared<prometheus::Registry>();
    prometheus::Exposer exposer{argv[2]};
    exposer.RegisterCollectable(registry);

    asio::io_context context{1};
    auto complete = asio::co_spawn(
        context, pull(context, list, std::make_shared<metrics>(*registry)), asio::use_future);
    context.run();
    std::cout << prometheus::TextSerializer{}.Serialize(registry->Collect());
    return complete.get() ? 0 : 1;
} catch (const std::invalid_argument& e) {
    std::cerr << "prometheus_metrics: " << e.what() << '\n';
    return 2;
} catch (const std::exception& e) {
    std::cerr << "prometheus_metrics: " << e.what() << '\n';
    return 1;
}
