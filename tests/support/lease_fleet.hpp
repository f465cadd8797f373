#ifndef HEADGATE_TESTS_SUPPORT_LEASE_FLEET_HPP
#define HEADGATE_TESTS_SUPPORT_LEASE_FLEET_HPP

#include <headgate/redis/detail/hiredis.hpp>
#include <headgate/redis/detail/lease_book.hpp>
#include <headgate/redis/detail/limit_script.hpp>

#include "support/redis_server.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace support {

/// Clients of one shared limit in virtual time: the real script in a real Redis, which is told the
/// time, and the real lease_book of each client. The network between them is simulated, and so are
/// the clocks of the clients and what becomes of Redis.
class lease_fleet {
public:
    using time = std::chrono::nanoseconds;
    using book = headgate::detail::lease_book;

    struct client {
        std::string id;
        book leases;
        time clock_ahead; ///< of the true time
        std::size_t waiting = 0;
        std::size_t unit = 1;
        bool alive = true;
        bool reachable = true;
        std::size_t granted = 0;
        std::size_t asked = 0;
        time holds{0}; ///< how long each permit is held; 0 for plain tokens
        time wake_at = time::max();
        time last_retry{0};
    };

    struct grant {
        time at;
        std::size_t client;
        std::size_t tokens;
    };

    lease_fleet(redis_server& server, std::vector<headgate::limit> limits, std::uint64_t seed = 1)
        : limits_{std::move(limits)}, random_{seed}
    {
        redis_ = redisConnect("127.0.0.1", server.port());
        if (!redis_ || redis_->err != 0)
            throw std::runtime_error{"no Redis"};
        command({"FLUSHALL"});
        script_ =
            headgate::detail::redis_limit_text("local clock = tonumber(table.remove(ARGV))\n");
        sha1_ = command({"SCRIPT", "LOAD", script_}).text();
    }
    lease_fleet(const lease_fleet&) = delete;
    lease_fleet& operator=(const lease_fleet&) = delete;
    ~lease_fleet() { redisFree(redis_); }

    // What can be set before and during a run

    time delay_least{std::chrono::microseconds{100}}; ///< one way
    time delay_most{std::chrono::microseconds{400}};
    double loss = 0; ///< of questions, and of answers
    bool up = true;
    std::string run_id = "run1";
    time started{-std::chrono::hours{1}};
    std::vector<grant> grants;
    book::settings settings;

    std::size_t add(std::size_t waiting, std::size_t unit = 1)
    {
        const auto n = clients_.size();
        std::uniform_int_distribution<std::int64_t> ahead{0, 1'000'000'000'000};
        clients_.push_back(
            std::make_unique<client>(client{"client" + std::to_string(n), book{limits_, settings},
                                            time{ahead(random_)}, waiting, unit}));
        post(now_, [this, n] { serve(n); });
        return n;
    }

    client& operator[](std::size_t n) { return *clients_.at(n); }
    std::size_t size() const { return clients_.size(); }
    time now() const { return now_; }

    void after(time span, std::function<void()> what) { post(now_ + span, std::move(what)); }

    void run_until(time end)
    {
        while (!events_.empty() && events_.begin()->first <= end) {
            now_ = events_.begin()->first;
            const auto what = std::move(events_.begin()->second);
            events_.erase(events_.begin());
            what();
        }
        now_ = end;
    }

    /// Redis is killed, and started again, with what it kept if it kept it.
    void restart(bool persistent, time down)
    {
        up = false;
        after(down, [this, persistent] {
            if (!persistent)
                command({"FLUSHALL"});
            run_id = "run" + std::to_string(++runs_);
            started = now_;
            up = true;
        });
    }

    void flush() { command({"FLUSHALL"}); }

    void serve(std::size_t n)
    {
        client& it = *clients_[n];
        if (!it.alive)
            return;
        it.leases.expire(own(it));
        while (it.waiting > 0 && it.leases.due(it.unit) <= own(it)) {
            it.leases.arrived(it.unit, own(it)); // another one comes for each that was served
            const auto order = it.leases.take(it.unit, own(it), it.holds > time{0});
            grants.push_back({now_, n, it.unit});
            it.granted += it.unit;
            if (it.holds > time{0}) {
                ++in_flight;
                most_in_flight = std::max(most_in_flight, in_flight);
                after(it.holds, [this, n, order] { finish(n, order); });
            }
        }
        it.leases.wants(it.waiting, it.unit);
        if (auto question = it.leases.ask(own(it)))
            ask(n, std::make_shared<headgate::detail::lease_request>(std::move(*question)));
        time next = it.leases.wake(own(it));
        if (it.waiting > 0)
            next = std::min(next, it.leases.due(it.unit));
        if (next == time::max())
            return;
        const time wake = std::max(next - it.clock_ahead, now_);
        if (it.wake_at > now_ && it.wake_at <= wake)
            return; // is woken by then
        it.wake_at = wake;
        post(wake, [this, n] {
            clients_[n]->wake_at = time::max();
            serve(n);
        });
    }

    time own(const client& it) const { return now_ + it.clock_ahead; }

    /// Tokens granted in the busiest span of `period`, as a server counts them.
    std::size_t most_in(time period) const
    {
        auto sorted = grants;
        std::sort(sorted.begin(), sorted.end(),
                  [](const grant& a, const grant& b) { return a.at < b.at; });
        std::size_t most = 0;
        std::size_t sum = 0;
        for (std::size_t first = 0, last = 0; last < sorted.size(); ++last) {
            sum += sorted[last].tokens;
            while (sorted[first].at + period <= sorted[last].at)
                sum -= sorted[first++].tokens;
            most = std::max(most, sum);
        }
        return most;
    }

    std::size_t granted_between(time from, time until) const
    {
        std::size_t sum = 0;
        for (const grant& each : grants)
            sum += each.at >= from && each.at < until ? each.tokens : 0;
        return sum;
    }

    std::size_t asked() const
    {
        std::size_t sum = 0;
        for (const auto& each : clients_)
            sum += each->asked;
        return sum;
    }

    std::size_t in_flight = 0;
    std::size_t most_in_flight = 0;

    headgate::redis::reply command(const std::vector<std::string>& words)
    {
        std::vector<const char*> texts;
        std::vector<std::size_t> sizes;
        for (const std::string& each : words) {
            texts.push_back(each.data());
            sizes.push_back(each.size());
        }
        const std::unique_ptr<redisReply, void (*)(redisReply*)> answer{
            static_cast<redisReply*>(redisCommandArgv(redis_, static_cast<int>(words.size()),
                                                      texts.data(), sizes.data())),
            [](redisReply* it) { freeReplyObject(it); }};
        if (!answer)
            throw std::runtime_error{"Redis is gone"};
        auto result = headgate::detail::to_reply(*answer);
        if (result.type() == headgate::redis::reply::kind::error)
            throw std::runtime_error{result.text()};
        return result;
    }

private:
    static constexpr std::int64_t server_epoch = 1'700'000'000'000'000; // microseconds

    static std::int64_t us(time span)
    {
        return std::chrono::floor<std::chrono::microseconds>(span).count();
    }

    void post(time when, std::function<void()> what) { events_.emplace(when, std::move(what)); }

    time some_delay()
    {
        std::uniform_int_distribution<std::int64_t> some{delay_least.count(), delay_most.count()};
        return time{some(random_)};
    }

    bool is_lost() { return std::uniform_real_distribution<>{}(random_) < loss; }

    void finish(std::size_t n, std::uint64_t order)
    {
        --in_flight;
        if (!clients_[n]->alive)
            return;
        clients_[n]->leases.finish(order, clients_[n]->unit, own(*clients_[n]));
        serve(n);
    }

    void ask(std::size_t n, std::shared_ptr<headgate::detail::lease_request> question)
    {
        client& it = *clients_[n];
        ++it.asked;
        const time sent = own(it);
        if (!up || !it.reachable) {
            after(std::chrono::milliseconds{1}, [this, n, question] { lost(n, *question); });
            return;
        }
        if (is_lost()) {
            after(std::chrono::milliseconds{300}, [this, n, question] { lost(n, *question); });
            return;
        }
        after(some_delay(), [this, n, question, sent] {
            if (!up) {
                lost(n, *question);
                return;
            }
            auto arguments = question->arguments(
                run_id,
                std::chrono::microseconds{server_epoch + us(started) + 1'000'000 <
                                                  server_epoch + us(now_)
                                              ? server_epoch + us(started) + 1'000'000
                                              : server_epoch + us(now_)},
                clients_[n]->id, sent);
            std::vector<std::string> words{"EVALSHA",   sha1_,       "3",
                                           "{k}:limit", "{k}:turns", "{k}:places"};
            words.insert(words.end(), arguments.begin(), arguments.end());
            words.push_back(std::to_string(server_epoch + us(now_)));
            if (command({"SCRIPT", "EXISTS", sha1_})[0].integer() == 0)
                command({"SCRIPT", "LOAD", script_});
            auto answer = command(words);
            const bool answer_lost = is_lost();
            after(answer_lost ? std::chrono::milliseconds{300} : some_delay(),
                  [this, n, question, sent, answer, answer_lost, run = run_id] {
                      if (!clients_[n]->alive)
                          return;
                      if (answer_lost || !up || run != run_id)
                          lost(n, *question);
                      else
                          answered(n, *question, answer, sent);
                  });
        });
    }

    void lost(std::size_t n, const headgate::detail::lease_request& question)
    {
        if (!clients_[n]->alive)
            return;
        clients_[n]->leases.lost(question, own(*clients_[n]));
        serve(n);
    }

    void answered(std::size_t n, const headgate::detail::lease_request& question,
                  const headgate::redis::reply& answer, time sent)
    {
        const auto windows = static_cast<std::size_t>(
            std::count(question.limits.begin(), question.limits.end(), 'w'));
        const auto read = headgate::detail::lease_answer::read(answer, windows);
        if (!read)
            throw std::runtime_error{"not an answer"};
        clients_[n]->leases.answered(question, *read, sent, own(*clients_[n]));
        serve(n);
    }

    std::vector<headgate::limit> limits_;
    std::mt19937_64 random_;
    redisContext* redis_;
    std::string script_;
    std::string sha1_;
    int runs_ = 1;
    time now_{0};
    std::multimap<time, std::function<void()>> events_;
    std::vector<std::unique_ptr<client>> clients_;
};

} // namespace support

#endif
