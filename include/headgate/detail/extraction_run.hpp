#ifndef HEADGATE_DETAIL_EXTRACTION_RUN_HPP
#define HEADGATE_DETAIL_EXTRACTION_RUN_HPP

#include <headgate/detail/asio.hpp>
#include <headgate/detail/extraction.hpp>
#include <headgate/detail/page_parser.hpp>
#include <headgate/http/response.hpp>
#include <headgate/outcome.hpp>
#include <headgate/page.hpp>
#include <headgate/paging/pager.hpp>
#include <headgate/work_queue.hpp>
#include <headgate/worker_pool.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/error.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
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

    struct task {
        std::uint64_t index;
        position where;
    };

public:
    extraction_run(Client client, Limiter limiter, Pager pager, page_parser parser,
                   std::size_t max_in_flight, std::uint64_t max_pages)
        : extraction{limiter.get_executor(), max_in_flight},
          client_{std::move(client)},
          limiter_{std::move(limiter)},
          pager_{std::move(pager)},
          parser_{std::move(parser)},
          max_pages_{max_pages},
          tasks_{limiter_.get_executor(), max_in_flight},
          pool_{limiter_.get_executor(), max_in_flight}
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
        explicit flight(extraction_run& run) : run_{run}
        {
            std::lock_guard lock{run_.mutex_};
            auto& all = run_.statistics_;
            ++all.requests;
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
            auto granted = co_await limiter_.async_acquire(1, as_tuple(asio::use_awaitable));
            if (std::get<0>(granted))
                stop(outcome_code::cancelled, "limiter: " + std::get<0>(granted).message());
            const auto busy = me.in_flight();
            co_await fetch(*next, place);
        }
    }

    asio::awaitable<void> fetch(const task& what, extraction::channel::place& place)
    {
        http::request request = make_request(what);
        std::error_code failed;
        http::response response;
        {
            const flight counted{*this};
            auto answer =
                co_await client_.async_send(std::move(request), as_tuple(asio::use_awaitable));
            failed = std::get<0>(answer);
            response = std::move(std::get<1>(answer));
        }
        if (failed == asio::error::operation_aborted)
            stop(outcome_code::cancelled, printable(response.error_text()));
        if (failed)
            page_failed(what, response.error_text());
        deliver(what, std::move(response), place);
        plan();
    }

    http::request make_request(const task& what)
    {
        try {
            std::lock_guard lock{mutex_};
            return pager_.request(what.where);
        } catch (const std::exception& e) {
            page_failed(what, e.what());
        }
    }

    void deliver(const task& what, http::response response, extraction::channel::place& place)
    {
        std::optional<page> result;
        try {
            if (response.status() == 429) {
                std::lock_guard lock{mutex_};
                ++statistics_.http_429;
            }
            parsed_page parsed = parser_.parse(response);
            std::lock_guard lock{mutex_};
            const std::size_t kept = pager_.received(
                what.where, paging::page_content{response, parsed.document, parsed.records.size()});
            if (kept < parsed.records.size())
                parsed.records.resize(kept);
            ++statistics_.pages;
            statistics_.records += parsed.records.size();
            result.emplace(what.index, pager_.describe(what.where), std::move(parsed.records));
        } catch (const std::exception& e) {
            page_failed(what, e.what());
        }
        if (!result->records().empty())
            place.send(std::move(*result));
    }

    [[noreturn]] void page_failed(const task& what, const std::string& reason)
    {
        std::string where;
        {
            std::lock_guard lock{mutex_};
            where = pager_.describe(what.where);
        }
        stop(outcome_code::page_failed, "page at " + where + ": " + printable(reason));
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

    void finish(const std::exception_ptr& failure)
    {
        if (failure) {
            try {
                std::rethrow_exception(failure);
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
