#ifndef HEADGATE_REDIS_DETAIL_WORK_CORE_HPP
#define HEADGATE_REDIS_DETAIL_WORK_CORE_HPP

#include <headgate/detail/buffer_waiters.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/intrusive_list.hpp>
#include <headgate/detail/pop_line.hpp>
#include <headgate/error.hpp>
#include <headgate/redis/client_options.hpp>
#include <headgate/redis/detail/work_answer.hpp>
#include <headgate/redis/detail/work_book.hpp>
#include <headgate/redis/detail/work_prelude.hpp>
#include <headgate/redis/detail/work_request.hpp>
#include <headgate/redis/detail/work_scripts.hpp>
#include <headgate/redis/detail/work_steps.hpp>
#include <headgate/redis/reply.hpp>
#include <headgate/redis/work_item.hpp>
#include <headgate/redis/work_stream_options.hpp>

#include HEADGATE_ASIO(error.hpp)

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// What one process does for its part in shared work, besides the steps that callers ask for: it
/// takes items for those who wait for one, and says that it lives as long as it holds any.
///
/// Who waits is served by `take`, which finds all there is, and when that is not enough by a look
/// at what `wake` gets, which is a stream so that nothing is missed between the two. That look
/// blocks, and therefore has a connection of its own.
template <class Executor>
class work_core final : public work_steps<Executor> {
    using base = work_steps<Executor>;
    using typename base::client;
    using typename base::clock;
    using typename base::decided;
    using typename base::milliseconds;
    using typename base::timer;
    using time_point = clock::time_point;

    using base::book_;
    using base::commands_;
    using base::decided_;
    using base::end_;
    using base::executor_;
    using base::keys_;
    using base::mutex_;
    using base::options_;
    using base::retrying_;

public:
    using typename base::join_op;
    using typename base::pop_op;
    using pop_until_op = pop_until_waiter<redis::work_item, time_point>;

    static std::shared_ptr<work_core> create(const Executor& executor,
                                             const redis::client_options& where,
                                             const std::string& key,
                                             const redis::work_stream_options& options)
    {
        auto core = std::make_shared<work_core>(executor, where, key, options);
        core->shutdown_target::join(executor);
        return core;
    }

    work_core(const Executor& executor, const redis::client_options& where, const std::string& key,
              const redis::work_stream_options& options)
        : base{executor, where, key, options},
          look_time_{std::clamp(options.visibility() / 4, milliseconds{10}, milliseconds{1000})},
          looks_{executor, where},
          beat_{std::in_place, executor}
    {
    }

    /// Nothing is here that nobody has waited for.
    std::optional<redis::work_item> try_pop() { return std::nullopt; }

    using base::cancel;
    using base::start;

    void start(pop_op& op) { start(op, std::nullopt); }
    void start(pop_until_op& op) { start(op, op.until); }

    void cancel(pop_op& op)
    {
        this->within([&] {
            if (op.decided())
                return;
            remove(op);
            decided_.pops.add(op, asio::error::operation_aborted, std::nullopt);
        });
    }

    void start(join_op& op)
    {
        this->within([&] {
            if (end_) {
                decided_.joins.add(op, *end_);
                return;
            }
            joins_.push_back(op);
            wanted_ = true;
            take();
        });
    }

    void cancel(join_op& op)
    {
        this->within([&] {
            if (op.decided())
                return;
            joins_.erase(op);
            decided_.joins.add(op, asio::error::operation_aborted);
        });
    }

    /// The owner goes away.
    void abandon()
    {
        decided abandoned;
        {
            std::lock_guard lock{mutex_};
            abandoned = this->abandon_steps(false);
            if (beat_)
                beat_->cancel();
            waiting_.stop();
        }
        if (!this->context_gone()) {
            commands_.close();
            looks_.close();
        }
        abandoned.complete();
    }

    void on_context_shutdown() noexcept override
    {
        decided abandoned;
        {
            std::lock_guard lock{mutex_};
            abandoned = this->abandon_steps(true);
            beat_.reset();
            waiting_.drop_timer();
        }
        abandoned.destroy();
    }

private:
    void start(pop_op& op, std::optional<time_point> until)
    {
        this->within([&] {
            if (end_) {
                decided_.pops.add(op, *end_, std::nullopt);
                return;
            }
            if (until && *until <= clock::now()) {
                decided_.pops.add(op, asio::error::timed_out, std::nullopt);
                return;
            }
            if (!until)
                waiting_.push_back(op);
            else if (waiting_.push_back(op, *until))
                arm_deadline();
            ++pops_;
            wanted_ = true;
            take();
        });
    }

    void remove(pop_op& op)
    {
        --pops_;
        if (waiting_.erase(op) && !end_)
            arm_deadline();
    }

    void arm_deadline()
    {
        waiting_.arm(executor_, on_core([](work_core& core) { core.on_deadline(); }));
    }

    void on_deadline()
    {
        const auto now = clock::now();
        while (pop_op* const op = waiting_.late(now)) {
            remove(*op);
            decided_.pops.add(*op, asio::error::timed_out, std::nullopt);
        }
        if (!end_)
            arm_deadline();
    }

    bool anybody_waits() const noexcept { return pops_ > 0 || !joins_.empty(); }

    void end_waits(error_code why) override
    {
        while (!waiting_.empty()) {
            pop_op& op = waiting_.front();
            remove(op);
            decided_.pops.add(op, why, std::nullopt);
        }
        decided_.joins.add_all(joins_, why);
    }

    void resume() override { take(); }

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
        this->eval(work_step::take, arguments,
                   on_core([most](work_core& core, error_code failed, const redis::reply& reply) {
                       core.on_take(most, failed, reply);
                   }));
    }

    void on_take(std::size_t asked_for, error_code failed, const redis::reply& reply)
    {
        taking_ = false;
        if (this->put_off(failed, reply)) {
            wanted_ = true;
            return;
        }
        if (failed) {
            end_waits(failed);
            return;
        }
        const work_answer answer{reply};
        if (!this->learn(answer))
            return;
        hand_out(answer.rest(1));
        if (answer.status() == "finished") {
            end_ = error_code{};
            end_waits({});
            return;
        }
        // Without a job whatever comes is new.
        last_wake_ = answer.rest(0).text().empty() ? "$" : answer.rest(0).text();
        wanted_ = wanted_ || (asked_for > 0 && answer.rest(1).size() >= asked_for);
        take();
        look();
    }

    void hand_out(const redis::reply& items)
    {
        for (const redis::reply& each : items.elements()) {
            const std::string& id = work_answer::at(each, 0).text();
            const std::size_t deliveries = work_answer::number(work_answer::at(each, 1));
            if (waiting_.empty()) {
                // Who was to have it was cancelled; it is handed out again, as if it never was.
                this->ask(return_request(id, deliveries, options_.max_deliveries(), "release", {}));
                continue;
            }
            book_.hold(id, deliveries);
            std::weak_ptr<work_source> source =
                std::static_pointer_cast<work_core>(this->shared_from_this());
            pop_op& op = waiting_.front();
            remove(op);
            decided_.pops.add(op, error_code{},
                              std::optional<redis::work_item>{std::in_place, std::move(source), id,
                                                              deliveries,
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
        looking_ = false;
        wanted_ = true;
        if (end_ || this->put_off(failed, reply))
            return;
        if (failed)
            end_waits(failed);
        take();
    }

    void arm_beat(bool soon = false)
    {
        if (end_ || beating_ || !beat_ || !book_.holds_any())
            return;
        beating_ = true;
        beat_->expires_after(options_.visibility() / (soon ? 12 : 3));
        beat_->async_wait(on_core([](work_core& core, error_code cancelled) {
            if (!cancelled)
                core.on_beat();
        }));
    }

    void on_beat()
    {
        beating_ = false;
        if (end_ || !book_.holds_any())
            return;
        beating_ = true;
        std::vector<std::string> arguments;
        add_list(arguments, book_.signs_of_life());
        this->eval(work_step::beat, arguments,
                   on_core([](work_core& core, error_code failed, const redis::reply& reply) {
                       core.on_beat_answer(failed, reply);
                   }));
    }

    void on_beat_answer(error_code failed, const redis::reply& reply)
    {
        beating_ = false;
        if (end_)
            return;
        if (const work_answer answer{reply}; !failed && this->learn(answer)) {
            const redis::reply& lost = answer.rest(0);
            for (std::size_t i = 0; i + 1 < lost.size(); i += 2)
                book_.drop(lost[i].text(), work_answer::number(lost[i + 1]));
        }
        arm_beat(static_cast<bool>(failed));
    }

    /// A handler that keeps nothing alive: who waits has what is waited on.
    template <class Function>
    auto on_core(Function function)
    {
        std::weak_ptr<work_core> weak =
            std::static_pointer_cast<work_core>(this->shared_from_this());
        return [self = std::move(weak), function = std::move(function)](const auto&... args) {
            if (const auto alive = self.lock())
                alive->within([&] { function(*alive, args...); });
        };
    }

    static constexpr std::size_t most_at_once = 100;

    const milliseconds look_time_; // before those who wait look again anyway
    client looks_;
    std::optional<timer> beat_;
    pop_line<pop_op, clock, Executor> waiting_;
    std::size_t pops_ = 0; // how many wait there
    intrusive_list<join_op> joins_;
    std::string last_wake_ = "$";
    bool wanted_ = false; // there may be something to take
    bool taking_ = false;
    bool looking_ = false;
    bool beating_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
