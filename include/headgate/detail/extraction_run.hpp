#ifndef HEADGATE_DETAIL_EXTRACTION_RUN_HPP
#define HEADGATE_DETAIL_EXTRACTION_RUN_HPP

#include <headgate/detail/asio.hpp>
#include <headgate/detail/extraction.hpp>
#include <headgate/detail/page_parser.hpp>
#include <headgate/detail/retry_policy.hpp>
#include <headgate/extract_options.hpp>
#include <headgate/http/error.hpp>
#include <headgate/http/rate_hint.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/outcome.hpp>
#include <headgate/page.hpp>
#include <headgate/paging/pager.hpp>
#include <headgate/permit.hpp>
#include <headgate/work_queue.hpp>
#include <headgate/worker_pool.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/basic_waitable_timer.hpp>
#include <asio/error.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
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

/// Ends a run; where it is thrown the outcome has been noted already.
class run_ended : public std::exception {
public:
    const char* what() const noexcept override { return "the extraction has ended"; }
};

/// One extraction: the pager plans, the queue hands out, the workers fetch and parse, the channel
/// delivers. Kept alive by its workers and by the stream.
template <class Client, class Limiter, class Pager>
class extraction_run final
    : public extraction,
      public std::enable_shared_from_this<extraction_run<Client, Limiter, Pager>> {
    using clock = typename Limiter::clock_type;
    using position = typename Pager::position;

    using time = std::chrono::nanoseconds;
    using timer = asio::basic_waitable_timer<clock, asio::wait_traits<clock>,
                                             typename Limiter::executor_type>;

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
          max_pages_{options.max_pages()},
          max_wait_{options.max_wait()},
          retries_{options.retries()},
          tasks_{limiter_.get_executor(), options.max_in_flight()},
          pool_{limiter_.get_executor(), options.max_in_flight()}
    {
    }

    void start()
    {
        plan();
        auto self = this->shared_from_this();
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
        result.elapsed = (finished_ ? *finished_ : clock::now()) - started_;
        if constexpr (requires { pager_.expected(); })
            result.total = pager_.expected();
        return result;
    }

private:
    /// Counts a request as in flight.
    class flight {
    public:
        flight(extraction_run& run, bool again) : run_{run}
        {
            std::lock_guard lock{run_.mutex_};
            auto& all = run_.statistics_;
            ++all.requests;
            all.retries += again ? 1 : 0;
            all.peak_in_flight = std::max(all.peak_in_flight, ++all.in_flight);
        }
        flight(const flight&) = delete;
        flight& operator=(const flight&) = delete;
        ~flight()
        {
            std::lock_guard lock{run_.mutex_};
            --run_.statistics_.in_flight;
        }

    private:
        extraction_run& run_;
    };

    /// Moves what the pager knows to ask for into the queue, as far as there is room.
    void plan()
    {
        std::lock_guard lock{mutex_};
        for (;;) {
            if (!planned_) {
                std::optional<position> where = pager_.next();
                if (!where)
                    break;
                if (next_index_ == max_pages_) {
                    note_locked(outcome_code::page_cap,
                                "stopped after " + std::to_string(max_pages_) +
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

    asio::awaitable<void> fetch_pages(worker_pool::worker me)
    {
        while (auto next = co_await tasks_.async_pop(asio::use_awaitable)) {
            plan();
            auto place = co_await pages_.async_reserve(asio::use_awaitable);
            for (unsigned tries = 0;; ++tries) {
                const bool fetched = co_await fetch(*next, tries, me, place);
                if (fetched)
                    break;
            }
            plan();
        }
    }

    /// One try for a page; false if there is to be another.
    asio::awaitable<bool> fetch(const task& what, unsigned tries, const worker_pool::worker& me,
                                extraction::channel::place& place)
    {
        auto granted = co_await limiter_.async_acquire_permit(1, as_tuple(asio::use_awaitable));
        if (std::get<0>(granted))
            stop(outcome_code::cancelled, "limiter: " + std::get<0>(granted).message());
        permit paid = std::move(std::get<1>(granted));
        const auto busy = me.in_flight();
        http::request request = make_request(what);
        const bool repeatable = request.method() == "GET" || request.method() == "HEAD";
        const time sent = now();
        std::error_code failed;
        http::response response;
        {
            const flight counted{*this, tries > 0};
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
        if (!failed)
            heed(response);
        if (!failed && retry_policy::is_throttled(response)) {
            pause(what, tries, response, sent);
            co_return false;
        }
        std::optional<failure> wrong = failed ? failure{response.error_text(), may_pass(failed)}
                                              : deliver(what, response, sent, place);
        if (!wrong)
            co_return true;
        if (!repeatable || !wrong->may_pass || !take_retry(tries))
            page_failed(what, wrong->reason, tries);
        paid = permit{};
        timer wait{limiter_.get_executor(), backoff(tries)};
        co_await wait.async_wait(asio::use_awaitable);
        co_return false;
    }

    /// Has everybody wait where an answer says that nothing is left of the limit. What a server
    /// says only ever makes the caller's limit tighter; a wait that is longer than the caller
    /// allows is for a refusal to end the run with.
    void heed(const http::response& response)
    {
        const http::rate_hint hint = http::read_rate_hint(response);
        if (hint.exhausted() && *hint.reset <= max_wait_)
            limiter_.pause_until(clock::now() +
                                 std::chrono::ceil<typename clock::duration>(*hint.reset));
    }

    /// Has everybody wait because the server said so.
    void pause(const task& what, unsigned tries, const http::response& response, time sent)
    {
        time wait{0};
        bool again = false;
        {
            std::lock_guard lock{mutex_};
            statistics_.http_429 += response.status() == 429 ? 1 : 0;
            wait = retries_.throttled(response, sent, now());
            again = retries_.may_repeat(tries);
            statistics_.pauses = retries_.events();
        }
        const std::string status =
            "the server answered with status " + std::to_string(response.status());
        if (wait > max_wait_)
            stop(outcome_code::wait_too_long,
                 name(what) + status + " and wants a wait of " +
                     std::to_string(std::chrono::ceil<std::chrono::seconds>(wait).count()) +
                     " s, more than the " +
                     std::to_string(std::chrono::floor<std::chrono::seconds>(max_wait_).count()) +
                     " s allowed");
        if (!again)
            page_failed(what, status, tries);
        limiter_.pause_until(clock::now() + std::chrono::ceil<typename clock::duration>(wait));
    }

    bool may_pass(std::error_code failed) const
    {
        std::lock_guard lock{mutex_};
        return retries_.may_pass(failed);
    }

    bool take_retry(unsigned tries)
    {
        std::lock_guard lock{mutex_};
        return retries_.take(tries);
    }

    time backoff(unsigned tries)
    {
        std::lock_guard lock{mutex_};
        return retries_.backoff(tries);
    }

    time now() const { return std::chrono::floor<time>(clock::now() - started_); }

    http::request make_request(const task& what)
    {
        try {
            std::lock_guard lock{mutex_};
            return pager_.request(what.where);
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
            retries_.succeeded(sent);
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
        }
        pages_.close(std::move(result));
    }

    Client client_;
    Limiter limiter_;
    mutable std::mutex mutex_;
    Pager pager_;
    const page_parser parser_;
    const std::uint64_t max_pages_;
    const time max_wait_;
    retry_policy retries_;
    work_queue<task> tasks_;
    worker_pool pool_;

    std::optional<task> planned_;
    std::uint64_t next_index_ = 0;
    outcome outcome_;
    extract_statistics statistics_;
    const typename clock::time_point started_ = clock::now();
    std::optional<typename clock::time_point> finished_;
};

} // namespace headgate::detail

#endif
