#ifndef HEADGATE_BENCHMARKS_SCRIPT_PIPE_HPP
#define HEADGATE_BENCHMARKS_SCRIPT_PIPE_HPP

#include <headgate/redis/detail/hiredis.hpp>
#include <headgate/redis/detail/limit_script.hpp>
#include <headgate/redis/reply.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace benchmarks {

/// The library's very script in a real Redis that is told the time, by one connection. What is
/// called is executed in that order; an answer is waited for only when it is asked for, so that
/// Redis and its caller work at the same time.
class script_pipe {
public:
    explicit script_pipe(int port) : redis_{redisConnect("127.0.0.1", port)}
    {
        if (!redis_ || redis_->err != 0)
            throw std::runtime_error{"no Redis at 127.0.0.1:" + std::to_string(port)};
        append(
            {"SCRIPT", "LOAD",
             headgate::detail::redis_limit_text("local clock = tonumber(table.remove(ARGV))\n")});
        sha1_ = next_reply().text();
    }

    /// @return the number of this call
    std::uint64_t call(std::vector<std::string> arguments, std::int64_t clock)
    {
        std::vector<std::string> words{"EVALSHA",       sha1_,           "3",
                                       "{fleet}:limit", "{fleet}:turns", "{fleet}:places"};
        words.reserve(words.size() + arguments.size() + 1);
        for (std::string& each : arguments)
            words.push_back(std::move(each));
        words.push_back(std::to_string(clock));
        append(words);
        wanted_.push_back(true);
        ++calls_;
        if (++unsent_ == 8) {
            unsent_ = 0;
            int done = 0;
            while (done == 0)
                if (redisBufferWrite(redis_.get(), &done) != REDIS_OK)
                    throw std::runtime_error{redis_->errstr};
        }
        return calls_;
    }

    /// What the call of that number answered; to be asked for once.
    headgate::redis::reply answer(std::uint64_t number)
    {
        unsent_ = 0;
        while (read_ < number) {
            const bool is_call = wanted_.front();
            wanted_.pop_front();
            auto reply = next_reply();
            if (is_call)
                answers_.emplace(++read_, std::move(reply));
        }
        auto found = answers_.extract(number);
        return std::move(found.mapped());
    }

    /// Nobody will ask for that answer.
    void forget(std::uint64_t number) { answer(number); }

    /// All that is kept is gone.
    void flush()
    {
        append({"FLUSHALL"});
        wanted_.push_back(false);
    }

    std::uint64_t calls() const { return calls_; }

    /// CPU time that Redis has taken so far.
    double cpu_seconds()
    {
        drain();
        append({"INFO", "cpu"});
        const std::string text = next_reply().text();
        const auto value = [&](const std::string& name) {
            const auto at = text.find("\n" + name + ":");
            return at == text.npos ? 0.0 : std::stod(text.substr(at + name.size() + 2));
        };
        return value("used_cpu_user") + value("used_cpu_sys");
    }

    /// Reads all answers there are to come.
    void drain()
    {
        for (; !wanted_.empty(); wanted_.pop_front()) {
            next_reply();
            read_ += wanted_.front() ? 1 : 0;
        }
        answers_.clear();
    }

private:
    struct closing {
        void operator()(redisContext* it) const { redisFree(it); }
    };

    void append(const std::vector<std::string>& words)
    {
        std::vector<const char*> texts;
        std::vector<std::size_t> sizes;
        for (const std::string& each : words) {
            texts.push_back(each.data());
            sizes.push_back(each.size());
        }
        if (redisAppendCommandArgv(redis_.get(), static_cast<int>(words.size()), texts.data(),
                                   sizes.data()) != REDIS_OK)
            throw std::runtime_error{redis_->errstr};
    }

    headgate::redis::reply next_reply()
    {
        void* found = nullptr;
        if (redisGetReply(redis_.get(), &found) != REDIS_OK)
            throw std::runtime_error{std::string{"Redis: "} + redis_->errstr};
        const std::unique_ptr<redisReply, void (*)(redisReply*)> owned{
            static_cast<redisReply*>(found), [](redisReply* it) { freeReplyObject(it); }};
        auto result = headgate::detail::to_reply(*owned);
        if (result.type() == headgate::redis::reply::kind::error)
            throw std::runtime_error{"Redis: " + result.text()};
        return result;
    }

    std::unique_ptr<redisContext, closing> redis_;
    std::string sha1_;
    std::deque<bool> wanted_; // of what was sent, whether it is a call
    std::map<std::uint64_t, headgate::redis::reply> answers_;
    std::uint64_t calls_ = 0;
    std::uint64_t read_ = 0;
    int unsent_ = 0;
};

} // namespace benchmarks

#endif
