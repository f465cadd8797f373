#ifndef HEADGATE_REDIS_DETAIL_WORK_STEPS_HPP
#define HEADGATE_REDIS_DETAIL_WORK_STEPS_HPP

#include <headgate/detail/buffer_waiters.hpp>
#include <headgate/detail/clock_timer.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/redis/client.hpp>
#include <headgate/redis/client_options.hpp>
#include <headgate/redis/detail/random_name.hpp>
#include <headgate/redis/detail/work_answer.hpp>
#include <headgate/redis/detail/work_book.hpp>
#include <headgate/redis/detail/work_call.hpp>
#include <headgate/redis/detail/work_prelude.hpp>
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

/// The part of shared work that asks Redis for the steps that callers want, until there is an
/// answer; and that finds out when Redis is away for too long or has lost the job.
///
/// Everything happens under one mutex; handlers are posted after it. The client never calls back
/// from inside a call, so it can be called under it.
template <class Executor>
class work_steps : public shutdown_target, public work_source {
protected:
    using clock = std::chrono::steady_clock;
    using milliseconds = std::chrono::milliseconds;
    using timer = clock_timer<clock, Executor>;
    using client = redis::basic_client<Executor>;

public:
    using executor_type = Executor;
    using pop_op = pop_waiter<redis::work_item, clock::time_point>;
    using join_op = join_waiter;

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

    void start(work_call& op)
    {
        within([&] {
            if (end_ && *end_)
                decide(op, *end_, nullptr);
            else
                op.number = ask(std::move(op.request), &op);
        });
    }

    /// The step goes on; only nobody waits for it any more.
    void cancel(work_call& op)
    {
        within([&] {
            if (op.number == 0)
                return;
            pending& left = asked_.at(op.number);
            left.call = nullptr;
            left.deserted = true;
            decide(op, asio::error::operation_aborted, nullptr);
        });
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
                                   "given up by its worker"));
        } catch (...) {
        }
    }

protected:
    /// All that one step has decided.
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

    work_steps(const Executor& executor, const redis::client_options& where, const std::string& key,
               const redis::work_stream_options& options)
        : executor_{executor},
          options_{options},
          keys_{work_keys(key)},
          book_{random_name(), options.keep_finished()},
          commands_{executor, where},
          retry_{std::in_place, executor}
    {
    }
    ~work_steps() = default;

    /// Tells all who wait for something else than the answer to a step.
    virtual void end_waits(error_code why) = 0;
    /// Redis may be there again.
    virtual void resume() = 0;

    /// Does something under the lock, and completes afterwards what that has decided.
    template <class Function>
    void within(Function&& function)
    {
        decided done;
        {
            std::lock_guard lock{mutex_};
            function();
            std::swap(done, decided_);
        }
        done.complete();
    }

    /// Asks for a step, for `call` or on nobody's behalf.
    std::uint64_t ask(work_request request, work_call* call = nullptr)
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

    /// One attempt, the answer to which is for `on_answer(error_code, reply)`.
    template <class OnAnswer>
    void eval(work_step step, const std::vector<std::string>& rest, OnAnswer on_answer)
    {
        std::vector<std::string> arguments = book_.prelude();
        arguments.insert(arguments.end(), rest.begin(), rest.end());
        commands_.async_eval(script_of(step), keys_, std::move(arguments), std::move(on_answer));
    }

    /// @return false if the job is lost, of which everybody has been told then. One that was seen
    /// to be finished may go.
    bool learn(const work_answer& answer)
    {
        if (answer.failure() == redis::error::state_lost) {
            if (!end_)
                stop(redis::error::state_lost);
            return false;
        }
        book_.learn(answer.generation(), answer.run(), answer.version());
        return true;
    }

    /// @return whether there is no answer, because Redis is away or not ready, and `resume` will be
    /// called. All who wait have been told if that lasts for too long.
    bool put_off(error_code failed, const redis::reply& reply)
    {
        if (failed)
            last_error_ = reply.text().empty() ? failed.message() : reply.text();
        if (!failed || !is_passing(failed, reply.text())) {
            book_.reached();
            return false;
        }
        if (book_.missed(clock::now(), options_.patience())) {
            end_steps(failed);
            end_waits(failed);
        }
        if (!retrying_ && retry_) {
            retrying_ = true;
            retry_->expires_after(book_.next_wait());
            retry_->async_wait([self = weak()](error_code cancelled) {
                const auto alive = self.lock();
                if (alive && !cancelled)
                    alive->on_retry();
            });
        }
        return true;
    }

    /// Everything fails with that from now on.
    void stop(error_code why)
    {
        end_ = why;
        book_.drop_all();
        end_steps(why);
        end_waits(why);
    }

    /// Everything that waits is decided, to be destroyed without the lock.
    decided abandon_steps(bool context_is_gone)
    {
        stop(asio::error::operation_aborted);
        if (context_is_gone)
            retry_.reset();
        else if (retry_)
            retry_->cancel();
        return std::exchange(decided_, {});
    }

    const Executor executor_;
    const redis::work_stream_options options_;
    const std::vector<std::string> keys_;
    mutable std::mutex mutex_;
    work_book book_;
    client commands_;
    std::optional<error_code> end_; // no error: all is done
    decided decided_;
    bool retrying_ = false; // nothing new is tried until then

private:
    /// A step without its answer yet.
    struct pending {
        work_request request;
        work_call* call;       // who waits for it, if anybody does
        bool deserted = false; // somebody did
        bool unsent = false;   // it has to be asked for again
    };

    std::weak_ptr<work_steps> weak()
    {
        return std::static_pointer_cast<work_steps>(this->shared_from_this());
    }

    void send(std::uint64_t number, pending& what)
    {
        what.unsent = false;
        eval(what.request.step, what.request.arguments,
             [self = weak(), number](error_code failed, const redis::reply& reply) {
                 if (const auto alive = self.lock())
                     alive->within([&] { alive->on_answer(number, failed, reply); });
             });
    }

    void decide(work_call& op, error_code failed, const work_answer* answer)
    {
        op.number = 0;
        op.decide_call(failed, answer);
        decided_.calls.push_back(&op);
    }

    void on_answer(std::uint64_t number, error_code failed, const redis::reply& reply)
    {
        if (put_off(failed, reply)) {
            if (const auto left = asked_.find(number); left != asked_.end())
                left->second.unsent = true;
            return;
        }
        const auto found = asked_.find(number);
        if (found == asked_.end())
            return;
        const pending what = std::move(found->second);
        asked_.erase(found);
        const work_answer answer{reply};
        if (!failed)
            settle(what, answer);
        if (what.call)
            decide(*what.call, failed, failed ? nullptr : &answer);
        if (!failed)
            learn(answer);
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

    void on_retry()
    {
        std::lock_guard lock{mutex_};
        retrying_ = false;
        for (auto& [number, what] : asked_)
            if (what.unsent)
                send(number, what);
        resume();
    }

    void end_steps(error_code why)
    {
        for (auto& [number, what] : asked_)
            if (what.call)
                decide(*what.call, why, nullptr);
        asked_.clear();
    }

    std::optional<timer> retry_;
    std::map<std::uint64_t, pending> asked_;
    std::uint64_t last_number_ = 0;
    std::string last_error_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
