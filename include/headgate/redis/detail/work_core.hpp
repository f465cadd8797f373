#ifndef HEADGATE_REDIS_DETAIL_WORK_CORE_HPP
#define HEADGATE_REDIS_DETAIL_WORK_CORE_HPP

#include <headgate/detail/buffer_waiters.hpp>
#include <headgate/detail/clock_timer.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/intrusive_list.hpp>
#include <headgate/detail/pop_line.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/redis/client.hpp>
#include <headgate/redis/client_options.hpp>
#include <headgate/redis/detail/random_name.hpp>
#include <headgate/redis/detail/work_answer.hpp>
#include <headgate/redis/detail/work_book.hpp>
#include <headgate/redis/detail/work_call.hpp>
#include <headgate/redis/detail/work_request.hpp>
#include <headgate/redis/detail/work_scripts.hpp>
#include <headgate/redis/error.hpp>
#include <headgate/redis/reply.hpp>
#include <headgate/redis/work_item.hpp>
#include <headgate/redis/work_stream_options.hpp>

#include HEADGATE_ASIO(error.hpp)

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// What one process does for its part in shared work: it asks Redis for the steps that callers
/// want, until there is an answer; takes items for those who wait for one; and says that it lives,
/// as long as it holds any.
///
/// Who waits for an item is served by `take`, which finds all there is, and when that is not enough
/// by a look at what `wake` gets, which is a stream so that nothing is missed between the two. That
/// look blocks, and therefore has a connection of its own.
///
/// Everything happens under one mutex; handlers are posted after it. The clients never call back
/// from inside a call, so they can be called under it.
template <class Executor>
class work_core final : public shutdown_target, public work_source {
    using clock = std::chrono::steady_clock;
    using time_point = clock::time_point;
    using milliseconds = std::chrono::milliseconds;
    using timer = clock_timer<clock, Executor>;
    using client = redis::basic_client<Executor>;

public:
    using executor_type = Executor;
    using pop_op = pop_waiter<redis::work_item, time_point>;
    using pop_until_op = pop_until_waiter<redis::work_item, time_point>;
    using join_op = join_waiter;

    static std::shared_ptr<work_core> create(const Executor& executor,
                                             const redis::client_options& where,
                                             const std::string& key,
                                             const redis::work_stream_options& options)
    {
        auto core = std::make_shared<work_core>(executor, where, key, options);
        core->join(executor);
        return core;
    }

    work_core(const Executor& executor, const redis::client_options& where, const std::string& key,
              const redis::work_stream_options& options)
        : executor_{executor},
          options_{options},
          keys_{work_keys(key)},
          look_time_{std::clamp(options.visibility() / 4, milliseconds{10}, milliseconds{1000})},
          book_{random_name(), options.keep_finished()},
          commands_{executor, where},
          looks_{executor, where},
          retry_{std::in_place, executor},
          beat_{std::in_place, executor}
    {
    }

    executor_type get_executor() const noexcept { return executor_; }
    const redis::work_stream_options& options() const noexcept { return options_; }

    std::size_t held() const
    {
        std::lock_guard lock{mutex_};
        return book_.held();
    }

    std::string last_error() const
    {
        std::lock_guard lock{mutex_};
        return last_error_;
    }

    /// Nothing is here that nobody has waited for.
    std::optional<redis::work_item> try_pop() { return std::nullopt; }

    void start(pop_op& op) { start(op, std::nullopt); }
    void start(pop_until_op& op) { start(op, op.until); }

    void start(join_op& op)
    {
        decided ops;
        {
            std::lock_guard lock{mutex_};
            if (end_) {
                ops.joins.add(op, *end_);
            } else {
                joins_.push_back(op);
                wanted_ = true;
                take();
            }
        }
        ops.complete();
    }

    void start(work_call& op)
    {
        decided ops;
        {
            std::lock_guard lock{mutex_};
            if (end_ && *end_) {
                op.decide_call(*end_, nullptr);
                ops.calls.push_back(&op);
            } else {
                op.number = ask(std::move(op.request), &op);
            }
        }
        ops.complete();
    }

    void cancel(pop_op& op)
    {
        decided ops;
        {
            std::lock_guard lock{mutex_};
            if (op.decided())
                return;
            remove(op);
            ops.pops.add(op, asio::error::operation_aborted, std::nullopt);
        }
        ops.complete();
    }

    void cancel(join_op& op)
    {
        decided ops;
        {
            std::lock_guard lock{mutex_};
            if (op.decided())
                return;
            joins_.erase(op);
            ops.joins.add(op, asio::error::operation_aborted);
        }
        ops.complete();
    }

    /// The step goes on; only nobody waits for it any more.
    void cancel(work_call& op)
    {
        decided ops;
        {
            std::lock_guard lock{mutex_};
            if (op.number == 0)
                return;
            pending& left = asked_.at(op.number);
            left.call = nullptr;
            left.deserted = true;
            op.number = 0;
            op.decide_call(asio::error::operation_aborted, nullptr);
            ops.calls.push_back(&op);
        }
        ops.complete();
    }

    void give_up(const std::string& id, std::size_t deliveries) noexcept override
    {
        // Whatever fails here, nobody says any more that the item's holder lives.
        try {
            std::lock_guard lock{mutex_};
            if (!book_.drop(id, deliveries) || end_)
                return;
            const auto settles = [&](const auto& each) {
                const work_request& request = each.second.request;
                return request.ends && request.item == id && request.deliveries == deliveries;
            };
            if (std::none_of(asked_.begin(), asked_.end(), settles))
                ask(return_request(id, deliveries, options_.max_deliveries(), "fail",
                                   "given up by its worker"),
                    nullptr);
        } catch (...) {
        }
    }

    /// The owner goes away.
    void abandon()
    {
        decided ops;
        {
            std::lock_guard lock{mutex_};
            stop(asio::error::operation_aborted, ops);
            if (retry_)
                retry_->cancel();
            if (beat_)
                beat_->cancel();
            waiting_.stop();
        }
        if (!context_gone()) {
            commands_.close();
            looks_.close();
        }
        ops.complete();
    }

    void on_context_shutdown() noexcept override
    {
        decided ops;
        {
            std::lock_guard lock{mutex_};
            stop(asio::error::operation_aborted, ops);
            retry_.reset();
            beat_.reset();
            waiting_.drop_timer();
        }
        ops.destroy();
    }

private:
    /// A step without its answer yet.
    struct pending {
        work_request request;
        work_call* call;       // who waits for it, if anybody does
        bool deserted = false; // somebody did
        bool unsent = false;   // it has to be asked again
    };

    struct decided {
        decided_waiters<pop_op> pops;
        decided_waiters<join_op> joins;
        std::vector<work_call*> calls;

        void complete()
        {
            for (work_call* const each : calls)
                each->complete_call();
            pops.complete();
            joins.complete();
        }
        void destroy() noexcept
        {
            for (work_call* const each : calls)
                each->destroy_call();
            pops.destroy();
            joins.destroy();
        }
    };

    void start(pop_op& op, std::optional<time_point> until)
    {
        decided ops;
        {
            std::lock_guard lock{mutex_};
            if (end_) {
                ops.pops.add(op, *end_, std::nullopt);
            } else if (until && *until <= clock::now()) {
                ops.pops.add(op, asio::error::timed_out, std::nullopt);
            } else {
                if (!until)
                    waiting_.push_back(op);
                else if (waiting_.push_back(op, *until))
                    arm_deadline();
                ++pops_;
                wanted_ = true;
                take();
            }
        }
        ops.complete();
    }

    void remove(pop_op& op)
    {
        --pops_;
        if (waiting_.erase(op))
            arm_deadline();
    }

    void arm_deadline()
    {
        waiting_.arm(executor_, on_core([](work_core& core) { core.on_deadline(); }));
    }

    void on_deadline()
    {
        decided ops;
        {
            std::lock_guard lock{mutex_};
            const auto now = clock::now();
            while (pop_op* const op = waiting_.late(now)) {
                remove(*op);
                ops.pops.add(*op, asio::error::timed_out, std::nullopt);
            }
            if (!end_)
                arm_deadline();
        }
        ops.complete();
    }

    bool anybody_waits() const noexcept { return pops_ > 0 || !joins_.empty(); }

    // Steps.

    std::uint64_t ask(work_request request, work_call* call)
    {
        if (request.step == work_step::push) {
            request.noted = book_.next_step();
            request.arguments.insert(request.arguments.begin(), request.noted);
        }
        const std::uint64_t number = ++last_number_;
        const auto place = asked_.emplace(number, pending{std::move(request), call}).first;
        send(number, place->second);
        return number;
    }

    void send(std::uint64_t number, pending& what)
    {
        what.unsent = false;
        eval(what.request.step, what.request.arguments,
             [number](work_core& core, error_code failed, const redis::reply& reply) {
                 core.on_answer(number, failed, reply);
             });
    }

    template <class OnAnswer>
    void eval(work_step step, const std::vector<std::string>& rest, OnAnswer on_answer)
    {
        std::vector<std::string> arguments = book_.prelude();
        arguments.insert(arguments.end(), rest.begin(), rest.end());
        commands_.async_eval(script_of(step), keys_, std::move(arguments),
                             on_core(std::move(on_answer)));
    }

    void on_answer(std::uint64_t number, error_code failed, const redis::reply& reply)
    {
        decided ops;
        {
            std::lock_guard lock{mutex_};
            const auto found = asked_.find(number);
            if (found == asked_.end())
                return;
            if (put_off(failed, reply, ops)) {
                if (const auto left = asked_.find(number); left != asked_.end())
                    left->second.unsent = true;
            } else {
                const pending what = std::move(found->second);
                asked_.erase(found);
                const work_answer answer{reply};
                if (!failed)
                    settle(what, answer);
                if (what.call) {
                    what.call->number = 0;
                    what.call->decide_call(failed, failed ? nullptr : &answer);
                    ops.calls.push_back(what.call);
                }
                if (!failed)
                    learn(answer, ops);
            }
        }
        ops.complete();
    }

    void settle(const pending& what, const work_answer& answer)
    {
        const work_request& request = what.request;
        const error_code failed = answer.failure();
        // Who has deserted it may ask again.
        if (!what.deserted)
            book_.heard(request.noted);
        if ((request.ends && !failed) || failed == redis::error::taken_over)
            book_.drop(request.item, request.deliveries);
    }

    /// @return false if the job is lost, of which everybody has been told then.
    bool learn(const work_answer& answer, decided& ops)
    {
        if (answer.failure() == redis::error::state_lost) {
            stop(redis::error::state_lost, ops);
            return false;
        }
        book_.learn(answer.generation(), answer.run(), answer.version());
        return true;
    }

    // Redis away.

    /// @return whether there is no answer, because Redis is away or not ready.
    bool put_off(error_code& failed, const redis::reply& reply, decided& ops)
    {
        if (!failed && reply.type() != redis::reply::kind::array && !reply.is_nil())
            failed = redis::error::server_error;
        if (failed)
            last_error_ = reply.text().empty() ? failed.message() : reply.text();
        if (!failed || !is_passing(failed, reply.text())) {
            book_.reached();
            return false;
        }
        if (book_.missed(clock::now(), options_.patience()))
            fail(failed, ops);
        if (!retrying_ && retry_) {
            retrying_ = true;
            retry_->expires_after(book_.next_wait());
            retry_->async_wait(on_time([](work_core& core) { core.on_retry(); }));
        }
        return true;
    }

    void on_retry()
    {
        std::lock_guard lock{mutex_};
        retrying_ = false;
        for (auto& [number, what] : asked_)
            if (what.unsent)
                send(number, what);
        take();
    }

    /// Tells all who wait.
    void fail(error_code why, decided& ops)
    {
        for (auto& [number, what] : asked_) {
            if (!what.call)
                continue;
            what.call->number = 0;
            what.call->decide_call(why, nullptr);
            ops.calls.push_back(what.call);
        }
        asked_.clear();
        end_waits(why, ops);
    }

    void end_waits(error_code why, decided& ops)
    {
        while (!waiting_.empty()) {
            pop_op& op = waiting_.front();
            remove(op);
            ops.pops.add(op, why, std::nullopt);
        }
        ops.joins.add_all(joins_, why);
    }

    /// For good.
    void stop(error_code why, decided& ops)
    {
        end_ = why;
        book_.drop_all();
        fail(why, ops);
    }

    // Taking.

    void take()
    {
        if (end_ || taking_ || retrying_ || !wanted_ || !anybody_waits())
            return;
        taking_ = true;
        wanted_ = false;
        const std::size_t most = std::min(pops_, most_at_once);
        const std::vector<std::string> arguments{std::to_string(most),
                                                 std::to_string(options_.visibility().count()),
                                                 std::to_string(options_.max_deliveries())};
        eval(work_step::take, arguments,
             [most](work_core& core, error_code failed, const redis::reply& reply) {
                 core.on_take(most, failed, reply);
             });
    }

    void on_take(std::size_t asked_for, error_code failed, const redis::reply& reply)
    {
        decided ops;
        {
            std::lock_guard lock{mutex_};
            taking_ = false;
            if (put_off(failed, reply, ops)) {
                wanted_ = true;
            } else if (failed) {
                end_waits(failed, ops);
            } else if (const work_answer answer{reply}; learn(answer, ops)) {
                hand_out(answer.rest(1), ops);
                // Without a job whatever comes is new.
                last_wake_ = answer.rest(0).text().empty() ? "$" : answer.rest(0).text();
                if (answer.status() == "finished") {
                    end_ = error_code{};
                    end_waits({}, ops);
                } else {
                    wanted_ = wanted_ || (asked_for > 0 && answer.rest(1).size() >= asked_for);
                    take();
                    look();
                }
            }
        }
        ops.complete();
    }

    void hand_out(const redis::reply& items, decided& ops)
    {
        for (const redis::reply& each : items.elements()) {
            const std::string& id = work_answer::at(each, 0).text();
            const auto deliveries =
                static_cast<std::size_t>(work_answer::number(work_answer::at(each, 1)));
            if (waiting_.empty()) {
                // Who was to have it was cancelled; it is handed out again, as if it never was.
                ask(return_request(id, deliveries, options_.max_deliveries(), "release", {}),
                    nullptr);
                continue;
            }
            book_.hold(id, deliveries);
            const std::weak_ptr<work_source> source =
                std::static_pointer_cast<work_core>(this->shared_from_this());
            pop_op& op = waiting_.front();
            remove(op);
            ops.pops.add(op, error_code{},
                         std::optional<redis::work_item>{std::in_place, source, id, deliveries,
                                                         work_answer::at(each, 2).text()});
        }
        arm_beat();
    }

    void look()
    {
        if (end_ || looking_ || taking_ || !anybody_waits())
            return;
        looking_ = true;
        std::vector<std::string> command{
            "XREAD",   "BLOCK", std::to_string(look_time_.count()), "STREAMS", keys_[work_wake_key],
            last_wake_};
        // Not much longer: the other connection may be well, and has to be asked then.
        const milliseconds most = std::min(looks_.options().command_timeout(), milliseconds{2000});
        looks_.async_command_for(
            look_time_ + most, std::move(command),
            on_core([](work_core& core, error_code failed, const redis::reply& reply) {
                core.on_look(failed, reply);
            }));
    }

    void on_look(error_code failed, const redis::reply& reply)
    {
        decided ops;
        {
            std::lock_guard lock{mutex_};
            looking_ = false;
            wanted_ = true;
            if (!end_ && !put_off(failed, reply, ops)) {
                if (failed)
                    end_waits(failed, ops);
                take();
            }
        }
        ops.complete();
    }

    // Signs of life.

    void arm_beat(bool soon = false)
    {
        if (end_ || beating_ || !beat_ || !book_.holds_any())
            return;
        beating_ = true;
        beat_->expires_after(options_.visibility() / (soon ? 12 : 3));
        beat_->async_wait(on_time([](work_core& core) { core.on_beat(); }));
    }

    void on_beat()
    {
        std::lock_guard lock{mutex_};
        if (end_ || !book_.holds_any()) {
            beating_ = false;
            return;
        }
        std::vector<std::string> arguments;
        add_list(arguments, book_.signs_of_life());
        eval(work_step::beat, arguments,
             [](work_core& core, error_code failed, const redis::reply& reply) {
                 core.on_beat_answer(failed, reply);
             });
    }

    void on_beat_answer(error_code failed, const redis::reply& reply)
    {
        decided ops;
        {
            std::lock_guard lock{mutex_};
            beating_ = false;
            if (const work_answer answer{reply}; !failed && !end_ && learn(answer, ops)) {
                const redis::reply& lost = answer.rest(0);
                for (std::size_t i = 0; i + 1 < lost.size(); i += 2)
                    book_.drop(lost[i].text(), work_answer::number(lost[i + 1]));
            }
            arm_beat(static_cast<bool>(failed));
        }
        ops.complete();
    }

    // Handlers keep nothing alive: who waits has it that is waited on.

    template <class Function>
    auto on_core(Function function)
    {
        return [self = this->weak_from_this(), function = std::move(function)](auto... args) {
            if (const auto alive = self.lock())
                function(static_cast<work_core&>(*alive), std::move(args)...);
        };
    }

    template <class Function>
    auto on_time(Function function)
    {
        return [then = on_core(std::move(function))](error_code failed) {
            if (!failed)
                then();
        };
    }

    static constexpr std::size_t most_at_once = 100;

    const Executor executor_;
    const redis::work_stream_options options_;
    const std::vector<std::string> keys_;
    const milliseconds look_time_; // before those who wait look again anyway
    mutable std::mutex mutex_;
    work_book book_;
    client commands_;
    client looks_;
    std::optional<timer> retry_;
    std::optional<timer> beat_;
    std::map<std::uint64_t, pending> asked_;
    std::uint64_t last_number_ = 0;
    pop_line<pop_op, clock, Executor> waiting_;
    std::size_t pops_ = 0; // how many wait there
    intrusive_list<join_op> joins_;
    std::string last_wake_ = "$";
    std::string last_error_;
    std::optional<error_code> end_; // no error: all is done
    bool wanted_ = false;           // there may be something to take
    bool taking_ = false;
    bool looking_ = false;
    bool retrying_ = false;
    bool beating_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
