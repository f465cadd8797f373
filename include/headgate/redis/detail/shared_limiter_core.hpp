#ifndef HEADGATE_REDIS_DETAIL_SHARED_LIMITER_CORE_HPP
#define HEADGATE_REDIS_DETAIL_SHARED_LIMITER_CORE_HPP

#include <headgate/detail/acquire_line.hpp>
#include <headgate/detail/acquire_waiter.hpp>
#include <headgate/detail/clock_timer.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/gate_state.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/limit.hpp>
#include <headgate/permit.hpp>
#include <headgate/redis/client.hpp>
#include <headgate/redis/detail/lease_book.hpp>
#include <headgate/redis/detail/lease_request.hpp>
#include <headgate/redis/detail/limit_script.hpp>
#include <headgate/redis/detail/local_share.hpp>
#include <headgate/redis/detail/random_name.hpp>
#include <headgate/redis/error.hpp>
#include <headgate/redis/shared_limiter_options.hpp>

#include HEADGATE_ASIO(bind_executor.hpp)
#include HEADGATE_ASIO(error.hpp)

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// The line of a shared limiter in one process: those who wait, a lease_book that says when they
/// can be served, one question to Redis at a time, one timer. Everything happens under one mutex;
/// handlers are posted after it is released.
template <class Clock, class Executor>
class shared_limiter_core final : public shutdown_target, public permit_source {
    using time = std::chrono::nanoseconds;
    using time_point = typename Clock::time_point;
    using timer = clock_timer<Clock, Executor>;
    using client = redis::basic_client<Executor>;
    using granted_waiters = acquire_line::decided_acquires;
    using away_kind = redis::when_away::kind;

    /// A question, and when it was sent. The client writes that before there can be an answer.
    struct asked {
        lease_request what;
        std::size_t windows;
        time sent;
    };

public:
    using executor_type = Executor;

    static std::shared_ptr<shared_limiter_core> create(const Executor& executor, client where,
                                                       const std::string& key,
                                                       const std::vector<limit>& limits,
                                                       const redis::shared_limiter_options& options)
    {
        auto core =
            std::make_shared<shared_limiter_core>(executor, std::move(where), key, limits, options);
        core->join(executor);
        return core;
    }

    shared_limiter_core(const Executor& executor, client where, const std::string& key,
                        const std::vector<limit>& limits,
                        const redis::shared_limiter_options& options)
        : executor_{executor},
          options_{options},
          client_{std::move(where)},
          keys_{'{' + key + "}:limit", '{' + key + "}:turns", '{' + key + "}:places"},
          book_{limits, settings(options)},
          timer_{std::in_place, executor}
    {
    }

    executor_type get_executor() const noexcept { return executor_; }

    std::size_t most() const
    {
        std::lock_guard lock{mutex_};
        return book_.most();
    }

    std::vector<limit> limits() const
    {
        std::lock_guard lock{mutex_};
        return book_.limits();
    }

    bool try_acquire(std::size_t tokens) { return try_grant(tokens, false).has_value(); }

    /// A permit for the tokens, or nothing.
    std::optional<permit> try_acquire_permit(std::size_t tokens)
    {
        const auto what = try_grant(tokens, true);
        if (!what)
            return std::nullopt;
        return permit{self(), *what};
    }

    /// Leases some, for whoever tries again.
    void prepare()
    {
        within([](granted_waiters&) {});
    }

    void start(acquire_waiter& op) { start(op, std::nullopt); }
    void start(acquire_until_waiter<time_point>& op) { start(op, op.until); }

    void cancel(acquire_waiter& op)
    {
        within([&](granted_waiters& decided) {
            if (op.decided())
                return;
            line_.remove(op);
            decided.add(op, asio::error::operation_aborted);
            ++statistics_.cancelled;
        });
    }

    void close(error_code reason)
    {
        granted_waiters refused;
        {
            std::lock_guard lock{mutex_};
            closed_ = true;
            line_.take_all(refused, reason);
            if (timer_)
                timer_->cancel();
        }
        refused.complete();
    }

    void pause_until(time_point when)
    {
        within([&](granted_waiters&) {
            const time until = std::chrono::ceil<time>(time_since<Clock>(epoch_, when));
            book_.pause(until, clock());
            if (local_)
                local_->pause(until, clock());
        });
    }

    void set_limits(const std::vector<limit>& limits)
    {
        within([&](granted_waiters& decided) {
            book_.change(limits);
            limits_changed(decided);
        });
    }

    void finish(const permit_source::grant& what, std::size_t used) noexcept override
    {
        within([&](granted_waiters&) {
            const time now = clock();
            if (what.shared_order == 0)
                book_.finish(what.order, used, now);
            else if (local_ && what.shared_order == local_shares_)
                local_->finish(what.tokens, used, what.at, what.order, now);
        });
    }

    redis::shared_limiter_statistics statistics() const
    {
        std::lock_guard lock{mutex_};
        redis::shared_limiter_statistics result = statistics_;
        result.waiting = line_.size();
        result.returned = book_.returned();
        result.away = book_.away();
        return result;
    }

    void on_context_shutdown() noexcept override
    {
        granted_waiters abandoned;
        {
            std::lock_guard lock{mutex_};
            closed_ = true;
            timer_.reset();
            line_.take_all(abandoned, {});
        }
        abandoned.destroy();
    }

private:
    static lease_book::settings settings(const redis::shared_limiter_options& options)
    {
        return {options.horizon(), options.lease(), options.credit(), options.in_flight_ttl()};
    }

    std::shared_ptr<shared_limiter_core> self()
    {
        return std::static_pointer_cast<shared_limiter_core>(this->shared_from_this());
    }

    time read_clock() const { return std::chrono::floor<time>(Clock::now() - epoch_); }
    time clock() { return last_now_ = std::max(last_now_, read_clock()); }

    /// Does something under the lock, then serves the line, then completes those who are decided.
    template <class Function>
    void within(Function&& function)
    {
        granted_waiters decided;
        {
            std::lock_guard lock{mutex_};
            function(decided);
            if (!closed_)
                serve(decided);
        }
        decided.complete();
    }

    bool is_local() const noexcept
    {
        return local_ && book_.away() && options_.away().type() == away_kind::share;
    }

    bool is_due(std::size_t tokens, time now) const
    {
        return tokens == 0 || book_.due(tokens) <= now ||
               (is_local() && local_->due(tokens) <= now);
    }

    /// What is granted on arrival, if that can be.
    std::optional<permit_source::grant> try_grant(std::size_t tokens, bool held)
    {
        std::lock_guard lock{mutex_};
        if (closed_ || tokens > book_.most() || (!held && tokens > 0 && book_.counts_in_flight()))
            return std::nullopt;
        const time now = clock();
        book_.arrived(tokens, now);
        book_.expire(now);
        if (!line_.empty() || !is_due(tokens, now))
            return std::nullopt;
        const auto result = grant(tokens, now, held);
        ask(now);
        arm(now);
        return result;
    }

    permit_source::grant grant(std::size_t tokens, time now, bool held)
    {
        ++statistics_.granted;
        statistics_.tokens += tokens;
        permit_source::grant result{tokens, now};
        if (tokens == 0)
            return result;
        if (book_.due(tokens) <= now) {
            result.order = book_.take(tokens, now, held);
        } else {
            statistics_.local += tokens;
            result.order = local_->charge(tokens, now, true, held);
            result.shared_order = local_shares_;
            book_.owe(now, tokens);
        }
        return result;
    }

    std::optional<error_code> refuse(const acquire_waiter& op) const
    {
        if (closed_)
            return error::closed;
        if (op.tokens > book_.most())
            return error::exceeds_limit;
        if (!op.wants_permit && op.tokens > 0 && book_.counts_in_flight())
            return error::needs_permit;
        return std::nullopt;
    }

    void start(acquire_waiter& op, std::optional<time_point> until)
    {
        granted_waiters decided;
        {
            std::lock_guard lock{mutex_};
            const time now = clock();
            if (const auto refusal = refuse(op)) {
                decided.add(op, *refusal);
            } else {
                line_.push_back(op, now);
                statistics_.peak_waiting = std::max(statistics_.peak_waiting, line_.size());
                if (until)
                    line_.limit(op, std::chrono::floor<time>(time_since<Clock>(epoch_, *until)));
                serve(decided);
                // Redis was away a moment ago, and it is not the time to look again.
                if (!op.decided() && fails() && book_.away() && !book_.asking()) {
                    line_.remove(op);
                    decided.add(op, redis::error::unavailable);
                }
            }
        }
        decided.complete();
    }

    bool fails() const noexcept { return options_.away().type() == away_kind::fail; }

    void limits_changed(granted_waiters& decided)
    {
        line_.take_refused(decided, [this](const acquire_waiter& op) { return refuse(op); });
        if (local_)
            local_->change(share_of(book_.limits(), options_.away().fraction()), clock());
    }

    /// Grants what is due, in order, tells those who are out of time, asks for more and arms the
    /// timer.
    void serve(granted_waiters& decided)
    {
        const time now = clock();
        book_.expire(now);
        while (!line_.empty() && is_due(line_.front().tokens, now)) {
            acquire_waiter& op = line_.front();
            line_.remove(op);
            statistics_.total_wait += now - op.since;
            const permit_source::grant what = grant(op.tokens, now, op.wants_permit);
            if (op.wants_permit)
                static_cast<acquire_permit_waiter&>(op).granted = permit{self(), what};
            decided.add(op, error_code{});
        }
        line_.expire(now, decided);
        ask(now);
        arm(now);
    }

    void ask(time now)
    {
        const std::size_t unit = line_.empty() ? 1 : line_.front().tokens;
        // A longer wait is one for tokens that come together; those behind it have to see.
        const bool alike = unit <= 1 || line_.tokens() == unit * line_.size();
        book_.wants(unit <= 1 ? line_.tokens() : alike ? line_.size() : 1, unit);
        auto question = book_.ask(now, is_local());
        if (!question)
            return;
        auto sent = std::make_shared<asked>(asked{std::move(*question), 0, now});
        sent->windows = static_cast<std::size_t>(
            std::count(sent->what.limits.begin(), sent->what.limits.end(), 'w'));
        auto arguments = [sent, id = id_, epoch = epoch_](const redis::server_info& to) {
            sent->sent = std::chrono::floor<time>(Clock::now() - epoch);
            return sent->what.arguments(to.run_id, to.started_by(), id, sent->sent);
        };
        auto answered = [sent, weak = this->weak_from_this()](error_code failed,
                                                              const redis::reply& answer) {
            if (const auto alive = weak.lock())
                static_cast<shared_limiter_core&>(*alive).on_answer(*sent, failed, answer);
        };
        client_.async_eval_for(options_.away_after(), script(), keys_, std::move(arguments),
                               asio::bind_executor(executor_, std::move(answered)));
    }

    /// One for all limiters of the program, so that its SHA-1 is learned once.
    static const redis::script& script()
    {
        static const redis::script one{redis_limit_text()};
        return one;
    }

    void on_answer(const asked& question, error_code failed, const redis::reply& answer)
    {
        within([&](granted_waiters& decided) {
            if (closed_)
                return;
            const time now = clock();
            const auto read = failed ? std::nullopt : lease_answer::read(answer, question.windows);
            if (read) {
                ++statistics_.round_trips;
                if (book_.answered(question.what, *read, question.sent, now))
                    limits_changed(decided);
                return;
            }
            ++statistics_.failures;
            book_.lost(question.what, now);
            if (is_final(failed, answer))
                line_.take_all(decided, failed ? failed : error_code{redis::error::server_error});
            else if (fails())
                line_.take_all(decided, redis::error::unavailable);
            else if (options_.away().type() == away_kind::share && !is_sharing_)
                begin_share(now);
            is_sharing_ = options_.away().type() == away_kind::share;
        });
    }

    /// Whether asking again would not help: it is not that Redis is away.
    static bool is_final(error_code failed, const redis::reply& answer)
    {
        if (!failed)
            return true;
        if (failed == redis::error::authentication_failed ||
            failed == redis::error::tls_unavailable || failed == asio::error::operation_aborted)
            return true;
        if (failed != redis::error::server_error)
            return false;
        for (const char* passing : {"LOADING", "BUSY", "READONLY", "MASTERDOWN", "CLUSTERDOWN",
                                    "TRYAGAIN", "OOM", "MISCONF", "NOREPLICAS"})
            if (answer.text().starts_with(passing))
                return false;
        return true;
    }

    /// What the others have used is not known, so all is taken for used, here and now.
    void begin_share(time now)
    {
        const auto mine = share_of(book_.limits(), options_.away().fraction());
        local_.emplace(mine, time{options_.credit()});
        ++local_shares_;
        std::size_t all = 0;
        for (const limit& each : mine)
            if (each.type() != limit::kind::in_flight)
                all = std::max(all, each.burst());
        if (all > 0)
            local_->charge(all, now, false, false);
    }

    void arm(time now)
    {
        if (!book_.away())
            is_sharing_ = false;
        if (!timer_ || closed_)
            return;
        time next = book_.wake(now);
        if (!line_.empty()) {
            next = std::min(next, book_.due(line_.front().tokens));
            if (is_local())
                next = std::min(next, local_->due(line_.front().tokens));
        }
        next = std::min(next, line_.next_deadline());
        if (next == time::max()) {
            timer_->cancel();
            return;
        }
        timer_->expires_at(epoch_ + std::chrono::ceil<typename Clock::duration>(next));
        timer_->async_wait([weak = this->weak_from_this()](error_code failed) {
            if (failed)
                return;
            if (const auto alive = weak.lock())
                static_cast<shared_limiter_core&>(*alive).prepare();
        });
    }

    const Executor executor_;
    const redis::shared_limiter_options options_;
    const time_point epoch_ = Clock::now();
    const std::string id_ = random_name();
    client client_;
    const std::vector<std::string> keys_;
    mutable std::mutex mutex_;
    lease_book book_;
    std::optional<gate_state> local_; // while Redis is away, and for those granted then
    std::uint64_t local_shares_ = 0;
    bool is_sharing_ = false;
    time last_now_{0};
    acquire_line line_;
    std::optional<timer> timer_;
    redis::shared_limiter_statistics statistics_;
    bool closed_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
