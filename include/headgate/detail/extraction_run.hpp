#ifndef HEADGATE_DETAIL_EXTRACTION_RUN_HPP
#define HEADGATE_DETAIL_EXTRACTION_RUN_HPP

#include <headgate/async_limiter.hpp>
#include <headgate/detail/asio.hpp>
#include <headgate/detail/clock_timer.hpp>
#include <headgate/detail/extraction.hpp>
#include <headgate/detail/flight.hpp>
#include <headgate/detail/page_parser.hpp>
#include <headgate/detail/rate_control.hpp>
#include <headgate/detail/retry_policy.hpp>
#include <headgate/detail/stall_watch.hpp>
#include <headgate/extract_options.hpp>
#include <headgate/http/error.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/limit.hpp>
#include <headgate/outcome.hpp>
#include <headgate/page.hpp>
#include <headgate/paging/pager.hpp>
#include <headgate/permit.hpp>
#include <headgate/work_queue.hpp>
#include <headgate/worker_pool.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/error.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

namespace headgate::detail {

/// One extraction: the pager plans, the queue hands out, the workers fetch and parse, the channel
/// delivers. Kept alive by its workers and by the stream.
template <class Client, class Limiter, class Pager>
class extraction_run final
    : public extraction,
      public std::enable_shared_from_this<extraction_run<Client, Limiter, Pager>> {
    using clock = typename Limiter::clock_type;
    using position = typename Pager::position;

    using time = std::chrono::nanoseconds;
    using timer = clock_timer<clock, typename Limiter::executor_type>;

    using stall_watch_type = stall_watch<clock, typename Limiter::executor_type>;

    struct task {
        std::uint64_t index;
        position where;
    };

    /// Why a try for a page came to nothing, and whether another may do better.
    class failure {
    public:
        failure(std::string why, bool may_be_tried_again)
            : reason{std::move(why)}, may_pass{may_be_tried_again}
        {
        }

        std::string reason;
        bool may_pass;
    };

public:
    extraction_run(Client client, Limiter limiter, Pager pager, const extract_options& options)
        : extraction{limiter.get_executor(), options.max_in_flight()},
          client_{std::move(client)},
          limiter_{std::move(limiter)},
          pager_{std::move(pager)},
          parser_{options.records()},
          options_{options},
          control_{options, limiter_.limits()},
          renewing_{limiter_.get_executor(), limit::in_flight(1)},
          tasks_{limiter_.get_executor(), options.max_in_flight()},
          pool_{limiter_.get_executor(), options.max_in_flight()}
    {
    }

    void start()
    {
        plan();
        if (const auto limits = control_.first_limits())
            limiter_.set_limits(*limits);
        auto self = this->shared_from_this();
        if (const auto longest = options_.stall_after()) {
            stall_watch_ = std::make_shared<stall_watch_type>(
                limiter_.get_executor(), *longest, [weak = this->weak_from_this()] {
                    if (const auto run = weak.lock())
                        run->stalled();
                });
            stall_watch_->start();
        }
        auto work = [self](worker_pool::worker me) { return self->fetch_pages(me); };
        pool_.async_run(std::move(work), [self](std::exception_ptr e) { self->finish(e); });
    }

    void cancel() override
    {
        note(outcome_code::cancelled, "stopped by the caller");
        pool_.cancel();
    }

    extract_statistics statistics() const override
    {
        std::lock_guard lock{mutex_};
        extract_statistics result = statistics_;
        result.pauses = control_.retries().events();
        result.server = control_.report();
        result.rate_share = control_.rate_share();
        result.in_flight_allowed = control_.in_flight();
        result.elapsed = (finished_ ? *finished_ : clock::now()) - started_;
        if constexpr (requires { pager_.expected(); })
            result.total = pager_.expected();
        return result;
    }

private:
    /// Moves what the pager knows to ask for into the queue, as far as there is room.
    void plan()
    {
        std::lock_guard lock{mutex_};
        for (;;) {
            if (!planned_) {
                std::optional<position> where = pager_.next();
                if (!where)
                    break;
                if (next_index_ == options_.max_pages()) {
                    note_locked(outcome_code::page_cap,
                                "stopped after " + std::to_string(options_.max_pages()) +
                                    " pages, the most allowed; the list goes on");
                    tasks_.close();
                    return;
                }
                planned_.emplace(task{next_index_++, std::move(*where)});
            }
            if (!tasks_.try_push(std::move(*planned_)))
                return;
            planned_.reset();
        }
        if (const std::optional<paging::page_end> end = pager_.end()) {
            note_locked(end->code(), end->reason());
            tasks_.close();
        }
    }

    /// What has been tried for a page.
    struct effort {
        unsigned tries = 0;          ///< that came to nothing
        unsigned refusals = 0;       ///< of those, "too many" since another page came
        std::uint64_t pages = 0;     ///< how many had come then
        unsigned credentials = 0;    ///< those that the last request was sent with
        bool renewed = false;        ///< credentials were renewed for it
        std::optional<typename stall_watch_type::attempt> watched;
    };

    asio::awaitable<void> fetch_pages(worker_pool::worker me)
    {
        while (auto next = co_await tasks_.async_pop(asio::use_awaitable)) {
            plan();
            auto place = co_await pages_.async_reserve(asio::use_awaitable);
            for (effort so_far;; ++so_far.tries) {
                const bool fetched = co_await fetch(*next, so_far, me, place);
                if (fetched)
                    break;
            }
            plan();
        }
    }

    /// One try for a page; false if there is to be another.
    asio::awaitable<bool> fetch(const task& what, effort& so_far, const worker_pool::worker& me,
                                extraction::channel::place& place)
    {
        auto granted = co_await limiter_.async_acquire_permit(1, as_tuple(asio::use_awaitable));
        if (std::get<0>(granted))
            stop(outcome_code::cancelled, "limiter: " + std::get<0>(granted).message());
        permit paid = std::move(std::get<1>(granted));
        const auto busy = me.in_flight();
        if (stall_watch_ && so_far.tries == 0)
            so_far.watched.emplace(stall_watch_);
        http::request request = make_request(what, so_far);
        const bool repeatable = options_.repeat_any_method() || request.method() == "GET" ||
                                request.method() == "HEAD";
        const time sent = now();
        std::error_code failed;
        http::response response;
        {
            const flight counted{mutex_, statistics_, so_far.tries > 0};
            paid.commit();
            auto answer =
                co_await client_.async_send(std::move(request), as_tuple(asio::use_awaitable));
            failed = std::get<0>(answer);
            response = std::move(std::get<1>(answer));
        }
        if (failed == asio::error::operation_aborted)
            stop(outcome_code::cancelled, printable(response.error_text()));
        if (failed == http::error::connect_failed || failed == http::error::resolve_failed)
            paid.settle(0); // the server has not seen it
        if (!failed && is_refused(what, so_far, response, sent))
            co_return false;
        if (response.status() == 401 && options_.refresh() && !so_far.renewed) {
            so_far.renewed = true;
            paid = permit{};
            co_await renew_credentials(what, so_far);
            co_return false;
        }
        std::optional<failure> wrong = failed ? failure{response.error_text(), may_pass(failed)}
                                              : deliver(what, response, sent, place);
        if (!wrong)
            co_return true;
        if (!repeatable || !wrong->may_pass || !take_retry(so_far.tries))
            page_failed(what, wrong->reason, so_far.tries);
        paid = permit{};
        timer wait{limiter_.get_executor(), backoff(so_far.tries)};
        co_await wait.async_wait(asio::use_awaitable);
        co_return false;
    }

    /// Does what an answer says of the limit: others wait, or the limits change. True if it says
    /// that this request was too many.
    bool is_refused(const task& what, effort& so_far, const http::response& response, time sent)
    {
        rate_control::reaction reaction;
        bool again = true;
        {
            std::lock_guard lock{mutex_};
            statistics_.http_429 += response.status() == 429 ? 1 : 0;
            reaction = control_.heard(response, sent, now(), statistics_.in_flight);
            if (reaction.refused) {
                ++statistics_.refused;
                if (std::exchange(so_far.pages, control_.retries().successes()) != so_far.pages)
                    so_far.refusals = 0;
                again = control_.retries().may_repeat(so_far.refusals++);
            }
            if (reaction.limits)
                limiter_.set_limits(*reaction.limits);
        }
        const time wait = reaction.wait.value_or(time{0});
        if (reaction.refused) {
            const std::string status =
                "the server answered with status " + std::to_string(response.status());
            using std::chrono::seconds;
            if (wait > options_.max_wait())
                stop(outcome_code::wait_too_long,
                     name(what) + status + " and wants a wait of " +
                         std::to_string(std::chrono::ceil<seconds>(wait).count()) +
                         " s, more than the " +
                         std::to_string(std::chrono::floor<seconds>(options_.max_wait()).count()) +
                         " s allowed");
            if (!again)
                page_failed(what, status, so_far.tries);
        }
        if (reaction.wait) {
            const auto until =
                clock::now() + std::chrono::ceil<typename clock::duration>(wait);
            limiter_.pause_until(until);
            if (stall_watch_)
                stall_watch_->progress(until);
        }
        return reaction.refused;
    }

    /// Has the caller get new credentials, unless somebody else has done so since `so_far` was sent.
    asio::awaitable<void> renew_credentials(const task& what, const effort& so_far)
    {
        auto turn = co_await renewing_.async_acquire_permit(1, asio::use_awaitable);
        if (credentials_ == so_far.credentials) {
            try {
                auto renewed = options_.refresh()();
                co_await std::move(renewed);
            } catch (const std::exception& e) {
                page_failed(what, std::string{"getting new credentials: "} + e.what(), 0);
            }
            ++credentials_;
        }
    }

    bool may_pass(std::error_code failed) const
    {
        std::lock_guard lock{mutex_};
        return control_.retries().may_pass(failed);
    }

    bool take_retry(unsigned tries)
    {
        std::lock_guard lock{mutex_};
        return control_.retries().take(tries);
    }

    time backoff(unsigned tries)
    {
        std::lock_guard lock{mutex_};
        return control_.retries().backoff(tries);
    }

    time now() const { return std::chrono::floor<time>(clock::now() - started_); }

    http::request make_request(const task& what, effort& so_far)
    {
        try {
            std::optional<http::request> result;
            {
                std::lock_guard lock{mutex_};
                result.emplace(pager_.request(what.where));
            }
            std::lock_guard lock{preparing_};
            so_far.credentials = credentials_;
            if (options_.prepare())
                options_.prepare()(*result);
            return std::move(*result);
        } catch (const std::exception& e) {
            page_failed(what, e.what(), 0);
        }
    }

    /// Parses and delivers a page; says why if it cannot.
    std::optional<failure> deliver(const task& what, const http::response& response, time sent,
                                   extraction::channel::place& place)
    {
        std::optional<page> result;
        try {
            parsed_page parsed = parser_.parse(response);
            std::lock_guard lock{mutex_};
            const std::size_t kept = pager_.received(
                what.where, paging::page_content{response, parsed.document, parsed.records.size()});
            if (kept < parsed.records.size())
                parsed.records.resize(kept);
            control_.retries().succeeded(sent);
            if (stall_watch_)
                stall_watch_->progress(clock::now());
            ++statistics_.pages;
            statistics_.records += parsed.records.size();
            result.emplace(what.index, pager_.describe(what.where), std::move(parsed.records));
        } catch (const unreadable_body& e) {
            return failure{e.what(), true};
        } catch (const std::exception& e) {
            return failure{e.what(), retry_policy::may_pass(response)};
        }
        if (!result->records().empty())
            place.send(std::move(*result));
        return std::nullopt;
    }

    [[noreturn]] void page_failed(const task& what, const std::string& reason, unsigned tries)
    {
        const std::string after =
            tries > 0 ? " (after " + std::to_string(tries + 1) + " tries)" : std::string{};
        stop(outcome_code::page_failed, name(what) + printable(reason) + after);
    }

    std::string name(const task& what) const
    {
        std::lock_guard lock{mutex_};
        return "page at " + pager_.describe(what.where) + ": ";
    }

    [[noreturn]] void stop(outcome_code code, std::string reason)
    {
        note(code, std::move(reason));
        throw run_ended{};
    }

    void note(outcome_code code, std::string reason)
    {
        std::lock_guard lock{mutex_};
        note_locked(code, std::move(reason));
    }

    /// The first that ends the run says how it went.
    void note_locked(outcome_code code, std::string reason)
    {
        if (outcome_.code() == outcome_code::in_progress)
            outcome_ = outcome{code, std::move(reason)};
    }

    void stalled()
    {
        const std::chrono::duration<double> longest = *options_.stall_after();
        note(outcome_code::stalled, "no page came for " + std::to_string(longest.count()) + " s");
        pool_.cancel();
    }

    void finish(const std::exception_ptr& thrown)
    {
        if (thrown) {
            try {
                std::rethrow_exception(thrown);
            } catch (const std::exception& e) {
                note(outcome_code::page_failed, e.what());
            }
        }
        outcome result;
        {
            std::lock_guard lock{mutex_};
            finished_ = clock::now();
            result = outcome_;
            if (const auto limits = control_.last_limits())
                limiter_.set_limits(*limits);
        }
        if (stall_watch_)
            stall_watch_->stop();
        pages_.close(std::move(result));
    }

    Client client_;
    Limiter limiter_;
    mutable std::mutex mutex_;
    Pager pager_;
    const page_parser parser_;
    const extract_options options_;
    rate_control control_;
    basic_async_limiter<clock, typename Limiter::executor_type> renewing_;
    std::atomic<unsigned> credentials_ = 0;
    std::mutex preparing_;
    basic_work_queue<task, clock> tasks_;
    worker_pool pool_;
    std::shared_ptr<stall_watch_type> stall_watch_;

    std::optional<task> planned_;
    std::uint64_t next_index_ = 0;
    outcome outcome_;
    extract_statistics statistics_;
    const typename clock::time_point started_ = clock::now();
    std::optional<typename clock::time_point> finished_;
};

} // namespace headgate::detail

#endif
