#ifndef HEADGATE_DETAIL_EXTRACTION_RUN_HPP
#define HEADGATE_DETAIL_EXTRACTION_RUN_HPP

#include <headgate/async_limiter.hpp>
#include <headgate/detail/any_pager.hpp>
#include <headgate/detail/asio.hpp>
#include <headgate/detail/bounds.hpp>
#include <headgate/detail/clock_timer.hpp>
#include <headgate/detail/extraction.hpp>
#include <headgate/detail/flight.hpp>
#include <headgate/detail/observation.hpp>
#include <headgate/detail/origin_guard.hpp>
#include <headgate/detail/page_failure.hpp>
#include <headgate/detail/page_plan.hpp>
#include <headgate/detail/page_reader.hpp>
#include <headgate/detail/page_wait.hpp>
#include <headgate/detail/printable.hpp>
#include <headgate/detail/rate_control.hpp>
#include <headgate/detail/record_store.hpp>
#include <headgate/detail/request_preparer.hpp>
#include <headgate/detail/retry_policy.hpp>
#include <headgate/detail/stall_watch.hpp>
#include <headgate/detail/unique_records.hpp>
#include <headgate/extract_options.hpp>
#include <headgate/http/client_options.hpp>
#include <headgate/http/error.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/http/url.hpp>
#include <headgate/observer.hpp>
#include <headgate/outcome.hpp>
#include <headgate/page.hpp>
#include <headgate/paging/pager.hpp>
#include <headgate/permit.hpp>
#include <headgate/work_queue.hpp>
#include <headgate/worker_pool.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

namespace headgate::detail {

/// One extraction: the pager plans, the queue hands out, the workers fetch and parse, the channel
/// delivers. Kept alive by its workers and by the stream.
template <class Client, class Limiter>
class extraction_run final : public extraction,
                             public std::enable_shared_from_this<extraction_run<Client, Limiter>> {
    using clock = typename Limiter::clock_type;

    using mutex = std::recursive_mutex;
    using time = std::chrono::nanoseconds;
    using timer = clock_timer<clock, typename Limiter::executor_type>;

    using stall_watch_type = stall_watch<clock, typename Limiter::executor_type>;

    /// A page that is being fetched, or waits for those before it.
    struct pending_page {
        explicit pending_page(std::string name) : where{std::move(name)} {}

        std::string where;
        record_store records;
        bool received = false;    ///< an answer was taken in for it
        bool is_in_parts = false; ///< the rest of what came is being asked for
        bool called_off = false;  ///< it has turned out to be of no use
        any_pager::position rest; ///< what that answer left out
        extraction::channel::place place;
    };

    using plan_type = page_plan<pending_page>;
    using task = typename plan_type::task;
    using wait_kind = typename page_waits<task>::kind;
    using wait_end = typename page_wait<task>::how;

public:
    extraction_run(Client client, Limiter limiter, std::unique_ptr<any_pager> pager,
                   const extract_options& options)
        : extraction{limiter.get_executor(), options.max_in_flight()},
          client_{std::move(client)},
          limiter_{std::move(limiter)},
          plan_{std::move(pager), options.max_pages(), options.ordered(), options.max_in_flight()},
          reader_{options.records(), options.parse()},
          options_{options},
          control_{options, limiter_.limits()},
          preparer_{limiter_.get_executor(), options_},
          ready_{limiter_.get_executor(), options.max_in_flight()},
          pool_{limiter_.get_executor(), options.max_in_flight()}
    {
        if (options.unique())
            unique_.emplace(*options.unique(), options.unique_bytes());
    }

    void start()
    {
        observed_.tell([this](observer& to) {
            to.on_limits(now(), control_.first_limits().value_or(limiter_.limits()));
        });
        plan();
        if (const auto limits = control_.first_limits())
            limiter_.set_limits(*limits);
        auto self = this->shared_from_this();
        if (const auto longest = options_.stall_after()) {
            stall_watch_ = stall_watch_type::create(limiter_.get_executor(), *longest,
                                                    [weak = this->weak_from_this()] {
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
        result.total = plan_.pager().expected();
        result.rewinds = plan_.pager().rewinds();
        result.observer_failed = observed_.failed();
        return result;
    }

private:
    /// Moves what the pager knows to ask for into the queue, as far as there is room.
    void plan()
    {
        std::lock_guard lock{mutex_};
        waits_.review([this](const task& what) { return plan_.pager().wanted(what.where); },
                      [this](const task& what) { return plan_.pager().is_held_back(what.where); });
        const auto announce = [this] { return ready_.try_push(std::monostate{}); };
        if (const std::optional<paging::page_end> end = plan_.advance(announce)) {
            note_locked(end->code(), printable(end->reason()));
            ready_.close();
        }
    }

    /// What has been tried for a page.
    struct effort {
        unsigned tries = 0;       ///< that came to nothing, whatever the reason
        unsigned failures = 0;    ///< of those, that are counted against the page
        unsigned refusals = 0;    ///< of those, "too many" since another page came
        std::uint64_t pages = 0;  ///< how many had come then
        unsigned credentials = 0; ///< those that the last request was sent with
        bool renewed = false;     ///< credentials were renewed for it
        unsigned redirects = 0;   ///< that were followed
        bool hops_on = false;     ///< the last answer was one
        std::optional<http::request> moved;
        observed_answer last; ///< only where somebody observes
        retry_policy::page retries;
        std::optional<typename stall_watch_type::attempt> watched;
    };

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
            task next = take();
            plan();
            pending_page page{name_of(next)};
            page.place = std::move(place);
            use found = use_of(next);
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
                    observed_.tell([&](observer& to) { to.on_retry(now(), so_far.last); });
                }
                done_with(so_far);
                page.is_in_parts = goes_on(next, page);
                found = page.is_in_parts ? use::wanted : use::none;
                if (!page.is_in_parts && may_come_again(next)) {
                    plan(); // others may wait for what came
                    found = co_await until_decided(next, *wait);
                }
            }
            finish(std::move(next), std::move(page));
            plan();
        }
    }

        task take()
    {
        std::lock_guard lock{mutex_};
        return plan_.take();
    }

    /// Of what use a page is, as far as the list is known by now.
    enum class use { none, held_back, wanted };

    use use_of(const task& what)
    {
        std::lock_guard lock{mutex_};
        if (plan_.pager().wanted(what.where))
            return use::wanted;
        return plan_.pager().is_held_back(what.where) ? use::held_back : use::none;
    }

    bool may_come_again(const task& what) const
    {
        std::lock_guard lock{mutex_};
        return plan_.pager().may_come_again(what.where);
    }

    /// Waits while a page is held back.
    asio::awaitable<use> until_decided(const task& what, page_wait<task>& wait)
    {
        auto state = co_await asio::this_coro::cancellation_state;
        for (;;) {
            typename page_waits<task>::waiting here{waits_, wait, what, wait_kind::held_back,
                                                    state};
            const use found = use_of(what);
            if (found != use::held_back)
                co_return found;
            timer never{limiter_.get_executor()};
            never.expires_at(clock::time_point::max());
            auto operation = never.async_wait(
                asio::bind_cancellation_slot(wait.slot(), as_tuple(asio::use_awaitable)));
            auto [failed] = co_await std::move(operation);
            if (here.end() == wait_end::by_itself && failed)
                throw std::system_error{failed};
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

    /// Delivers a page, or in ordered delivery all whose turn it is; or gives it back.
    void finish(task&& what, pending_page&& page)
    {
        if (page.records.empty())
            page.place = {}; // what waits for its turn with nothing in it needs none
        std::string wrong;
        {
            std::lock_guard lock{mutex_};
            const auto deliver = [this](const task& each, pending_page&& its) {
                send(each, std::move(its));
            };
            try {
                if (page.called_off && !page.received)
                    plan_.give_back(std::move(what), std::move(page), deliver);
                else
                    plan_.finish(std::move(what), std::move(page), deliver);
                return;
            } catch (const std::exception& e) {
                wrong = e.what();
            }
        }
        stop(outcome_code::page_failed, printable(wrong));
    }

    void send(const task& what, pending_page&& pending)
    {
        if (unique_) {
            statistics_.duplicates += unique_->filter(pending.records);
            statistics_.forgot_keys = unique_->has_forgotten();
        }
        if (pending.records.empty())
            return;
        statistics_.records += pending.records.size();
        page result{what.index, std::move(pending.where), std::move(pending.records),
                    plan_.pager().list(what.where)};
        observed_.tell([&](observer& to) { to.on_page(now(), result); });
        pending.place.send(std::move(result));
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
        const bool repeatable =
            options_.repeat_any_method() || request.method() == "GET" || request.method() == "HEAD";
        const time sent = now();
        std::error_code failed;
        http::response response;
        {
            const flight counted{mutex_, statistics_, so_far.tries > 0};
            observed_.sent(so_far.last, what.index, page.where, so_far.tries, sent);
            paid.commit();
            auto answer =
                co_await client_.async_send(std::move(request), as_tuple(asio::use_awaitable));
            failed = std::get<0>(answer);
            response = std::move(std::get<1>(answer));
        }
        if (observed_)
            observed_.answered(so_far.last, failed, response, now());
        if (failed == asio::error::operation_aborted)
            stop(outcome_code::cancelled, printable(response.error_text()));
        if (failed == http::error::connect_failed || failed == http::error::resolve_failed)
            paid.settle(0); // the server has not seen it
        preparer_.heard_from(response.remote_address());
        if (!failed && is_refused(what, base, so_far, response, sent))
            co_return false;
        if (response.status() == 401 && options_.refresh() && !so_far.renewed) {
            so_far.renewed = true;
            paid = permit{};
            co_await renew_credentials(what, so_far);
            co_return false;
        }
        const auto wrong = failed ? page_failure{failed, response, may_pass(failed)}
                                  : take(what, base, response, so_far, sent, page);
        if (so_far.hops_on)
            co_return false;
        if (!wrong)
            co_return true;
        if (!repeatable || !wrong->may_pass() || !may_be_repeated(so_far, sent)) {
            give_up(what, *wrong, so_far.tries);
            co_return true;
        }
        paid = permit{};
        for (;;) {
            page.called_off = co_await back_off(what, so_far, wait, page);
            if (page.called_off)
                co_return true;
            const auto next = retry(so_far);
            if (next == retry_policy::verdict::try_again) {
                ++so_far.failures;
                co_return false;
            }
            if (next == retry_policy::verdict::wait_longer)
                continue;
            give_up(what, wrong->without_budget(), so_far.tries);
            co_return true;
        }
    }

    /// Waits for a token; nothing if the page has turned out to be of no use meanwhile.
    asio::awaitable<std::optional<permit>> acquire(const task& what, page_wait<task>& wait,
                                                   const pending_page& page)
    {
        auto state = co_await asio::this_coro::cancellation_state;
        for (;;) {
            typename page_waits<task>::waiting here{waits_, wait, what, kind_of(page), state};
            auto operation = limiter_.async_acquire_permit(
                1, asio::bind_cancellation_slot(wait.slot(), as_tuple(asio::use_awaitable)));
            auto [failed, granted] = co_await std::move(operation);
            const wait_end how = here.end();
            if (how == wait_end::by_itself) {
                if (failed)
                    stop(outcome_code::cancelled, "limiter: " + failed.message());
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
        typename page_waits<task>::waiting here{waits_, wait, what, kind_of(page), state};
        timer pause{limiter_.get_executor(), backoff(so_far.failures)};
        auto operation = pause.async_wait(
            asio::bind_cancellation_slot(wait.slot(), as_tuple(asio::use_awaitable)));
        auto [failed] = co_await std::move(operation);
        const wait_end how = here.end();
        if (how == wait_end::by_itself && failed)
            throw std::system_error{failed};
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
        rate_control::reaction reaction;
        bool again = true;
        const bool told = is_throttled(what, response);
        {
            std::lock_guard lock{mutex_};
            statistics_.http_429 += response.status() == 429 ? 1 : 0;
            reaction = control_.heard(response, told, sent, now(), statistics_.in_flight);
            if (reaction.refused) {
                ++statistics_.refused;
                forgive(so_far);
                again = control_.retries().may_repeat(so_far.refusals++);
            }
            if (reaction.limits) {
                limiter_.set_limits(*reaction.limits);
                observed_.tell([&](observer& to) { to.on_limits(now(), *reaction.limits); });
            }
        }
        const time wait = reaction.wait.value_or(time{0});
        if (reaction.refused) {
            const std::string status = page_reader::name_status(response, &asked) +
                                       (told ? ", which throttled_if takes for \"too many\"," : "");
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
            const auto until = clock::now() + std::chrono::ceil<typename clock::duration>(wait);
            limiter_.pause_until(until);
            note_wait(until);
            if (stall_watch_)
                stall_watch_->progress(until);
        }
        return reaction.refused;
    }

    bool is_throttled(const task& what, const http::response& response)
    {
        try {
            return options_.throttled_if() && options_.throttled_if()(response);
        } catch (const std::exception& e) {
            page_failed(what, std::string{"throttled_if: "} + e.what(), 0);
        }
    }

    void note_wait(typename clock::time_point until)
    {
        std::lock_guard lock{mutex_};
        const auto begin = std::max(clock::now(), waits_until_);
        if (until > begin) {
            statistics_.waited += until - begin;
            observed_.tell([&](observer& to) { to.on_pause(since(begin), since(until)); });
        }
        waits_until_ = std::max(waits_until_, until);
    }

    asio::awaitable<void> renew_credentials(const task& what, const effort& so_far)
    {
        try {
            co_await preparer_.renew(so_far.credentials);
        } catch (const std::runtime_error& e) {
            page_failed(what, e.what(), 0);
        }
    }

    bool may_pass(std::error_code failed) const
    {
        std::lock_guard lock{mutex_};
        return control_.retries().may_pass(failed);
    }

    bool may_be_repeated(effort& so_far, time sent)
    {
        std::lock_guard lock{mutex_};
        so_far.retries.failed(sent);
        forgive(so_far);
        return control_.retries().has_tries(so_far.failures + so_far.refusals);
    }

    /// A page is not to blame for having been refused if others have come since.
    void forgive(effort& so_far) const
    {
        const std::uint64_t pages = control_.retries().successes();
        if (pages != so_far.pages)
            so_far.refusals = 0;
        so_far.pages = pages;
    }

    retry_policy::verdict retry(effort& so_far)
    {
        std::lock_guard lock{mutex_};
        return control_.retries().retry(so_far.retries);
    }

    void done_with(effort& so_far)
    {
        std::lock_guard lock{mutex_};
        control_.retries().done(so_far.retries);
    }

    time backoff(unsigned tries)
    {
        std::lock_guard lock{mutex_};
        return control_.retries().backoff(tries);
    }

    time now() const { return since(clock::now()); }

    time since(typename clock::time_point when) const
    {
        return std::chrono::floor<time>(when - started_);
    }

    http::request make_request(const task& what, effort& so_far)
    {
        try {
            std::optional<http::request> result;
            {
                std::lock_guard lock{mutex_};
                result.emplace(so_far.moved ? *so_far.moved : plan_.pager().request(what.where));
            }
            so_far.credentials = preparer_.prepare(*result, plan_.pager().guard(what.where));
            return std::move(*result);
        } catch (const std::exception& e) {
            page_failed(what, e.what(), 0);
        }
    }

    /// Parses a page and takes its records; says why if it cannot.
    std::optional<page_failure> take(const task& what, const http::url& base,
                                     http::response& response, effort& so_far, time sent,
                                     pending_page& page)
    {
        try {
            if (goes_on_elsewhere(what, base, response, so_far) || is_refused_page(what, response))
                return std::nullopt;
            check_parts(page);
            parsed_page parsed = reader_.read(response, &base);
            std::lock_guard lock{mutex_};
            const paging::kept mine = plan_.pager().received(
                what.where, paging::page_content{base, response, parsed.document, reader_.records(),
                                                 record_range{response.body(), parsed.records}});
            mine.apply(parsed.records);
            page.rest = plan_.pager().rest(what.where);
            control_.retries().succeeded(sent);
            if (stall_watch_)
                stall_watch_->progress(clock::now());
            ++statistics_.pages;
            page.received = true;
            page.records.append(std::move(response).body(), std::move(parsed.records));
        } catch (const std::exception&) {
            return page_failure{response};
        }
        return std::nullopt;
    }

    /// A page that comes in parts may be no larger than one that comes at once.
    void check_parts(const pending_page& page) const
    {
        if (page.records.bytes() > max_page_bytes_)
            throw bound_exceeded{"it came in parts that are larger than " +
                                 std::to_string(max_page_bytes_) + " bytes together"};
    }

    /// The largest body that the client receives; for one that does not say, what is usual.
    static std::size_t max_body_bytes(const Client& client)
    {
        if constexpr (requires { client.max_body_bytes(); })
            return client.max_body_bytes();
        else
            return http::client_options{}.max_body_bytes();
    }

    /// Whether the pager knows what a status means: that there is no such page, for example.
    bool is_refused_page(const task& what, const http::response& response)
    {
        std::lock_guard lock{mutex_};
        return plan_.pager().refused(what.where, response);
    }

    /// Whether the page is elsewhere, and to be asked for there. Each hop pays a token.
    bool goes_on_elsewhere(const task& what, const http::url& base, const http::response& response,
                           effort& so_far)
    {
        const origin_guard* guard = plan_.pager().guard(what.where);
        const auto target = guard ? guard->redirect(base, response) : std::nullopt;
        if (!target)
            return false;
        if (++so_far.redirects > most_redirects)
            throw bound_exceeded{"more than " + std::to_string(most_redirects) + " redirects"};
        std::lock_guard lock{mutex_};
        so_far.moved = guard->moved(plan_.pager().request(what.where), *target);
        return so_far.hops_on = true;
    }

    /// A page cannot be had. If the pager can do with that the run goes on, else it ends.
    void give_up(const task& what, const page_failure& why, unsigned tries)
    {
        const paging::page_end end{why.code(), describe(what, why.reason(), tries)};
        bool goes_on = false;
        {
            std::lock_guard lock{mutex_};
            goes_on = plan_.pager().failed(what.where, end);
        }
        if (!goes_on)
            stop(end.code(), end.reason());
    }

    [[noreturn]] void page_failed(const task& what, const std::string& reason, unsigned tries)
    {
        stop(outcome_code::page_failed, describe(what, reason, tries));
    }

    std::string describe(const task& what, const std::string& reason, unsigned tries) const
    {
        return name(what) + printable(reason) +
               (tries > 0 ? " (after " + std::to_string(tries + 1) + " tries)" : std::string{});
    }

    std::string name_of(const task& what) const
    {
        std::lock_guard lock{mutex_};
        return plan_.pager().describe(what.where);
    }

    std::string name(const task& what) const
    {
        std::lock_guard lock{mutex_};
        return plan_.pager().title(what.where);
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
        std::ostringstream seconds;
        seconds << std::chrono::duration<double>{*options_.stall_after()}.count();
        note(outcome_code::stalled, "no page came for " + seconds.str() + " s");
        pool_.cancel();
    }

    void finish(const std::exception_ptr& thrown)
    {
        if (thrown) {
            try {
                std::rethrow_exception(thrown);
            } catch (const std::exception& e) {
                note(outcome_code::page_failed, printable(e.what()));
            } catch (...) {
                note(outcome_code::page_failed, "an exception that is no std::exception");
            }
        }
        outcome result;
        {
            std::lock_guard lock{mutex_};
            finished_ = clock::now();
            result = outcome_;
            plan_.abandon(); // the channel does not end as long as they keep their places
            if (const auto limits = control_.last_limits())
                limiter_.set_limits(*limits);
            observed_.tell([&](observer& to) { to.on_end(now(), outcome_, statistics()); });
        }
        if (stall_watch_)
            stall_watch_->stop();
        pages_.close(std::move(result));
    }

    Client client_;
    const std::size_t max_page_bytes_ = max_body_bytes(client_);
    Limiter limiter_;
    mutable mutex mutex_; // recursive: a pager or hook of the caller may ask for statistics
    plan_type plan_;
    const page_reader reader_;
    const extract_options options_;
    rate_control control_;
    request_preparer<clock, typename Limiter::executor_type> preparer_;
    basic_work_queue<std::monostate, clock> ready_; // one for each task that the plan has ready
    worker_pool pool_;
    std::shared_ptr<stall_watch_type> stall_watch_;

    std::optional<unique_records> unique_;
    page_waits<task> waits_{mutex_};
    observation observed_{mutex_, options_.observe()};
    outcome outcome_;
    extract_statistics statistics_;
    typename clock::time_point waits_until_ = clock::now();
    const typename clock::time_point started_ = clock::now();
    std::optional<typename clock::time_point> finished_;
};

} // namespace headgate::detail

#endif
