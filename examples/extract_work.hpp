#ifndef EXTRACT_WORK_HPP
#define EXTRACT_WORK_HPP

#include "extract_checkpoint.hpp"
#include "extract_limiter.hpp"
#include "extract_options.hpp"
#include "extract_output.hpp"
#include "extract_paging.hpp"
#include "extract_work_item.hpp"

#include <headgate/async_limiter.hpp>
#include <headgate/http/client.hpp>
#include <headgate/redis/work_stream.hpp>
#include <headgate/worker_pool.hpp>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>
#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

/// An output could not be written.
class output_failure : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// This process's share of a job that several do together.
///
/// Parts of the list are taken from Redis. What a part brought is appended to the output, and then
/// the part is acknowledged, together with how long the output is now: so what Redis says of an
/// output is acknowledged, and what stands behind that, because its process was killed in between,
/// is not. Whoever goes on with that output cuts it off, and else the one who finds the job done.
class shared_work {
public:
    shared_work(asio::io_context& context, const arguments& args)
        : args_{args},
          client_{context, make_client_options(args)},
          limiter_{context, args},
          where_{headgate::redis::client_options::with_key(args.work)},
          stream_{context, where_.options, where_.key,
                  headgate::redis::work_stream_options{}.visibility(std::chrono::seconds{10})},
          appending_{context, headgate::limit::in_flight(1)},
          pool_{context, std::clamp<std::size_t>(args.max_in_flight / list_part::most_pages, 1, 16)}
    {
    }

    /// Works until the job is done.
    /// @throws bad_usage if it must not, or std::exception that says why it cannot
    asio::awaitable<void> run()
    {
        co_await begin();
        auto work = [this](headgate::worker_pool::worker) { return take_parts(); };
        co_await pool_.async_run(work, asio::use_awaitable);
        if (failure_)
            std::rethrow_exception(failure_);
        if (!stopping_)
            co_await finish();
    }

    /// Gives back what it has begun, for others.
    void stop()
    {
        stopping_ = true;
        for (headgate::page_stream* each : reading_)
            each->cancel();
    }

    bool stopping() const noexcept { return stopping_; }
    const headgate::outcome& outcome() const noexcept { return outcome_; }
    const headgate::extract_statistics& statistics() const noexcept { return total_; }
    const headgate::redis::work_stream_statistics& job() const noexcept { return job_; }

    /// How many records this process has written, and how many stood in the output before.
    std::uint64_t records() const noexcept { return output_ ? known_.lines - before_ : 0; }
    std::uint64_t before() const noexcept { return before_; }

private:
    using fields = headgate::redis::work_fields;

    static constexpr const char* outputs = "output ";

    asio::awaitable<void> begin()
    {
        std::error_code failed;
        const std::string job = job_name(args_);
        std::vector<std::string> parts;
        parts.push_back(list_part::first().text());
        const auto seeded = co_await stream_.async_seed_all(
            job, parts, asio::redirect_error(asio::use_awaitable, failed));
        if (failed == headgate::redis::error::other_job)
            throw bad_usage{"--work " + where_.key + " is another job: " + seeded.job + ", not " +
                            job};
        check(failed);
        take_output();
        const fields all =
            co_await stream_.async_fields(asio::redirect_error(asio::use_awaitable, failed));
        check(failed);
        go_on_with_output(all);
    }

    /// Before it is asked what is acknowledged of it: who has written it until now may have added
    /// to that.
    void take_output()
    {
        try {
            output_.emplace(output_file::alone(args_.output));
        } catch (const std::exception& e) {
            throw bad_usage{e.what()};
        }
    }

    void go_on_with_output(const fields& all)
    {
        const auto mine = all.find(outputs + name_);
        is_registered_ = mine != all.end();
        if (is_registered_)
            known_ = read(mine->second);
        else if (output_->size() > 0) // a machine with a new name, or a job that Redis has lost
            throw bad_usage{args_.output + " is not empty, but --work " + where_.key +
                            " knows nothing of it. To begin anew remove it"};
        try {
            output_->go_on_behind(known_);
        } catch (const std::exception& e) {
            throw bad_usage{e.what()};
        }
        before_ = known_.lines;
    }

    asio::awaitable<void> take_parts()
    {
        while (!stopping_) {
            std::error_code failed;
            const auto patience = std::chrono::steady_clock::now() + std::chrono::milliseconds{500};
            auto item = co_await stream_.async_pop_until(
                patience, asio::redirect_error(asio::use_awaitable, failed));
            if (failed == asio::error::timed_out)
                continue;
            try {
                check(failed);
                if (!item)
                    break;
                co_await do_part(*item);
            } catch (const std::exception&) {
                if (!failure_)
                    failure_ = std::current_exception();
                stop();
            }
        }
    }

    asio::awaitable<void> do_part(const headgate::redis::work_item& item)
    {
        const list_part part{item.payload()};
        const auto place = std::make_shared<item_checkpoint>(part.progress());
        headgate::extract_options options = make_options(args_, nullptr, place);
        options.max_pages(part.pages())
            .max_in_flight(std::min<std::size_t>(args_.max_in_flight, list_part::most_pages));
        auto pages = start(client_, limiter_, args_, options);
        ndjson_lines lines;
        std::uint64_t count = 0;
        reading_.insert(&pages);
        for (;;) {
            auto page = co_await pages.next();
            if (!page)
                break;
            for (const headgate::record each : page->records())
                lines.append(each);
            count += page->records().size();
        }
        reading_.erase(&pages);
        add(pages.statistics());
        std::error_code failed;
        auto token = asio::redirect_error(asio::use_awaitable, failed);
        if (stopping_ && !pages.outcome().complete()) {
            co_await stream_.async_release(item, token);
            co_return;
        }
        const auto found = part.judge(args_, pages.outcome(), place->progress());
        fields more;
        if (!found.is_done) {
            const ndjson_lines none;
            co_await stream_delay();
            if (pages.outcome().complete()) {
                co_await stream_.async_fail(item, found.reason, token);
            } else if (const auto rest = part.rest(place->progress()); !rest.empty()) {
                co_await append(item, lines, count, more, rest);
            } else if (const auto pieces = part.pieces(args_);
                       !pieces.empty() && item.deliveries() >= stream_.options().max_deliveries()) {
                co_await append(item, none, 0, more, pieces);
            } else {
                co_await stream_.async_fail(item, found.reason, token);
            }
            co_return;
        }
        if (const auto total = pages.statistics().total; found.is_end && total)
            more["total"] = std::to_string(*total);
        co_await append(item, lines, count, more, found.follow_ups);
    }

    /// A part that failed is not to be had again at once.
    asio::awaitable<void> stream_delay()
    {
        asio::steady_timer wait{stream_.get_executor(), std::chrono::seconds{1}};
        co_await wait.async_wait(asio::use_awaitable);
    }

    /// Writes what a part brought and acknowledges it. One at a time: Redis knows one length.
    asio::awaitable<void> append(const headgate::redis::work_item& item, const ndjson_lines& lines,
                                 std::uint64_t count, fields more,
                                 const std::vector<std::string>& follow_ups)
    {
        const auto turn = co_await appending_.async_acquire_permit(1, asio::use_awaitable);
        std::error_code failed;
        auto token = asio::redirect_error(asio::use_awaitable, failed);
        if (!is_registered_ && !failure_) {
            fields begun;
            begun[outputs + name_] = text_of(known_);
            co_await stream_.async_update(item, item.payload(), begun, token);
            if (failed == headgate::redis::error::taken_over)
                co_return;
            check(failed);
            is_registered_ = true;
        }
        if (!failure_)
            write(lines, count);
        if (failure_) { // now, or that of another part: where the output ends is not known then
            co_await stream_.async_release(item, token);
            co_return;
        }
        const written now = output_->sync();
        more[outputs + name_] = text_of(now);
        co_await stream_.async_acknowledge(item, more, follow_ups, token);
        if (failed == headgate::redis::error::taken_over) {
            output_->cut(known_); // somebody else writes it
            co_return;
        }
        check(failed);
        known_ = now;
    }

    /// Writes so many records, or notes why it cannot. Of those of a part all are written or none.
    void write(const ndjson_lines& lines, std::uint64_t count)
    {
        try {
            check_output();
            output_->write(lines.text());
            const written now = output_->sync();
            check_output();
            if (now.lines != known_.lines + count)
                throw std::logic_error{"records were not written as lines"};
        } catch (const std::exception& e) {
            failure_ = std::make_exception_ptr(output_failure{e.what()});
            stop();
            take_back();
        }
    }

    void take_back() noexcept
    {
        try {
            output_->cut(known_);
        } catch (const std::exception&) {
            return; // what is too much is cut off by whoever goes on, or ends the job
        }
    }

    void check_output() const
    {
        if (!output_->is_in_place())
            throw std::runtime_error{args_.output +
                                     " was removed, replaced or changed while it was written"};
    }

    /// The job is done: says how, and cuts off what processes that were killed have left.
    asio::awaitable<void> finish()
    {
        std::error_code failed;
        auto token = asio::redirect_error(asio::use_awaitable, failed);
        job_ = co_await stream_.async_statistics(token);
        check(failed);
        const fields all = co_await stream_.async_fields(token);
        check(failed);
        if (!output_->is_in_place())
            throw output_failure{args_.output + " was removed, replaced or changed"};
        std::uint64_t lines = 0;
        for (const auto& [name, value] : all)
            if (name.starts_with(outputs)) {
                const written there = read(value);
                lines += there.lines;
                trim(name.substr(std::string{outputs}.size()), there);
            }
        using headgate::outcome_code;
        const auto total = all.find("total");
        if (job_.dead > 0) {
            const auto dead = co_await stream_.async_dead(1, token);
            outcome_ = {outcome_code::page_failed, std::to_string(job_.dead) +
                                                       " parts of the list could not be had; " +
                                                       (dead.empty() ? "" : dead.front().reason)};
        } else if (total != all.end() && total->second != std::to_string(lines)) {
            outcome_ = {outcome_code::count_mismatch, "the server tells of " + total->second +
                                                          " records, " + std::to_string(lines) +
                                                          " were written"};
        } else {
            outcome_ = {outcome_code::complete, "all " + std::to_string(job_.acknowledged) +
                                                    " parts of the list, " + std::to_string(lines) +
                                                    " records in all outputs"};
        }
    }

    /// Cuts off what was not acknowledged of an output that nobody writes any more.
    void trim(const std::string& name, const written& there)
    {
        const auto slash = name.find('/');
        if (name == name_ || slash == std::string::npos || name.substr(0, slash) != host_ + ':')
            return;
        const std::string file = name.substr(slash);
        std::error_code failed;
        if (std::filesystem::file_size(file, failed) <= there.bytes || failed)
            return;
        try {
            const output_file cut{file, there};
        } catch (const std::exception&) {
            return; // that it is longer than it should be Redis still says
        }
    }

    void check(std::error_code failed) const
    {
        if (failed)
            throw std::runtime_error{"--work " + where_.key + ": " + failed.message() +
                                     (stream_.last_error().empty() ? "" : ": ") +
                                     stream_.last_error()};
    }

    static written read(const std::string& text)
    {
        const auto from = nlohmann::json::parse(text);
        return {from.at("bytes").get<std::uint64_t>(), from.at("lines").get<std::uint64_t>(),
                from.at("tail").get<std::uint64_t>()};
    }

    static std::string text_of(const written& there)
    {
        return nlohmann::json{{"bytes", there.bytes}, {"lines", there.lines}, {"tail", there.tail}}
            .dump();
    }

    static std::string host_name()
    {
        char name[256] = {};
        return ::gethostname(name, sizeof name - 1) == 0 ? name : "localhost";
    }

    void add(const headgate::extract_statistics& one)
    {
        total_.pages += one.pages;
        total_.records += one.records;
        total_.requests += one.requests;
        total_.http_429 += one.http_429;
        total_.retries += one.retries;
        total_.refused += one.refused;
        total_.pauses += one.pauses;
        total_.waited += one.waited;
        total_.peak_in_flight = std::max(total_.peak_in_flight, one.peak_in_flight);
        total_.server = one.server;
    }

    const arguments& args_;
    headgate::http::client client_;
    run_limiter limiter_;
    headgate::redis::client_options::keyed where_;
    headgate::redis::work_stream stream_;
    headgate::async_limiter appending_;
    headgate::worker_pool pool_;
    const std::string host_ = host_name();
    const std::string name_ =
        host_ + ':' +
        std::filesystem::weakly_canonical(std::filesystem::absolute(args_.output)).string();
    std::optional<output_file> output_;
    written known_; // of the output, acknowledged
    std::uint64_t before_ = 0;
    std::set<headgate::page_stream*> reading_;
    bool stopping_ = false;
    bool is_registered_ = false; // Redis knows of the output
    std::exception_ptr failure_;
    headgate::outcome outcome_;
    headgate::extract_statistics total_;
    headgate::redis::work_stream_statistics job_;
};

#endif
