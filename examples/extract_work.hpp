#ifndef EXTRACT_WORK_HPP
#define EXTRACT_WORK_HPP

#include "extract_checkpoint.hpp"
#include "extract_limiter.hpp"
#include "extract_options.hpp"
#include "extract_output.hpp"
#include "extract_paging.hpp"
#include "extract_work_item.hpp"
#include "extract_work_output.hpp"

#include <headgate/async_limiter.hpp>
#include <headgate/http/client.hpp>
#include <headgate/redis/work_stream.hpp>
#include <headgate/worker_pool.hpp>

#include <asio/awaitable.hpp>
#include <asio/io_context.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

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
          pool_{context,
                std::clamp<std::size_t>(args.max_in_flight / list_part::most_pages, 1, 16)},
          output_{args.output}
    {
    }

    /// Works until the job is done.
    /// @throws bad_usage if it must not, or std::exception that says why it cannot
    asio::awaitable<void> run()
    {
        co_await begin();
        auto work = [this](headgate::worker_pool::worker me) { return take_parts(std::move(me)); };
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
    std::uint64_t records() const noexcept { return output_.records(); }
    std::uint64_t before() const noexcept { return output_.before(); }

private:
    using clock = std::chrono::steady_clock;
    using fields = headgate::redis::work_fields;

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
        output_.take();
        const fields all =
            co_await stream_.async_fields(asio::redirect_error(asio::use_awaitable, failed));
        check(failed);
        output_.go_on(all, where_.key);
    }

    asio::awaitable<void> take_parts(headgate::worker_pool::worker me)
    {
        while (!stopping_) {
            std::error_code failed;
            const auto patience = clock::now() + std::chrono::milliseconds{500};
            auto item = co_await stream_.async_pop_until(
                patience, asio::redirect_error(asio::use_awaitable, failed));
            if (failed == asio::error::timed_out)
                continue;
            try {
                check(failed);
                if (!item)
                    break;
                const auto busy = me.in_flight(); // another waits for the next part
                co_await do_part(*item);
            } catch (const std::exception&) {
                fail();
            }
        }
    }

    /// What is thrown ends this process's share.
    void fail()
    {
        if (!failure_)
            failure_ = std::current_exception();
        stop();
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
        const auto begun = clock::now();
        reading_.insert(&pages);
        for (;;) {
            auto page = co_await pages.next();
            if (!page)
                break;
            for (const headgate::record each : page->records())
                lines.append(each);
            count += page->records().size();
            last_page_ = clock::now();
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
            if (const auto rest = part.rest(place->progress());
                !rest.empty() && !pages.outcome().complete())
                co_await append(item, lines, count, more, rest);
            else
                co_await retry(item, part, pages.outcome(), found.reason, begun);
            co_return;
        }
        if (const auto total = pages.statistics().total; found.is_end && total)
            more["total"] = std::to_string(*total);
        co_await append(item, lines, count, more, found.follow_ups);
    }

    /// A part brought nothing. It is tried again a few times, then its pages one by one, then it is
    /// set aside. Not if no page came for any other meanwhile: then it may be the server that
    /// fails, which is waited for; nor if it is the limit that keeps this process back.
    asio::awaitable<void> retry(const headgate::redis::work_item& item, const list_part& part,
                                headgate::outcome how, std::string reason, clock::time_point begun)
    {
        using headgate::outcome_code;
        std::error_code failed;
        auto token = asio::redirect_error(asio::use_awaitable, failed);
        const bool is_kept_back =
            how.code() == outcome_code::cancelled || how.code() == outcome_code::wait_too_long;
        const bool is_served = how.code() != outcome_code::page_failed || last_page_ > begun;
        const auto pieces = part.pieces(args_);
        const ndjson_lines none;
        const fields nothing;
        const bool is_too_long = !is_served && clock::now() - last_page_ > args_.max_wait;
        if (is_too_long && !pieces.empty()) {
            last_page_ = clock::now(); // each of them has its time
            co_await append(item, none, 0, nothing, pieces);
            co_return;
        }
        if (is_kept_back || is_too_long) {
            co_await stream_.async_release(item, token);
            throw work_failure{std::string{to_string(how.code())}, how.reason()};
        }
        if (last_page_ != waited_since_)
            wait_ = std::chrono::seconds{1};
        waited_since_ = last_page_;
        const std::chrono::seconds time = is_served ? std::chrono::seconds{1} : wait_;
        co_await wait_for(time);
        if (!is_served) {
            wait_ = std::min(2 * time, std::chrono::seconds{30});
            co_await stream_.async_release(item, token);
            co_return;
        }
        if (how.code() == outcome_code::page_failed && !pieces.empty() &&
            item.deliveries() >= stream_.options().max_deliveries())
            co_await append(item, none, 0, nothing, pieces);
        else
            co_await stream_.async_fail(item, std::move(reason), token);
    }

    /// Waits, unless this process is to end.
    asio::awaitable<void> wait_for(std::chrono::seconds time)
    {
        const auto until = clock::now() + time;
        while (!stopping_ && clock::now() < until) {
            asio::steady_timer wait{stream_.get_executor(), std::chrono::milliseconds{500}};
            co_await wait.async_wait(asio::use_awaitable);
        }
    }

    /// Writes what a part brought and acknowledges it. One at a time: Redis knows one length.
    asio::awaitable<void> append(const headgate::redis::work_item& item, const ndjson_lines& lines,
                                 std::uint64_t count, fields more,
                                 const std::vector<std::string>& follow_ups)
    {
        const auto turn = co_await appending_.async_acquire_permit(1, asio::use_awaitable);
        std::error_code failed;
        auto token = asio::redirect_error(asio::use_awaitable, failed);
        if (!output_.is_known() && !failure_) {
            fields begun;
            begun[output_.name()] = output_.note();
            co_await stream_.async_update(item, item.payload(), begun, token);
            if (failed == headgate::redis::error::taken_over)
                co_return;
            check(failed);
            output_.is_known(true);
        }
        try {
            if (!failure_)
                output_.write(lines, count);
        } catch (const std::exception&) {
            fail();
        }
        if (failure_) { // now, or that of another part: where the output ends is not known then
            co_await stream_.async_release(item, token);
            co_return;
        }
        more[output_.name()] = output_.note();
        co_await stream_.async_acknowledge(item, more, follow_ups, token);
        if (failed == headgate::redis::error::taken_over) {
            output_.take_back(); // somebody else writes it
            co_return;
        }
        check(failed);
        output_.acknowledge();
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
        output_.check();
        const std::uint64_t lines = output_.trim_all(all);
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

    void check(std::error_code failed) const
    {
        if (failed)
            throw work_failure{"work_failed", "--work " + where_.key + ": " + failed.message() +
                                                  (stream_.last_error().empty() ? "" : ": ") +
                                                  stream_.last_error()};
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
    work_output output_;
    std::set<headgate::page_stream*> reading_;
    bool stopping_ = false;
    clock::time_point last_page_ = clock::now(); // or what else the wait for the server began with
    clock::time_point waited_since_;             // last_page_ when it was last waited for another
    std::chrono::seconds wait_{1};
    std::exception_ptr failure_;
    headgate::outcome outcome_;
    headgate::extract_statistics total_;
    headgate::redis::work_stream_statistics job_;
};

#endif
