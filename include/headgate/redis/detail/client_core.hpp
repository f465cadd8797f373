#ifndef HEADGATE_REDIS_DETAIL_CLIENT_CORE_HPP
#define HEADGATE_REDIS_DETAIL_CLIENT_CORE_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/intrusive_list.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/redis/client_options.hpp>
#include <headgate/redis/detail/command_waiter.hpp>
#include <headgate/redis/detail/greeting.hpp>
#include <headgate/redis/detail/hiredis_link.hpp>
#include <headgate/redis/error.hpp>
#include <headgate/redis/reply.hpp>
#include <headgate/redis/server_info.hpp>

#include HEADGATE_ASIO(basic_waitable_timer.hpp)
#include HEADGATE_ASIO(error.hpp)
#include HEADGATE_ASIO_IP(address.hpp)
#include HEADGATE_ASIO_IP(tcp.hpp)

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <iterator>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// The state of a client of Redis: one connection, made when a command needs it, the commands that
/// wait for it, those that wait for their replies, and one timer. Everything happens under one
/// mutex, hiredis included; handlers are posted after it is released.
template <class Executor>
class redis_client_core final : public shutdown_target {
    using clock = std::chrono::steady_clock;
    using time_point = clock::time_point;
    using link = hiredis_link<Executor, redis_client_core>;
    using direction = typename link::direction;
    using timer = asio::basic_waitable_timer<clock, asio::wait_traits<clock>, Executor>;
    using resolver = asio::ip::basic_resolver<asio::ip::tcp, Executor>;
    using step = command_waiter::step;
    using sent = command_waiter::sent;
    using decided = decided_waiters<command_waiter>;
    using kind = redis::reply::kind;

public:
    using executor_type = Executor;

    static std::shared_ptr<redis_client_core> create(const Executor& executor,
                                                     const redis::client_options& options)
    {
        auto core = std::make_shared<redis_client_core>(executor, options);
        core->join(executor);
        return core;
    }

    redis_client_core(const Executor& executor, const redis::client_options& options)
        : executor_{executor},
          options_{options},
          timer_{std::in_place, executor},
          resolver_{std::in_place, executor}
    {
    }

    executor_type get_executor() const noexcept { return executor_; }
    const redis::client_options& options() const noexcept { return options_; }

    redis::server_info server() const
    {
        std::lock_guard lock{mutex_};
        return server_;
    }

    bool connected() const
    {
        std::lock_guard lock{mutex_};
        return phase_ == phase::ready;
    }

    void start(command_waiter& op)
    {
        within([&] { begin(op); });
    }

    void cancel(command_waiter& op)
    {
        within([&] {
            if (!op.decided())
                refuse(op, asio::error::operation_aborted);
        });
    }

    void close()
    {
        within([&] {
            closed_ = true;
            while (!deadlines_.empty())
                refuse(*deadlines_.begin()->second, asio::error::operation_aborted);
            disconnect();
            if (resolver_)
                resolver_->cancel();
        });
    }

    void on_context_shutdown() noexcept override
    {
        decided abandoned;
        {
            std::lock_guard lock{mutex_};
            closed_ = true;
            while (!deadlines_.empty())
                refuse(*deadlines_.begin()->second, asio::error::operation_aborted);
            disconnect();
            timer_.reset();
            resolver_.reset();
            std::swap(abandoned, decided_);
        }
        abandoned.destroy();
    }

    // For the link.

    std::weak_ptr<redis_client_core> weak()
    {
        return std::static_pointer_cast<redis_client_core>(this->shared_from_this());
    }

    void link_ready(std::uint64_t serial, direction which, error_code failed)
    {
        within([&] {
            if (!link_ || link_->serial() != serial)
                return;
            link_->handle(which, failed);
            after_handling();
        });
    }

    void link_replied(const redisReply* what) noexcept
    {
        if (in_flight_.empty())
            return;
        const sent entry = in_flight_.front();
        in_flight_.pop_front();
        if (entry.op)
            entry.op->in_flight = nullptr;
        if (!what) {
            if (entry.op)
                refuse(*entry.op, redis::error::connection_lost,
                       "connection to Redis at " + options_.address() + " lost");
            return;
        }
        try {
            take_reply(entry, to_reply(*what));
        } catch (...) {
            if (entry.op && !entry.op->decided())
                refuse(*entry.op, asio::error::no_memory);
        }
    }

private:
    enum class phase { idle, resolving, connecting, greeting, ready, waiting };

    /// Does something under the lock, and afterwards what has to be done without it.
    template <class Function>
    void within(Function&& function)
    {
        decided done;
        {
            std::lock_guard lock{mutex_};
            function();
            settle();
            std::swap(done, decided_);
        }
        done.complete();
    }

    /// Waits for what there is to wait for.
    void settle()
    {
        if (link_ && !link_->alive())
            link_.reset();
        if (link_)
            link_->settle(phase_ != phase::ready || !in_flight_.empty());
        if (!timer_)
            return;
        time_point next = time_point::max();
        if (!deadlines_.empty())
            next = deadlines_.begin()->first;
        if (!in_flight_.empty())
            next = std::min(next, in_flight_.front().deadline);
        if (phase_ != phase::idle && phase_ != phase::ready)
            next = std::min(next, phase_end_);
        if (next == armed_)
            return;
        armed_ = next;
        if (next == time_point::max()) {
            timer_->cancel();
            return;
        }
        timer_->expires_at(next);
        timer_->async_wait([self = weak(), next](error_code failed) {
            if (failed)
                return;
            if (const auto alive = self.lock())
                alive->on_timer(next);
        });
    }

    void on_timer(time_point when)
    {
        within([&] {
            if (armed_ == when)
                armed_ = time_point::max();
            expire(clock::now());
        });
    }

    void expire(time_point now)
    {
        while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
            command_waiter& op = *deadlines_.begin()->second;
            const bool unsent = !op.in_flight && !why_not_connected_.empty();
            if (unsent)
                refuse(op, redis::error::connect_failed, why_not_connected_);
            else
                refuse(op, asio::error::timed_out,
                       "no reply of Redis at " + options_.address() + " in time");
        }
        if (!in_flight_.empty() && in_flight_.front().deadline <= now)
            lost("no reply in time");
        else if ((phase_ == phase::resolving || phase_ == phase::connecting ||
                  phase_ == phase::greeting) &&
                 phase_end_ <= now)
            lost("no connection in time");
        else if (phase_ == phase::waiting && phase_end_ <= now)
            connect_if_wanted();
    }

    void begin(command_waiter& op)
    {
        const auto timeout =
            op.command.timeout.count() > 0
                ? std::min<std::chrono::nanoseconds>(op.command.timeout, std::chrono::hours{24})
                : std::chrono::nanoseconds{options_.command_timeout()};
        op.deadline =
            deadlines_.emplace(clock::now() + std::chrono::ceil<clock::duration>(timeout), &op);
        if (closed_) {
            refuse(op, asio::error::operation_aborted);
        } else if (!is_plain(op.command)) {
            refuse(op, redis::error::bad_command, "not a command with one reply");
        } else if (options_.tls() && !redis_has_tls) {
            refuse(op, redis::error::tls_unavailable,
                   "rediss: this hiredis has no TLS: it came with hiredis 1.0, in hiredis_ssl");
        } else {
            if (phase_ == phase::ready && in_flight_.empty() && link_->is_closed_by_peer())
                disconnect(); // found out while idle: nothing is lost
            if (phase_ == phase::ready) {
                send(op);
            } else {
                unsent_.push_back(op);
                if (phase_ == phase::idle)
                    connect_if_wanted();
            }
        }
    }

    /// hiredis would wait for other than one reply.
    static bool is_plain(const redis_command& what)
    {
        if (what.only_connects || what.script)
            return true;
        if (what.arguments.empty() || what.arguments.front().empty())
            return false;
        std::string name = what.arguments.front();
        std::transform(name.begin(), name.end(), name.begin(),
                       [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
        return !name.ends_with("subscribe") && name != "monitor";
    }

    /// It has no reply, for that reason.
    void refuse(command_waiter& op, error_code code, std::string text = {})
    {
        decide(op, code,
               text.empty() ? redis::reply{} : redis::reply::of(kind::error, std::move(text)));
    }

    void decide(command_waiter& op, error_code code, redis::reply&& result)
    {
        deadlines_.erase(op.deadline);
        if (op.in_flight)
            std::exchange(op.in_flight, nullptr)->op = nullptr; // its reply will be dropped
        else if (op.linked())
            unsent_.erase(op);
        decided_.add(op, code, std::move(result));
    }

    // Connecting

    void connect_if_wanted()
    {
        phase_ = phase::idle;
        if (closed_ || unsent_.empty())
            return;
        const time_point now = clock::now();
        if (now < not_before_) {
            phase_ = phase::waiting;
            phase_end_ = not_before_;
            return;
        }
        phase_end_ = now + options_.connect_timeout();
        ++attempt_;
        addresses_.clear();
        if (!options_.unix_socket().empty()) {
            addresses_.emplace_back();
            dial();
            return;
        }
        error_code not_numeric;
        const auto address = asio::ip::make_address(options_.host(), not_numeric);
        if (!not_numeric) {
            addresses_.push_back(address.to_string());
            dial();
            return;
        }
        phase_ = phase::resolving;
        resolver_->async_resolve(
            options_.host(), std::to_string(options_.port()),
            [self = weak(), attempt = attempt_](error_code failed, auto results) {
                if (const auto alive = self.lock())
                    alive->on_resolved(attempt, failed, results);
            });
    }

    template <class Results>
    void on_resolved(std::uint64_t attempt, error_code failed, const Results& results)
    {
        within([&] {
            if (closed_ || phase_ != phase::resolving || attempt != attempt_)
                return;
            if (failed) {
                lost("host name not resolved: " + failed.message());
                return;
            }
            for (const auto& each : results)
                addresses_.push_back(each.endpoint().address().to_string());
            dial();
        });
    }

    /// Tries the next of the addresses.
    void dial()
    {
        std::string why = "host name has no address";
        while (!addresses_.empty()) {
            const std::string address = std::move(addresses_.front());
            addresses_.pop_front();
            try {
                link_ = std::make_unique<link>(executor_, options_, address, ++last_serial_, *this);
                if (link_->alive()) {
                    phase_ = phase::connecting;
                    return;
                }
                why = link_->error();
                link_.reset();
            } catch (const std::exception& failure) { // the loop cannot watch it
                why = failure.what();
            }
        }
        lost(why);
    }

    /// What hiredis has made of the last event.
    void after_handling()
    {
        if (!link_->alive()) {
            const std::string why = link_->error();
            link_.reset();
            if (phase_ == phase::connecting && !addresses_.empty())
                dial();
            else
                lost(why.empty() ? "closed by Redis" : why);
            return;
        }
        if (phase_ == phase::connecting && link_->connected()) {
            phase_ = phase::greeting;
            greeting_.emplace(options_);
            for (const auto& each : greeting_->commands())
                send(nullptr, step::login, each, phase_end_);
        } else if (phase_ == phase::greeting && greeting_->done()) {
            finish_greeting();
        }
    }

    void finish_greeting()
    {
        if (greeting_->code() && greeting_->code() != redis::error::connect_failed) {
            refuse_all(greeting_->code(),
                       "Redis at " + options_.address() + ": " + greeting_->text());
            lost(greeting_->text());
            return;
        }
        if (greeting_->code()) {
            lost(greeting_->text());
            return;
        }
        server_ = greeting_->info();
        server_.session = ++sessions_;
        phase_ = phase::ready;
        failures_ = 0;
        why_not_connected_.clear();
        while (!unsent_.empty() && phase_ == phase::ready)
            send(unsent_.pop_front());
    }

    void refuse_all(error_code code, const std::string& text)
    {
        while (!unsent_.empty())
            refuse(unsent_.front(), code, text);
    }

    /// The connection is gone, or could not be made: the next attempt is for later.
    void lost(std::string why)
    {
        const bool was_ready = phase_ == phase::ready;
        disconnect();
        why_not_connected_ =
            "connection to Redis at " + options_.address() + " failed: " + std::move(why);
        const time_point now = clock::now();
        if (was_ready) {
            not_before_ = now; // perhaps it is back already
        } else {
            const auto most = std::chrono::nanoseconds{options_.most_backoff()};
            auto pause = std::chrono::nanoseconds{options_.first_backoff()};
            for (unsigned i = 0; i < failures_ && pause < most; ++i)
                pause *= 2;
            pause = std::min(pause, most);
            ++failures_;
            using rep = std::chrono::nanoseconds::rep;
            std::uniform_int_distribution<rep> some{pause.count() / 2, pause.count()};
            not_before_ =
                now + std::chrono::ceil<clock::duration>(std::chrono::nanoseconds{some(random_)});
        }
        connect_if_wanted();
    }

    /// Closes the connection; commands in flight are told that it is lost.
    void disconnect()
    {
        phase_ = phase::idle;
        addresses_.clear();
        greeting_.reset();
        if (link_)
            link_->drop();
        link_.reset();
        while (!in_flight_.empty())
            link_replied(nullptr);
    }

    // Commands

    void send(command_waiter& op)
    {
        try {
            const redis_command& what = op.command;
            if (what.only_connects)
                decide(op, error_code{}, redis::reply{});
            else if (!what.script)
                send(&op, step::plain, what.arguments, op.deadline->first);
            else if (std::string sha1 = what.script->sha1(); !sha1.empty())
                send(&op, step::call_by_sha1, call(op, "EVALSHA", std::move(sha1)),
                     op.deadline->first);
            else
                send(&op, step::load, {"SCRIPT", "LOAD", what.script->source()},
                     op.deadline->first);
        } catch (const std::bad_alloc&) {
            if (!op.decided())
                refuse(op, asio::error::no_memory);
        }
    }

    std::vector<std::string> call(const command_waiter& op, const char* name,
                                  std::string which) const
    {
        const redis_command& what = op.command;
        std::vector<std::string> all{name, std::move(which), std::to_string(what.arguments.size())};
        all.insert(all.end(), what.arguments.begin(), what.arguments.end());
        all.insert(all.end(), what.given.begin(), what.given.end());
        if (what.more) {
            std::vector<std::string> more = what.more(server_);
            all.insert(all.end(), std::make_move_iterator(more.begin()),
                       std::make_move_iterator(more.end()));
        }
        return all;
    }

    void send(command_waiter* op, step what, const std::vector<std::string>& arguments,
              time_point deadline)
    {
        in_flight_.push_back(sent{op, what, deadline});
        if (!link_->send(arguments)) {
            in_flight_.pop_back();
            if (op)
                refuse(*op, redis::error::connection_lost, "the command could not be sent");
            return;
        }
        if (op)
            op->in_flight = &in_flight_.back();
    }

    void take_reply(const sent& entry, redis::reply&& answer)
    {
        if (entry.what == step::login) {
            if (greeting_)
                greeting_->answered(answer);
            return;
        }
        if (!entry.op)
            return;
        command_waiter& op = *entry.op;
        const bool failed = answer.type() == kind::error;
        if (entry.what == step::load) {
            if (failed) { // who may not load may still call
                send(&op, step::call_by_text, call(op, "EVAL", op.command.script->source()),
                     op.deadline->first);
                return;
            }
            op.command.script->learn_sha1(answer.text());
            send(op);
        } else if (entry.what == step::call_by_sha1 && failed &&
                   answer.text().starts_with("NOSCRIPT")) {
            send(&op, step::call_by_text, call(op, "EVAL", op.command.script->source()),
                 op.deadline->first);
        } else {
            decide(op, failed ? error_code{redis::error::server_error} : error_code{},
                   std::move(answer));
        }
    }

    const Executor executor_;
    const redis::client_options options_;
    mutable std::mutex mutex_;
    std::unique_ptr<link> link_;
    std::uint64_t last_serial_ = 0;
    std::uint64_t attempt_ = 0;
    std::uint64_t sessions_ = 0;
    phase phase_ = phase::idle;
    time_point phase_end_{};
    time_point not_before_{};
    unsigned failures_ = 0;
    std::string why_not_connected_;
    std::deque<std::string> addresses_;
    std::optional<greeting> greeting_;
    redis::server_info server_;
    intrusive_list<command_waiter> unsent_;
    std::deque<sent> in_flight_;
    command_waiter::deadlines deadlines_; // of all that are not decided
    decided decided_;
    std::optional<timer> timer_;
    time_point armed_ = time_point::max();
    std::optional<resolver> resolver_;
    std::minstd_rand random_{std::random_device{}()};
    bool closed_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
