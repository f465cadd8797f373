// Pulls all records of a paginated HTTP API into NDJSON, one record a line, as the pages come, at
// the rate the API allows. `extract --help` lists the options.
//
// Exit status: 0 complete, 1 not complete, 2 bad usage, 130 interrupted.
#include "extract_arguments.hpp"
#include "extract_checkpoint.hpp"
#include "extract_limiter.hpp"
#include "extract_options.hpp"
#include "extract_output.hpp"
#include "extract_paging.hpp"
#include "extract_progress.hpp"
#include "extract_replaced_file.hpp"
#include "extract_report.hpp"
#include "extract_report_page.hpp"
#ifdef EXTRACT_WITH_REDIS
#include "extract_work.hpp"
#endif

#include <headgate/headgate.hpp>

#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace {

std::optional<replaced_file> make_report_file(const arguments& args)
{
    if (args.report.empty())
        return std::nullopt;
    return replaced_file{args.report};
}

std::optional<output_file> make_stats_file(const arguments& args)
{
    std::optional<output_file> result;
    if (!args.stats.empty())
        result.emplace(args.stats);
    return result;
}

/// What the coroutine below and the program's end share.
struct job {
    explicit job(asio::io_context& context, const arguments& args)
        : client{context, make_client_options(args)},
          limiter{context, args},
          report{args.report.empty() ? nullptr : std::make_shared<run_report>()},
          checkpoint{args},
          stream{start(client, limiter, args, make_options(args, report, checkpoint.get()))},
          signals{context, SIGINT, SIGTERM},
          stats{make_stats_file(args)},
          report_file{make_report_file(args)},
          output{checkpoint ? checkpoint.open(args.output) : ndjson_output{args.output}}
    {
        if (checkpoint)
            checkpoint.follow(output);
    }
    job(const job&) = delete;
    job& operator=(const job&) = delete;

    headgate::http::client client;
    run_limiter limiter;
    std::shared_ptr<run_report> report; // null unless one is wanted
    run_checkpoint checkpoint;
    headgate::page_stream stream;
    asio::signal_set signals;
    std::optional<output_file> stats;
    std::optional<replaced_file> report_file;
    ndjson_output output; // the last to be opened: an old one is not lost for another's sake
    bool interrupted = false;
    bool unwritten = false; // there are records that came and were not written
    std::string failure;
};

asio::awaitable<void> write_pages(job& the)
{
    try {
        while (auto page = co_await the.stream.next())
            the.output.write(page->records());
    } catch (const output_interrupted&) {
        the.unwritten = the.interrupted = true;
    } catch (const std::exception& e) {
        the.failure = e.what();
    }
    the.stream.cancel();
    the.signals.cancel();
}

/// How a run ended: how the list was read, and whether what came was written.
struct ending {
    int status;
    std::string outcome;
    std::string reason;
};

ending end_of(const job& the)
{
    const auto outcome = the.stream.outcome();
    if (the.interrupted && (the.unwritten || !outcome.complete()))
        return {130, std::string{to_string(headgate::outcome_code::cancelled)},
                "interrupted after " + std::to_string(the.output.records()) + " records"};
    if (!the.failure.empty())
        return {1, "write_failed", the.failure};
    return {outcome.complete() ? 0 : 1, std::string{to_string(outcome.code())}, outcome.reason()};
}

/// What a run has come to, as text for --stats.
std::string stats_text(const headgate::extract_statistics& statistics, const ending& end,
                       std::uint64_t written, std::uint64_t before)
{
    const auto seconds = [](std::optional<std::chrono::nanoseconds> time) {
        return time ? nlohmann::json(std::chrono::duration<double>(*time).count())
                    : nlohmann::json();
    };
    const auto number = [](const auto& value) {
        return value ? nlohmann::json(*value) : nlohmann::json();
    };
    const auto& server = statistics.server;
    const nlohmann::ordered_json stats{
        {"outcome", end.outcome},
        {"reason", end.reason},
        {"pages", statistics.pages},
        {"records", statistics.records},
        {"requests", statistics.requests},
        {"http_429", statistics.http_429},
        {"retries", statistics.retries},
        {"duplicates", statistics.duplicates},
        {"rewinds", statistics.rewinds},
        {"refused", statistics.refused},
        {"pauses", statistics.pauses},
        {"waited_s", std::chrono::duration<double>(statistics.waited).count()},
        {"server_limit", number(server.limit)},
        {"server_remaining", number(server.remaining)},
        {"server_reset_s", seconds(server.reset)},
        {"server_retry_after_s", seconds(server.retry_after)},
        {"rate_share", statistics.rate_share},
        {"in_flight_allowed", number(statistics.in_flight_allowed)},
        {"elapsed_s", std::chrono::duration<double>(statistics.elapsed).count()},
        {"peak_in_flight", statistics.peak_in_flight},
        {"records_written", written},
        {"records_before", before},
    };
    // A file's name in the reason may be no UTF-8.
    using on_bad_text = nlohmann::ordered_json::error_handler_t;
    return stats.dump(2, ' ', false, on_bad_text::replace) + '\n';
}

void write_report(const job& the, const ending& end, const arguments& args)
{
    report_facts facts;
    facts.url = headgate::http::url{args.url}.without_credentials();
    facts.outcome = end.outcome;
    facts.reason = end.reason;
    facts.complete = end.status == 0;
    facts.written = the.output.records();
    facts.statistics = the.stream.statistics();
    the.report_file->write(report_page{*the.report, facts}.str());
}

/// Does what is left to do when a run has ended; false if it cannot be done.
template <class Function>
bool done(Function function)
{
    try {
        function();
        return true;
    } catch (const std::exception& e) {
        std::cerr << "extract: " << e.what() << '\n';
        return false;
    }
}

int run(const arguments& args)
{
    asio::io_context context{1};
    std::optional<job> the;
    try {
        the.emplace(context, args);
    } catch (const std::exception& e) {
        std::cerr << "extract: " << e.what() << '\n';
        return 2;
    }
    the->signals.async_wait([&the](std::error_code failed, int) {
        if (failed)
            return;
        the->interrupted = true;
        the->stream.cancel();
        the->signals.clear(); // another one ends the program as it would end any
    });
    progress_line progress{context,        the->stream,      the->output.before(),
                           args.rate_text, args.no_progress, args.output == "-"};
    asio::co_spawn(context, write_pages(*the),
                   [&progress](std::exception_ptr) { progress.stop(); });
    context.run();

    const ending end = end_of(*the);
    if (end.status != 0)
        std::cerr << "extract: " << end.reason << '\n';
    bool told = true;
    if (the->stats)
        told = done([&] {
            the->stats->write(stats_text(the->stream.statistics(), end, the->output.records(),
                                         the->output.before()));
        });
    if (the->report_file)
        told = done([&] { write_report(*the, end, args); }) && told;
    return end.status != 0 || told ? end.status : 1;
}

#ifdef EXTRACT_WITH_REDIS
/// Why a share of a job was not done, if anything was thrown.
ending failure_of(const std::exception_ptr& thrown)
{
    try {
        if (thrown)
            std::rethrow_exception(thrown);
    } catch (const bad_usage& e) {
        return {2, "bad_usage", e.what()};
    } catch (const work_failure& e) {
        return {1, e.outcome(), e.what()};
    } catch (const std::exception& e) {
        return {1, "work_failed", e.what()};
    }
    return {0, "", ""};
}

/// Does a share of a job that other processes do, too.
int run_work(const arguments& args)
{
    asio::io_context context{1};
    std::optional<output_file> stats;
    std::optional<shared_work> work;
    try {
        if (!args.stats.empty())
            stats.emplace(args.stats);
        work.emplace(context, args);
    } catch (const std::exception& e) {
        std::cerr << "extract: " << e.what() << '\n';
        return 2;
    }
    using clock = std::chrono::steady_clock;
    const auto began = clock::now();
    auto until = clock::time_point::max();
    asio::signal_set signals{context, SIGINT, SIGTERM};
    signals.async_wait([&](std::error_code failed, int) {
        if (failed)
            return;
        work->stop();
        until = clock::now() + std::chrono::seconds{5}; // Redis may be away
        signals.clear(); // another one ends the program as it would end any
    });
    bool ended = false;
    ending failure{0, "", ""};
    asio::co_spawn(context, work->run(), [&](std::exception_ptr thrown) {
        signals.cancel();
        ended = true;
        failure = failure_of(thrown);
    });
    while (!ended && clock::now() < until)
        context.run_one_until(std::min(until, clock::now() + std::chrono::seconds{1}));
    if (ended)
        context.run_for(
            std::chrono::milliseconds{300}); // what is given back, which may also be lost

    ending end{work->outcome().complete() ? 0 : 1, std::string{to_string(work->outcome().code())},
               work->outcome().reason()};
    if (failure.status != 0)
        end = failure;
    else if (work->stopping())
        end = {130, std::string{to_string(headgate::outcome_code::cancelled)},
               "interrupted after " + std::to_string(work->records()) + " records"};
    if (end.status != 0)
        std::cerr << "extract: " << end.reason << '\n';
    headgate::extract_statistics statistics = work->statistics();
    statistics.elapsed = std::chrono::steady_clock::now() - began;
    if (stats &&
        !done([&] { stats->write(stats_text(statistics, end, work->records(), work->before())); }))
        return end.status != 0 ? end.status : 1;
    return end.status;
}
#endif

/// A standard stream that was closed must not be taken by the next socket: what is written to it
/// has to fail.
void occupy_standard_streams()
{
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(stream, F_GETFD) < 0)
            static_cast<void>(::open("/dev/null", O_RDONLY));
}

} // namespace

int main(int argc, char* argv[])
{
    // A write to a closed pipe, or beyond the limit on a file's size, has to fail and be told.
    std::signal(SIGPIPE, SIG_IGN);
    std::signal(SIGXFSZ, SIG_IGN);
    occupy_standard_streams();
    try {
        const auto args = parse_arguments(argc, argv);
#ifdef EXTRACT_WITH_REDIS
        if (args && !args->work.empty())
            return run_work(*args);
#endif
        return args ? run(*args) : 0;
    } catch (const bad_usage& e) {
        std::cerr << "extract: " << e.what() << '\n';
        return 2;
    } catch (const std::exception& e) {
        std::cerr << "extract: " << e.what() << '\n';
        return 1;
    }
}
