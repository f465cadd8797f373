#ifndef HEADGATE_DETAIL_EXTRACTION_STATE_HPP
#define HEADGATE_DETAIL_EXTRACTION_STATE_HPP

#include <headgate/detail/any_pager.hpp>
#include <headgate/detail/bounds.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/extraction.hpp>
#include <headgate/detail/flight.hpp>
#include <headgate/detail/observation.hpp>
#include <headgate/detail/origin_guard.hpp>
#include <headgate/detail/page_effort.hpp>
#include <headgate/detail/page_failure.hpp>
#include <headgate/detail/page_plan.hpp>
#include <headgate/detail/page_reader.hpp>
#include <headgate/detail/page_wait.hpp>
#include <headgate/detail/printable.hpp>
#include <headgate/detail/progress_keeper.hpp>
#include <headgate/detail/rate_control.hpp>
#include <headgate/detail/record_store.hpp>
#include <headgate/detail/retry_policy.hpp>
#include <headgate/detail/unique_records.hpp>
#include <headgate/error.hpp>
#include <headgate/extract_options.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/http/url.hpp>
#include <headgate/limit.hpp>
#include <headgate/observer.hpp>
#include <headgate/outcome.hpp>
#include <headgate/page.hpp>
#include <headgate/paging/pager.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// What an extraction has planned, received, counted and found: all of it but the waiting and the
/// sending. Times count from its start. Safe to share between threads.
class extraction_state {
public:
    using time = std::chrono::nanoseconds;

    /// A page that is being fetched, or waits for those before it.
    struct pending_page {
        explicit pending_page(std::string name) : where{std::move(name)} {}

        std::string where;
        record_store records;
        bool received = false;    ///< an answer was taken in for it
        bool is_in_parts = false; ///< the rest of what came is being asked for
        bool called_off = false;  ///< it has turned out to be of no use
        any_pager::position rest; ///< what that answer left out
        nlohmann::json receipt;   ///< what is to be kept of it once it is done with
        extraction::channel::place place;
    };

    using plan_type = page_plan<pending_page>;
    using task = plan_type::task;

    /// Of what use a page is, as far as the list is known by now.
    enum class use { none, held_back, wanted };

    /// @param limits          that the limiter has
    /// @param max_page_bytes  the largest page, all its parts together
    /// @param now             the time, for an observer
    extraction_state(std::unique_ptr<any_pager> pager, const extract_options& options,
                     const std::vector<limit>& limits, std::size_t max_page_bytes,
                     std::function<time()> now)
        : plan_{std::move(pager), options.max_pages(), options.ordered(), options.max_in_flight()},
          reader_{options.records(), options.parse()},
          options_{options},
          max_page_bytes_{max_page_bytes},
          control_{options, limits},
          observed_{mutex_, options.observe(), std::move(now)},
          keeper_{options.checkpoint()}
    {
        if (options.unique())
            unique_.emplace(*options.unique(), options.unique_bytes());
    }

    const extract_options& options() const noexcept { return options_; }

    page_waits<task>& waits() noexcept { return waits_; }
    observation& observed() noexcept { return observed_; }

    /// The limits to start with, if they are not the limiter's own.
    std::optional<std::vector<limit>> first_limits() const { return control_.first_limits(); }

    extract_statistics statistics() const
    {
        std::lock_guard lock{mutex_};
        extract_statistics result = statistics_;
        result.pauses = control_.retries().events();
        result.server = control_.report();
        result.rate_share = control_.rate_share();
        result.in_flight_allowed = control_.in_flight();
        result.total = plan_.pager().expected();
        result.rewinds = plan_.pager().rewinds();
        result.observer_failed = observed_.failed();
        return result;
    }

    // What is kept for a run that goes on from this one.

    /// Takes in what a run before has left.
    checkpoint::state resume(const std::vector<limit>& limits)
    {
        std::lock_guard lock{mutex_};
        checkpoint::state found = keeper_.load(plan_.pager(), limits);
        if (auto told = keeper_.told_limits(control_.callers_limits()))
            control_.recall(std::move(*told));
        if (unique_)
            for (std::string& each : found.keys)
                unique_->recall(std::move(each));
        return found;
    }

    /// The caller has taken all pages but those that wait.
    void finish_taken(const extraction::channel& pages, time now)
    {
        std::lock_guard lock{mutex_};
        const std::size_t waiting = pages.size();
        keeper_.taken_but(plan_.pager(), waiting);
        keeper_.save(now, waiting == 0);
    }

    void acknowledge(std::uint64_t index, time now)
    {
        std::lock_guard lock{mutex_};
        keeper_.done(plan_.pager(), index);
        keeper_.save(now, true);
    }

    void keep_pause(time length)
    {
        std::lock_guard lock{mutex_};
        kept([&] { keeper_.pause(length); });
    }

    // The plan.

    /// Makes ready what the pager knows to ask for; see `page_plan`. True if there is nothing more.
    template <class Announce>
    bool plan(Announce announce)
    {
        std::lock_guard lock{mutex_};
        waits_.review([this](const task& what) { return plan_.pager().wanted(what.where); },
                      [this](const task& what) { return plan_.pager().is_held_back(what.where); });
        const std::optional<paging::page_end> end = plan_.advance(announce);
        if (end)
            note(end->code(), printable(end->reason()));
        return end.has_value();
    }

    task take_task()
    {
        std::lock_guard lock{mutex_};
        return plan_.take();
    }

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

    /// Delivers a page, or in ordered delivery all whose turn it is; or gives it back.
    /// @throws run_ended
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

    // A request and its answer.

    /// The request of a page and the origin that it belongs to.
    /// @throws run_ended
    http::request make_request(const task& what, const page_effort& so_far)
    {
        try {
            std::lock_guard lock{mutex_};
            return so_far.moved ? *so_far.moved : plan_.pager().request(what.where);
        } catch (const std::exception& e) {
            page_failed(what, e.what());
        }
    }

    const origin_guard* guard(const task& what) const { return plan_.pager().guard(what.where); }

    flight make_flight() { return {mutex_, statistics_}; }

    /// A request is sent for a page.
    void sent(flight& request, page_effort& so_far, const task& what, const pending_page& page,
              time when)
    {
        std::lock_guard lock{mutex_};
        kept([&] { so_far.spent = keeper_.spend(1); });
        request.begin(so_far.tries > 0);
        observed_.sent(so_far.last, what.index, page.where, so_far.tries, when);
    }

    /// It is answered, or has failed.
    void answered(flight& request, page_effort& so_far, error_code failed,
                  const http::response& response)
    {
        std::lock_guard lock{mutex_};
        request.end();
        if (!failed)
            kept([&] { keeper_.answered(so_far.spent); });
        observed_.answered(so_far.last, failed, response);
    }

    /// Takes in what an answer says of the limit, and hands limits that are to be others from now
    /// on to `set_limits`, one after the other.
    /// @throws run_ended  if it wants a longer wait than is allowed, or has said "too many" too
    /// often
    template <class SetLimits>
    rate_control::reaction heard(const task& what, const http::url& asked, page_effort& so_far,
                                 const http::response& response, time sent, time now,
                                 SetLimits set_limits)
    {
        rate_control::reaction reaction;
        bool again = true;
        const bool told = is_throttled(what, response);
        {
            std::lock_guard lock{mutex_};
            statistics_.http_429 += response.status() == 429 ? 1 : 0;
            reaction = control_.heard(response, told, sent, now, statistics_.in_flight);
            if (reaction.refused) {
                ++statistics_.refused;
                so_far.forgive(control_.retries().successes());
                again = control_.retries().may_repeat(so_far.refusals++);
            }
            if (reaction.limits) {
                set_limits(*reaction.limits);
                if (keeper_ && !options_.adaptive())
                    keeper_.tell_limits(control_.callers_limits(), *reaction.limits);
                observed_.tell([&](observer& to, time at) { to.on_limits(at, *reaction.limits); });
            }
        }
        if (!reaction.refused)
            return reaction;
        const std::string status = page_reader::name_status(response, &asked) +
                                   (told ? ", which throttled_if takes for \"too many\"," : "");
        using std::chrono::seconds;
        if (const time wait = reaction.wait.value_or(time{0}); wait > options_.max_wait())
            stop(outcome_code::wait_too_long,
                 name(what) + status + " and wants a wait of " +
                     std::to_string(std::chrono::ceil<seconds>(wait).count()) +
                     " s, more than the " +
                     std::to_string(std::chrono::floor<seconds>(options_.max_wait()).count()) +
                     " s allowed");
        if (!again)
            page_failed(what, status, so_far.tries);
        return reaction;
    }

    void note_wait(time now, time until)
    {
        std::lock_guard lock{mutex_};
        const time begin = std::max(now, waits_until_);
        if (until > begin) {
            statistics_.waited += until - begin;
            observed_.tell([&](observer& to, time) { to.on_pause(begin, until); });
        }
        waits_until_ = std::max(waits_until_, until);
    }

    /// Parses a page and takes its records; says why if it cannot.
    std::optional<page_failure> take(const task& what, const http::url& base,
                                     http::response& response, page_effort& so_far, time sent,
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
            if (keeper_) {
                page.receipt = plan_.pager().receipt(what.where);
                if (plan_.pager().is_delivered(what.where))
                    parsed.records.clear();
            }
            control_.retries().succeeded(sent);
            ++statistics_.pages;
            page.received = true;
            page.records.append(std::move(response).body(), std::move(parsed.records));
        } catch (const std::exception&) {
            return page_failure{response};
        }
        return std::nullopt;
    }

    // The tries for a page.

    bool may_pass(error_code failed) const
    {
        std::lock_guard lock{mutex_};
        return control_.retries().may_pass(failed);
    }

    bool may_be_repeated(page_effort& so_far, time sent)
    {
        std::lock_guard lock{mutex_};
        so_far.retries.failed(sent);
        so_far.forgive(control_.retries().successes());
        return control_.retries().has_tries(so_far.failures + so_far.refusals);
    }

    retry_policy::verdict retry(page_effort& so_far)
    {
        std::lock_guard lock{mutex_};
        return control_.retries().retry(so_far.retries);
    }

    void done_with(page_effort& so_far)
    {
        std::lock_guard lock{mutex_};
        control_.retries().done(so_far.retries);
    }

    time backoff(const page_effort& so_far)
    {
        std::lock_guard lock{mutex_};
        return control_.retries().backoff(so_far.failures);
    }

    /// A page cannot be had. If the pager can do with that the run goes on, else it ends.
    /// @throws run_ended
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

    // How it went.

    /// The first that ends the run says how it went.
    void note(outcome_code code, std::string reason)
    {
        std::lock_guard lock{mutex_};
        if (outcome_.code() == outcome_code::in_progress)
            outcome_ = outcome{code, std::move(reason)};
    }

    [[noreturn]] void stop(outcome_code code, std::string reason)
    {
        note(code, std::move(reason));
        throw run_ended{};
    }

    [[noreturn]] void page_failed(const task& what, const std::string& reason, unsigned tries = 0)
    {
        stop(outcome_code::page_failed, describe(what, reason, tries));
    }

    /// The name of a page as it is delivered.
    std::string name_of(const task& what) const
    {
        std::lock_guard lock{mutex_};
        return plan_.pager().describe(what.where);
    }

    /// What it came to, once no worker is left. Pages that wait for others keep their places in the
    /// channel no longer: it would not end. Limits to leave the limiter with go to `set_limits`.
    template <class SetLimits>
    outcome close(SetLimits set_limits)
    {
        std::lock_guard lock{mutex_};
        plan_.abandon();
        if (const auto limits = control_.last_limits())
            set_limits(*limits);
        return outcome_;
    }

private:
    void send(const task& what, pending_page&& pending)
    {
        if (keeper_ && plan_.pager().is_ordered())
            pending.receipt = plan_.pager().receipt(what.where);
        std::vector<std::string> keys;
        if (unique_) {
            statistics_.duplicates += unique_->filter(pending.records, keeper_ ? &keys : nullptr);
            statistics_.forgot_keys = unique_->has_forgotten();
        }
        if (pending.records.empty()) {
            if (keeper_)
                keeper_.passed(plan_.pager(), std::move(pending.receipt));
            return;
        }
        statistics_.records += pending.records.size();
        page result{what.index, std::move(pending.where), std::move(pending.records),
                    plan_.pager().list(what.where)};
        observed_.tell([&](observer& to, time now) { to.on_page(now, result); });
        if (keeper_)
            keeper_.delivered(what.index, std::move(pending.receipt), std::move(keys));
        pending.place.send(std::move(result));
    }

    /// Keeps something; if that cannot be done the run ends.
    /// @throws run_ended
    template <class Function>
    void kept(Function keep)
    {
        try {
            keep();
        } catch (const std::exception& e) {
            stop(outcome_code::checkpoint_failed, printable(e.what()));
        }
    }

    bool is_throttled(const task& what, const http::response& response)
    {
        try {
            return options_.throttled_if() && options_.throttled_if()(response);
        } catch (const std::exception& e) {
            page_failed(what, std::string{"throttled_if: "} + e.what());
        }
    }

    /// A page that comes in parts may be no larger than one that comes at once.
    void check_parts(const pending_page& page) const
    {
        if (page.records.bytes() > max_page_bytes_)
            throw bound_exceeded{"it came in parts that are larger than " +
                                 std::to_string(max_page_bytes_) + " bytes together"};
    }

    /// Whether the pager knows what a status means: that there is no such page, for example.
    bool is_refused_page(const task& what, const http::response& response)
    {
        std::lock_guard lock{mutex_};
        return plan_.pager().refused(what.where, response);
    }

    /// Whether the page is elsewhere, and to be asked for there. Each hop pays a token.
    bool goes_on_elsewhere(const task& what, const http::url& base, const http::response& response,
                           page_effort& so_far)
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

    std::string describe(const task& what, const std::string& reason, unsigned tries) const
    {
        return name(what) + printable(reason) +
               (tries > 0 ? " (after " + std::to_string(tries + 1) + " tries)" : std::string{});
    }

    std::string name(const task& what) const
    {
        std::lock_guard lock{mutex_};
        return plan_.pager().title(what.where);
    }

    mutable std::recursive_mutex mutex_; // a pager or hook of the caller may ask for statistics
    plan_type plan_;
    const page_reader reader_;
    const extract_options options_;
    const std::size_t max_page_bytes_;
    rate_control control_;
    std::optional<unique_records> unique_;
    page_waits<task> waits_{mutex_};
    observation observed_;
    outcome outcome_;
    extract_statistics statistics_;
    time waits_until_{0};
    progress_keeper keeper_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
