// The whole job with headgate. "fetch" is made by hand from pool, queue, limiter, client and
// channel; "parse" and "ndjson" are what extract() does.
#include "job.hpp"

#include <headgate/headgate.hpp>
#ifdef HEADGATE_BENCHMARK_SIMDJSON
#include <headgate/simdjson/simdjson_parser.hpp>
#endif

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace http = headgate::http;
namespace paging = headgate::paging;

namespace {

/// A limit that this machine cannot reach, so that only its price is measured.
headgate::limit out_of_reach()
{
    return headgate::limit::bucket(1'000'000'000, std::chrono::seconds{1}, 1'000'000);
}

void rethrow(std::exception_ptr failure)
{
    if (failure)
        std::rethrow_exception(failure);
}

/// The server has one page only, which for paging::offset would be a server that leads in a circle.
class same_page {
public:
    using position = std::uint64_t;

    same_page(const std::string& list, std::uint64_t pages) : list_{list}, pages_{pages} {}

    std::optional<position> next()
    {
        return asked_ < pages_ ? std::optional{asked_++} : std::nullopt;
    }
    http::request request(position number) const
    {
        http::url url{list_};
        url.set_query("page", std::to_string(number));
        return http::request{std::move(url)};
    }
    std::string describe(position number) const { return "page " + std::to_string(number); }
    std::size_t received(position, const paging::page_content& content)
    {
        ++received_;
        return content.records();
    }
    std::optional<paging::page_end> end() const
    {
        if (received_ < pages_)
            return std::nullopt;
        return paging::page_end{headgate::outcome_code::complete, "as many pages as wanted"};
    }

private:
    http::url list_;
    std::uint64_t pages_;
    std::uint64_t asked_ = 0;
    std::uint64_t received_ = 0;
};

class by_hand {
public:
    by_hand(asio::io_context& context, const job::arguments& settings, job::records& records)
        : settings_{settings},
          records_{records},
          client_{context},
          limiter_{context, out_of_reach()},
          urls_{context, 64},
          bodies_{context, settings.in_flight},
          pool_{context, settings.in_flight}
    {
    }

    void start(asio::io_context& context)
    {
        asio::co_spawn(context, plan(), rethrow);
        asio::co_spawn(context, receive(), rethrow);
        pool_.async_run([this](headgate::worker_pool::worker me) { return work(me); },
                        [this](std::exception_ptr failure) { bodies_.close(failure); });
    }

    std::size_t peak_in_flight() const { return client_.statistics().peak_in_flight; }

private:
    asio::awaitable<void> plan()
    {
        http::url url{settings_.url};
        for (std::uint64_t page = 0; page < settings_.pages; ++page) {
            url.set_query("page", std::to_string(page));
            if (!urls_.try_push(url))
                co_await urls_.async_push(url, asio::use_awaitable);
        }
        urls_.close();
    }

    asio::awaitable<void> work(headgate::worker_pool::worker me)
    {
        for (;;) {
            auto url = urls_.try_pop();
            if (!url)
                url = co_await urls_.async_pop(asio::use_awaitable);
            if (!url)
                break;
            auto place = bodies_.try_reserve();
            if (!place)
                place = co_await bodies_.async_reserve(asio::use_awaitable);
            if (!limiter_.try_acquire())
                co_await limiter_.async_acquire(asio::use_awaitable);
            const auto busy = me.in_flight();
            http::request request{std::move(*url)};
            auto answer = co_await client_.send(std::move(request));
            if (answer.status() != 200)
                throw std::runtime_error{"status " + std::to_string(answer.status())};
            place.send(std::move(answer).body());
        }
    }

    asio::awaitable<void> receive()
    {
        for (;;) {
            auto body = bodies_.try_receive();
            if (!body)
                body = co_await bodies_.async_receive(asio::use_awaitable);
            if (!body)
                break;
            records_.take_body(*body);
        }
        rethrow(bodies_.outcome().value());
    }

    const job::arguments& settings_;
    job::records& records_;
    http::client client_;
    headgate::async_limiter limiter_;
    headgate::work_queue<http::url> urls_;
    headgate::result_channel<std::string> bodies_;
    headgate::worker_pool pool_;
};

asio::awaitable<void> extract(asio::io_context& context, const job::arguments& settings,
                              job::records& records, std::size_t& peak_in_flight)
{
    http::client client{context};
    headgate::async_limiter limiter{context, out_of_reach()};
    headgate::extract_options options;
    options.max_in_flight(settings.in_flight);
#ifdef HEADGATE_BENCHMARK_SIMDJSON
    options.parser(headgate::simdjson_parser{});
#endif
    auto stream =
        headgate::extract(client, limiter, same_page{settings.url, settings.pages}, options);
    while (auto page = co_await stream.next())
        records.take_records(page->records(),
                             [](const headgate::record& each) { return each.text(); });
    if (!stream.outcome().complete())
        throw std::runtime_error{stream.outcome().reason()};
    peak_in_flight = stream.statistics().peak_in_flight;
}

} // namespace

int main(int argc, char* argv[])
{
    try {
        const auto settings = job::parse_arguments(argc, argv, "The whole job with headgate");
        job::records records{settings};
        asio::io_context context;
        std::optional<by_hand> pipeline;
        std::size_t peak_in_flight = 0;
        const job::measurement measured;
        if (settings.what == job::kind::fetch)
            pipeline.emplace(context, settings, records).start(context);
        else
            asio::co_spawn(context, extract(context, settings, records, peak_in_flight), rethrow);
        std::vector<std::jthread> others;
        for (std::size_t i = 1; i < settings.threads; ++i)
            others.emplace_back([&context] { context.run(); });
        context.run();
        others.clear();
        measured.print(records, pipeline ? pipeline->peak_in_flight() : peak_in_flight);
        return records.pages() == settings.pages ? 0 : 1;
    } catch (const std::exception& e) {
        std::cerr << "whole_job: " << e.what() << '\n';
        return 1;
    }
}
