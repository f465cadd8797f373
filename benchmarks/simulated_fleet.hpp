#ifndef HEADGATE_BENCHMARKS_SIMULATED_FLEET_HPP
#define HEADGATE_BENCHMARKS_SIMULATED_FLEET_HPP

#include <headgate/limit.hpp>
#include <headgate/redis/detail/lease_book.hpp>
#include <headgate/redis/detail/lease_request.hpp>

#include "script_pipe.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <limits>
#include <memory>
#include <queue>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace benchmarks {

/// What is simulated. Times are of the simulation.
struct fleet_plan {
    using time = std::chrono::nanoseconds;

    std::string name;
    headgate::limit allowed = headgate::limit::paced(1, std::chrono::seconds{1});
    std::size_t clients = 1;
    time delay{std::chrono::microseconds{200}}; ///< to Redis, one way, on average; a half to three
    double loss = 0;                            ///< of questions, and of answers
    double load = 0;                            ///< of the limit; 0: always somebody waits
    time length{std::chrono::seconds{10}};
    time service{0}; ///< what one call keeps Redis busy
    headgate::detail::lease_book::settings settings;
    std::size_t late = 0;    ///< so many of the clients come when half of the time is over
    std::size_t die = 0;     ///< so many are gone by then
    bool restarts = false;   ///< Redis is killed then
    bool persistent = false; ///< and knows what it knew
    time down{std::chrono::seconds{1}};

    /// What it begins to be measured at: the first second shows how clients learn.
    time warm{std::chrono::seconds{2}};
};

/// One client's tokens, and when requests came to the server that counts them.
struct fleet_result {
    std::vector<std::uint64_t> granted;       ///< by client, once warm
    std::vector<std::uint64_t> granted_after; ///< by client, in the last quarter
    std::vector<std::int64_t> arrivals;       ///< nanoseconds
    std::vector<std::int64_t> waits;          ///< nanoseconds; of an open load
    std::uint64_t calls = 0;                  ///< once warm
    std::uint64_t calls_in_all = 0;
    std::uint64_t unanswered = 0;
    double redis_cpu_seconds = 0;
};

/// Clients of one shared limit in virtual time: the library's state machine of each of them, and
/// its script in a real Redis that is told the time. Simulated are the network, Redis being busy,
/// away, or without memory, and the clocks of the clients, each of which is wrong by some seconds
/// and up to 50 parts in a million.
class simulated_fleet {
    using time = std::chrono::nanoseconds;
    using book = headgate::detail::lease_book;
    using question = headgate::detail::lease_request;

public:
    simulated_fleet(const fleet_plan& plan, script_pipe& redis, std::uint64_t seed)
        : plan_{plan},
          redis_{redis},
          random_{seed},
          windows_{plan.allowed.type() == headgate::limit::kind::window ? 1U : 0U}
    {
        redis_.flush();
        const double share = rate() / static_cast<double>(plan.clients);
        line_ = std::max<std::size_t>(4, static_cast<std::size_t>(share * 0.2) + 1);
        result_.granted.resize(plan.clients);
        result_.granted_after.resize(plan.clients);
        std::uniform_int_distribution<std::int64_t> ahead{0, 1'000'000'000'000};
        std::uniform_real_distribution<> drift{-5e-5, 5e-5};
        for (std::size_t i = 0; i < plan.clients; ++i) {
            clients_.push_back(std::make_unique<client>(plan));
            clients_.back()->ahead = time{ahead(random_)};
            clients_.back()->drift = drift(random_);
            clients_.back()->id = "client" + std::to_string(i);
            if (plan.load == 0)
                clients_.back()->waiting = line_;
            // Not all in the same moment.
            const time start = i < plan.late ? plan.length / 2 : time{0};
            clients_.back()->wake_at = start + between(time{0}, std::chrono::milliseconds{100});
            post(clients_.back()->wake_at, kind::wake, i);
        }
        if (plan.load > 0)
            post(next_arrival(), kind::arrival, 0);
        if (plan.restarts || plan.die > 0)
            post(plan.length / 2, kind::accident, 0);
    }

    fleet_result run()
    {
        const double cpu_before = redis_.cpu_seconds();
        const std::uint64_t calls_before = redis_.calls();
        while (!events_.empty() && events_.top().at <= plan_.length) {
            const event next = events_.top();
            events_.pop();
            now_ = next.at;
            handle(next);
        }
        redis_.drain();
        result_.calls_in_all = redis_.calls() - calls_before;
        result_.redis_cpu_seconds = redis_.cpu_seconds() - cpu_before;
        return std::move(result_);
    }

private:
    enum class kind : std::uint8_t {
        wake,
        arrival,
        accident,
        restart,
        at_redis,
        answer,
        lost,
        done
    };

    struct event {
        time at;
        std::uint64_t order;
        kind what;
        std::size_t which;   // a client, or a question
        std::uint64_t grant; // of kind::done
        bool operator>(const event& other) const
        {
            return at != other.at ? at > other.at : order > other.order;
        }
    };

    struct client {
        explicit client(const fleet_plan& plan) : leases{{plan.allowed}, plan.settings} {}
        book leases;
        std::string id;
        time ahead{0};
        double drift = 0;
        std::size_t waiting = 0;
        std::deque<time> since; // of an open load
        bool alive = true;
        time wake_at = time::max();
    };

    struct asked {
        question what;
        std::size_t who;
        time sent;    // by the client's clock
        time give_up; // by the true one
        std::uint64_t number = 0;
        int life = 0; // of Redis
    };

    static constexpr std::int64_t epoch = 1'700'000'000'000'000; // microseconds
    static constexpr std::chrono::seconds away_after{1};
    static constexpr std::chrono::milliseconds api_least{5};
    static constexpr std::chrono::milliseconds api_most{15};
    static constexpr std::chrono::milliseconds api_work{20};
    static constexpr std::chrono::microseconds timer_late{100};

    double rate() const
    {
        return static_cast<double>(plan_.allowed.count()) /
               std::chrono::duration<double>(plan_.allowed.period()).count();
    }

    void post(time at, kind what, std::size_t which, std::uint64_t grant = 0)
    {
        events_.push({at, ++order_, what, which, grant});
    }

    time between(time least, time most)
    {
        return time{
            std::uniform_int_distribution<std::int64_t>{least.count(), most.count()}(random_)};
    }
    time one_way() { return between(plan_.delay / 2, plan_.delay * 3 / 2); }
    bool is_lost()
    {
        return plan_.loss > 0 && std::uniform_real_distribution<>{}(random_) < plan_.loss;
    }
    time next_arrival()
    {
        const double gap = std::exponential_distribution<>{rate() * plan_.load}(random_);
        return now_ + time{static_cast<std::int64_t>(gap * 1e9)};
    }

    time own(const client& it) const
    {
        return now_ + it.ahead +
               time{static_cast<std::int64_t>(static_cast<double>(now_.count()) * it.drift)};
    }
    /// When a client's clock shows that; a little later, as timers are.
    time when_shows(const client& it, time shown)
    {
        const double span = static_cast<double>((shown - it.ahead).count()) / (1 + it.drift);
        return std::max(now_, time{static_cast<std::int64_t>(span) + 2}) +
               between(time{0}, timer_late);
    }

    void handle(const event& next)
    {
        switch (next.what) {
        case kind::wake:
            if (clients_[next.which]->wake_at == next.at) { // else there is another by now
                clients_[next.which]->wake_at = time::max();
                serve(next.which);
            }
            break;
        case kind::arrival: {
            const std::size_t who =
                std::uniform_int_distribution<std::size_t>{0, clients_.size() - 1}(random_);
            client& it = *clients_[who];
            ++it.waiting;
            it.since.push_back(now_);
            it.leases.arrived(1, own(it));
            post(next_arrival(), kind::arrival, 0);
            serve(who);
            break;
        }
        case kind::accident:
            for (std::size_t i = 0; i < plan_.die; ++i)
                clients_[clients_.size() - 1 - i]->alive = false;
            if (plan_.restarts) {
                up_ = false;
                post(now_ + plan_.down, kind::restart, 0);
            }
            break;
        case kind::restart:
            if (!plan_.persistent)
                redis_.flush();
            up_ = true;
            started_ = now_;
            busy_until_ = now_;
            ++life_;
            break;
        case kind::at_redis:
            decide(next.which);
            break;
        case kind::answer:
            answered(next.which);
            break;
        case kind::lost:
            lost(next.which);
            break;
        case kind::done:
            if (client& it = *clients_[next.which]; it.alive) {
                it.leases.finish(next.grant, 1, own(it));
                serve(next.which);
            }
            break;
        }
    }

    /// As the limiter does it: who is due is served, then more is asked for, then a timer is set.
    void serve(std::size_t who)
    {
        client& it = *clients_[who];
        if (!it.alive)
            return;
        const time here = own(it);
        it.leases.expire(here);
        while (it.waiting > 0 && it.leases.due(1) <= here) {
            const bool held = windows_ > 0; // of others nothing is learned from an answer
            const std::uint64_t grant = it.leases.take(1, here, held);
            note_grant(who, it);
            if (held)
                post(now_ + api_least + between(api_work, 2 * api_work + 2 * api_most), kind::done,
                     who, grant);
            if (plan_.load == 0)
                it.leases.arrived(1, here); // the next one comes
        }
        it.leases.wants(it.waiting, 1);
        if (auto what = it.leases.ask(here))
            ask(who, std::move(*what));
        time next = it.leases.wake(here);
        if (it.waiting > 0)
            next = std::min(next, it.leases.due(1));
        if (next == time::max())
            return;
        const time wake = when_shows(it, next);
        if (it.wake_at <= wake)
            return;
        it.wake_at = wake;
        post(wake, kind::wake, who);
    }

    void note_grant(std::size_t who, client& it)
    {
        result_.arrivals.push_back((now_ + between(api_least, api_most)).count());
        if (now_ >= plan_.warm)
            ++result_.granted[who];
        if (now_ >= plan_.length * 3 / 4)
            ++result_.granted_after[who];
        if (plan_.load == 0)
            return;
        --it.waiting;
        if (now_ >= plan_.warm)
            result_.waits.push_back((now_ - it.since.front()).count());
        it.since.pop_front();
    }

    void ask(std::size_t who, question what)
    {
        result_.calls += now_ >= plan_.warm ? 1 : 0;
        const std::size_t slot = free_slot();
        questions_[slot] = {std::move(what), who, own(*clients_[who]), now_ + away_after, 0, life_};
        if (is_lost())
            post(questions_[slot].give_up, kind::lost, slot);
        else
            post(now_ + one_way(), kind::at_redis, slot);
    }

    void decide(std::size_t slot)
    {
        asked& it = questions_[slot];
        if (!up_ || it.life != life_) {
            post(now_ + one_way(), kind::lost, slot); // refused, or reset
            return;
        }
        const time begin = std::max(now_, busy_until_);
        busy_until_ = begin + plan_.service;
        const auto us = [](time at) {
            return epoch + std::chrono::floor<std::chrono::microseconds>(at).count();
        };
        const std::int64_t clock = us(begin);
        // Its uptime is known in seconds.
        const std::int64_t started =
            life_ == 0 ? epoch - 3'600'000'000 : std::min(us(started_) + 1'000'000, clock);
        it.number = redis_.call(it.what.arguments("run" + std::to_string(life_),
                                                  std::chrono::microseconds{started},
                                                  clients_[it.who]->id, it.sent),
                                clock);
        const time back = busy_until_ + one_way();
        if (is_lost() || back > it.give_up)
            post(it.give_up, kind::lost, slot);
        else
            post(back, kind::answer, slot);
    }

    void answered(std::size_t slot)
    {
        const asked it = take(slot);
        const auto reply = redis_.answer(it.number);
        if (!clients_[it.who]->alive)
            return;
        client& who = *clients_[it.who];
        if (it.life != life_ || !up_) {
            ++result_.unanswered;
            who.leases.lost(it.what, own(who));
        } else {
            const auto answer = headgate::detail::lease_answer::read(reply, windows_);
            if (!answer)
                throw std::runtime_error{"that is not an answer of the script"};
            who.leases.answered(it.what, *answer, it.sent, own(who));
        }
        serve(it.who);
    }

    void lost(std::size_t slot)
    {
        const asked it = take(slot);
        if (it.number > 0)
            redis_.forget(it.number);
        ++result_.unanswered;
        client& who = *clients_[it.who];
        if (!who.alive)
            return;
        who.leases.lost(it.what, own(who));
        serve(it.who);
    }

    std::size_t free_slot()
    {
        if (free_.empty()) {
            questions_.emplace_back();
            return questions_.size() - 1;
        }
        const std::size_t slot = free_.back();
        free_.pop_back();
        return slot;
    }

    asked take(std::size_t slot)
    {
        free_.push_back(slot);
        return std::move(questions_[slot]);
    }

    const fleet_plan plan_;
    script_pipe& redis_;
    std::mt19937_64 random_;
    const std::size_t windows_;
    std::size_t line_ = 0;
    std::vector<std::unique_ptr<client>> clients_;
    std::deque<asked> questions_;
    std::vector<std::size_t> free_;
    std::priority_queue<event, std::vector<event>, std::greater<>> events_;
    std::uint64_t order_ = 0;
    time now_{0};
    bool up_ = true;
    int life_ = 0;
    time started_{0};
    time busy_until_{0};
    fleet_result result_;
};

} // namespace benchmarks

#endif
