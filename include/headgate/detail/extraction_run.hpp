#ifndef HEADGATE_DETAIL_EXTRACTION_RUN_HPP
#define HEADGATE_DETAIL_EXTRACTION_RUN_HPP

#include <headgate/checkpoint.hpp>
#include <headgate/detail/any_pager.hpp>
#include <headgate/detail/asio.hpp>
#include <headgate/detail/clock_timer.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/extraction.hpp>
#include <headgate/detail/extraction_state.hpp>
#include <headgate/detail/flight.hpp>
#include <headgate/detail/page_effort.hpp>
#include <headgate/detail/page_failure.hpp>
#include <headgate/detail/page_wait.hpp>
#include <headgate/detail/printable.hpp>
#include <headgate/detail/rate_control.hpp>
#include <headgate/detail/request_preparer.hpp>
#include <headgate/detail/retry_policy.hpp>
#include <headgate/detail/stall_watch.hpp>
#include <headgate/error.hpp>
#include <headgate/extract_options.hpp>
#include <headgate/http/client_options.hpp>
#include <headgate/http/error.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/http/url.hpp>
#include <headgate/limit.hpp>
#include <headgate/observer.hpp>
#include <headgate/outcome.hpp>
#include <headgate/permit.hpp>
#include <headgate/work_queue.hpp>
#include <headgate/worker_pool.hpp>

#include HEADGATE_ASIO(awaitable.hpp)
#include HEADGATE_ASIO(bind_cancellation_slot.hpp)
#include HEADGATE_ASIO(cancellation_state.hpp)
#include HEADGATE_ASIO(cancellation_type.hpp)
#include HEADGATE_ASIO(error.hpp)
#include HEADGATE_ASIO(this_coro.hpp)
#include HEADGATE_ASIO(use_awaitable.hpp)

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// One extraction: the plan says what to ask for, the workers fetch and parse, the channel
/// delivers. Kept alive by its workers and by the stream.
template <class Client, class Limiter>
class extraction_run final : public extraction,
                             public std::enable_shared_from_this<extraction_run<Client, Limiter>> {
    using clock = typename Limiter::clock_type;
    using executor = typename Limiter::executor_type;
    using timer = clock_timer<clock, executor>;
    using stall_watch_type = stall_watch<clock, executor>;

    /// Whether the limiter is this process's alone. Another one knows itself what was spent.
    static constexpr bool has_own_limits = requires(Limiter & one) { one.exhaust(clock::now()); };

    using time = extraction_state::time;
    using task = extraction_state::task;
    using use = extraction_state::use;
    using pending_page = extraction_state::pending_page;
    using wait_kind = page_waits<task>::kind;
    using wait_end = page_wait<task>::how;

    struct effort : page_effort {
        std::optional<typename stall_watch_type::attempt> watched;
    };

public:
    extraction_run(Client client, Limiter limiter, std::unique_ptr<any_pager> pager,
                   const extract_options& options)
        : extraction{limiter.get_executor(), options.max_in_flight(),
                     options.checkpoint() != nullptr},
          client_{std::move(client)},
          limiter_{std::move(limiter)},
          state_{std::move(pager), options, limiter_.limits(), max_body_bytes(client_),
                 [this] { return now(); }},
          preparer_{limiter_.get_executor(), state_.options()},
          ready_{limiter_.get_executor(), options.max_in_flight()},
          pool_{limiter_.get_executor(), options.max_in_flight()}
    {
    }

    /// @throws what the checkpoint throws, and as `progress_keeper::load`
    void start()
    {
        if (state_.options().checkpoint())
            resume();
        state_.observed().tell([this](observer& to, time at) {
            to.on_limits(at, state_.first_limits().value_or(limiter_.limits()));
        });
        plan();
        if (const auto limits = state_.first_limits())
            limiter_.set_limits(*limits);
        auto self = this->shared_from_this();
        if (const auto longest = state_.options().stall_after()) {
            stall_watch_ = stall_watch_type::create(limiter_.get_executor(), *longest,
                                                    [weak = this->weak_from_this()] {
                                                        if (const auto run = weak.lock())
                                                            run->stalled();
                                                    });
            stall_watch_->start();
        }
        auto work = [self](worker_pool::worker me) { return self->work(me); };
        pool_.async_run(std::move(work), [self](std::exception_ptr e) { self->finish(e); });
    }

    void acknowledge(std::uint64_t index) override
    {
        try {
            state_.acknowledge(index, now());
        } catch (const std::exception& e) {
            fail_to_keep(e);
            throw;
        }
    }

    void cancel() override
    {
        state_.note(outcome_code::cancelled, "stopped by the caller");
        pool_.cancel();
    }

    extract_statistics statistics() const override
    {
        extract_statistics result = state_.statistics();
        std::lock_guard lock{finished_mutex_};
        result.elapsed = (finished_ ? *finished_ : clock::now()) - started_;
        return result;
    }

private:
    void finish_taken() override
    {
        if (state_.options().acknowledged_by_hand())
            return;
        try {
            state_.finish_taken(pages_, now());
        } catch (const std::exception& e) {
            fail_to_keep(e);
        }
    }

    void fail_to_keep(const std::exception& why)
    {
        state_.note(outcome_code::checkpoint_failed, printable(why.what()));
        pool_.cancel();
    }

    /// Goes on where a run before stood, in the list and with the limit.
    void resume()
    {
        const checkpoint::state found = state_.resume(limiter_.limits());
        if constexpr (has_own_limits) {
            const auto ago = [now = clock::now()](time span) {
                return now - std::chrono::floor<typename clock::duration>(span);
            };
            if (const auto told = state_.first_limits())
                limiter_.set_limits(*told);
            if (found.unknown_until)
                limiter_.exhaust(ago(*found.unknown_until));
            for (const auto& each : found.tokens)
                limiter_.recall(each.tokens, ago(each.ago),
                                each.answered ? std::optional{ago(*each.answered)} : std::nullopt);
        }
        if (found.pause > time{0})
            limiter_.pause_until(clock::now() +
                                 std::chrono::ceil<typename clock::duration>(found.pause));
    }

    /// Announces what the plan has ready, as far as there is room.
    void plan()
    {
        if (state_.plan([this] { return ready_.try_push(std::monostate{}); }))
            ready_.close();
    }

    /// Says why a worker ends the run before that ends the others, which only know that they are
    /// cancelled.
    asio::awaitable<void> work(worker_pool::worker me)
    {
        try {
            co_await fetch_pages(me);
        } catch (const run_ended&) { // it was said
            throw;
        } catch (const system_error& e) {
            if (e.code() != asio::error::operation_aborted)
                note_thrown();
            throw;
        } catch (...) {
            note_thrown();
            throw;
        }
    }

    asio::awaitable<void> fetch_pages(worker_pool::worker me)
    {
        auto strand = co_await asio::this_coro::executor;
        const auto wait = std::make_shared<page_wait<task>>(std::move(strand));
        for (;;) {
            // The place comes first, so that pages take theirs in the order of the list: with
            // ordered delivery those that wait for a page must not take away its place.
            auto place = co_await pages_.async_reserve(asio::use_awaitable);
            const auto announced = co_await ready_.async_pop(asio::use_awaitable);
            if (!announced)
                break;
            task next = state_.take_task();
            plan();
            pending_page page{state_.name_of(next)};
            page.place = std::move(place);
            use found = state_.use_of(next);
            if (found == use::held_back)
                found = co_await until_decided(next, *wait);
            page.called_off = found == use::none;
            while (found == use::wanted) {
                effort so_far;
                for (;;) {
                    const bool done = co_await fetch(next, so_far, me, *wait, page);
                    if (done)
                        break;
                    if (std::exchange(so_far.hops_on, false))
                        continue;
                    ++so_far.tries;
                    state_.observed().tell(
                        [&so_far](observer& to, time at) { to.on_retry(at, so_far.last); });
                }
                state_.done_with(so_far);
                page.is_in_parts = goes_on(next, page);
                found = page.is_in_parts ? use::wanted : use::none;
                if (!page.is_in_parts && state_.may_come_again(next)) {
                    plan(); // others may wait for what came
                    found = co_await until_decided(next, *wait);
                }
            }
            state_.finish(std::move(next), std::move(page));
            plan();
        }
    }

    /// Waits while a page is held back.
    asio::awaitable<use> until_decided(const task& what, page_wait<task>& wait)
    {
        auto state = co_await asio::this_coro::cancellation_state;
        for (;;) {
            typename page_waits<task>::waiting here{state_.waits(), wait, what,
                                                    wait_kind::held_back, state};
            const use found = state_.use_of(what);
            if (found != use::held_back)
                co_return found;
            timer never{limiter_.get_executor()};
            never.expires_at(clock::time_point::max());
            auto operation = never.async_wait(
                asio::bind_cancellation_slot(wait.slot(), as_tuple(asio::use_awaitable)));
            auto [failed] = co_await std::move(operation);
            if (here.end() == wait_end::by_itself && failed)
                throw system_error{failed};
        }
    }

    /// Whether a page came short, and is to be asked for the rest.
    static bool goes_on(task& what, pending_page& page)
    {
        if (!page.rest)
            return false;
        what.where = std::exchange(page.rest, nullptr);
        return true;
    }

    /// One try for a page; false if there is to be another.
    asio::awaitable<bool> fetch(const task& what, effort& so_far, const worker_pool::worker& me,
                                page_wait<task>& wait, pending_page& page)
    {
        auto granted = co_await acquire(what, wait, page);
        page.called_off = !granted;
        if (!granted)
            co_return true;
        permit paid = std::move(*granted);
        const auto busy = me.in_flight();
        if (stall_watch_ && so_far.tries == 0)
            so_far.watched.emplace(stall_watch_);
        http::request request = make_request(what, so_far);
        const http::url base{request.url()};
        const bool repeatable = state_.options().repeat_any_method() || request.method() == "GET" ||
                                request.method() == "HEAD";
        // A worker that was cancelled meanwhile would send nothing, and only find out then.
        const auto cancellation = co_await asio::this_coro::cancellation_state;
        if (cancellation.cancelled() != asio::cancellation_type::none)
            state_.stop(outcome_code::cancelled, "cancelled before a request was sent");
        const time sent = now();
        error_code failed;
        http::response response;
        {
            flight in_flight = state_.make_flight();
            state_.sent(in_flight, so_far, what, page, sent);
            paid.commit();
            auto answer =
                co_await client_.async_send(std::move(request), as_tuple(asio::use_awaitable));
            failed = std::get<0>(answer);
            response = std::move(std::get<1>(answer));
            state_.answered(in_flight, so_far, failed, response);
        }
        if (failed == asio::error::operation_aborted)
            state_.stop(outcome_code::cancelled, printable(response.error_text()));
        if (failed == http::error::connect_failed || failed == http::error::resolve_failed)
            paid.settle(0); // the server has not seen it
        preparer_.heard_from(response.remote_address());
        if (!failed && is_refused(what, base, so_far, response, sent))
            co_return false;
        if (response.status() == 401 && state_.options().refresh() && !so_far.renewed) {
            so_far.renewed = true;
            paid = permit{};
            co_await renew_credentials(what, so_far);
            co_return false;
        }
        const auto wrong = failed ? page_failure{failed, response, state_.may_pass(failed)}
                                  : take(what, base, response, so_far, sent, page);
        if (so_far.hops_on)
            co_return false;
        if (!wrong)
            co_return true;
        if (!repeatable || !wrong->may_pass() || !state_.may_be_repeated(so_far, sent)) {
            state_.give_up(what, *wrong, so_far.tries);
            co_return true;
        }
        paid = permit{};
        for (;;) {
            page.called_off = co_await back_off(what, so_far, wait, page);
            if (page.called_off)
                co_return true;
            const auto next = state_.retry(so_far);
            if (next == retry_policy::verdict::try_again) {
                ++so_far.failures;
                co_return false;
            }
            if (next == retry_policy::verdict::wait_longer)
                continue;
            state_.give_up(what, wrong->without_budget(), so_far.tries);
            co_return true;
        }
    }

    /// Waits for a token; nothing if the page has turned out to be of no use meanwhile.
    asio::awaitable<std::optional<permit>> acquire(const task& what, page_wait<task>& wait,
                                                   const pending_page& page)
    {
        auto state = co_await asio::this_coro::cancellation_state;
        for (;;) {
            typename page_waits<task>::waiting here{state_.waits(), wait, what, kind_of(page),
                                                    state};
            auto operation = limiter_.async_acquire_permit(
                1, asio::bind_cancellation_slot(wait.slot(), as_tuple(asio::use_awaitable)));
            auto [failed, granted] = co_await std::move(operation);
            const wait_end how = here.end();
            if (how == wait_end::by_itself) {
                if (failed)
                    state_.stop(outcome_code::cancelled, "limiter: " + failed.message());
                co_return std::move(granted);
            }
            granted = {};
            use found = use::none;
            if (how == wait_end::put_off)
                found = co_await until_decided(what, wait);
            if (found == use::none)
                co_return std::nullopt;
        }
    }

    static wait_kind kind_of(const pending_page& page)
    {
        return page.is_in_parts ? wait_kind::fixed : wait_kind::loose;
    }

    /// Waits before the next try; true if the page has turned out to be of no use meanwhile.
    asio::awaitable<bool> back_off(const task& what, const effort& so_far, page_wait<task>& wait,
                                   const pending_page& page)
    {
        auto state = co_await asio::this_coro::cancellation_state;
        typename page_waits<task>::waiting here{state_.waits(), wait, what, kind_of(page), state};
        timer pause{limiter_.get_executor(), state_.backoff(so_far)};
        auto operation = pause.async_wait(
            asio::bind_cancellation_slot(wait.slot(), as_tuple(asio::use_awaitable)));
        auto [failed] = co_await std::move(operation);
        const wait_end how = here.end();
        if (how == wait_end::by_itself && failed)
            throw system_error{failed};
        use found = how == wait_end::called_off ? use::none : use::wanted;
        if (how == wait_end::put_off)
            found = co_await until_decided(what, wait);
        co_return found == use::none;
    }

    /// Does what an answer says of the limit: others wait, or the limits change. True if it says
    /// that this request was too many.
    bool is_refused(const task& what, const http::url& asked, effort& so_far,
                    const http::response& response, time sent)
    {
        const auto set_limits = [this](const std::vector<limit>& limits) {
            limiter_.set_limits(limits);
        };
        const rate_control::reaction reaction =
            state_.heard(what, asked, so_far, response, sent, now(), set_limits);
        if (reaction.wait) {
            const auto begin = clock::now();
            const auto wait = std::chrono::ceil<typename clock::duration>(*reaction.wait);
            limiter_.pause_until(begin + wait);
            state_.keep_pause(*reaction.wait);
            state_.note_wait(begin - started_, begin + wait - started_);
            if (stall_watch_)
                stall_watch_->progress(begin + wait);
        }
        return reaction.refused;
    }

    std::optional<page_failure> take(const task& what, const http::url& base,
                                     http::response& response, effort& so_far, time sent,
                                     pending_page& page)
    {
        auto wrong = state_.take(what, base, response, so_far, sent, page);
        if (stall_watch_ && page.received && !wrong)
            stall_watch_->progress(clock::now());
        return wrong;
    }

    http::request make_request(const task& what, effort& so_far)
    {
        http::request result = state_.make_request(what, so_far);
        try {
            so_far.credentials = preparer_.prepare(result, state_.guard(what));
        } catch (const std::exception& e) {
            state_.page_failed(what, e.what());
        }
        return result;
    }

    asio::awaitable<void> renew_credentials(const task& what, const effort& so_far)
    {
        try {
            co_await preparer_.renew(so_far.credentials);
        } catch (const std::runtime_error& e) {
            state_.page_failed(what, e.what());
        }
    }

    time now() const { return std::chrono::floor<time>(clock::now() - started_); }

    /// The largest body that the client receives; for one that does not say, what is usual.
    static std::size_t max_body_bytes(const Client& client)
    {
        if constexpr (requires { client.max_body_bytes(); })
            return client.max_body_bytes();
        else
            return http::client_options{}.max_body_bytes();
    }

    void stalled()
    {
        std::ostringstream seconds;
        seconds << std::chrono::duration<double>{*state_.options().stall_after()}.count();
        state_.note(outcome_code::stalled, "no page came for " + seconds.str() + " s");
        pool_.cancel();
    }

    /// The exception that is being handled is why the run ends, unless that was said before.
    void note_thrown()
    {
        try {
            throw;
        } catch (const std::exception& e) {
            state_.note(outcome_code::page_failed, printable(e.what()));
        } catch (...) {
            state_.note(outcome_code::page_failed, "an exception that is no std::exception");
        }
    }

    /// Limits that are shared between processes are not this run's to change back.
    void change_back([[maybe_unused]] const std::vector<limit>& limits)
    {
        if constexpr (has_own_limits)
            limiter_.set_limits(limits);
    }

    void finish(const std::exception_ptr& thrown)
    {
        if (thrown) {
            try {
                std::rethrow_exception(thrown);
            } catch (...) {
                note_thrown();
            }
        }
        {
            std::lock_guard lock{finished_mutex_};
            finished_ = clock::now();
        }
        outcome result =
            state_.close([this](const std::vector<limit>& limits) { change_back(limits); });
        state_.observed().tell([&](observer& to, time at) { to.on_end(at, result, statistics()); });
        if (stall_watch_)
            stall_watch_->stop();
        pages_.close(std::move(result));
    }

    const typename clock::time_point started_ = clock::now();
    Client client_;
    Limiter limiter_;
    extraction_state state_;
    request_preparer<clock, executor> preparer_;
    basic_work_queue<std::monostate, clock> ready_; // one for each task that the plan has ready
    worker_pool pool_;
    std::shared_ptr<stall_watch_type> stall_watch_;
    mutable std::mutex finished_mutex_;
    std::optional<typename clock::time_point> finished_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
