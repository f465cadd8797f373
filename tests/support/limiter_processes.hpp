#ifndef HEADGATE_TESTS_SUPPORT_LIMITER_PROCESSES_HPP
#define HEADGATE_TESTS_SUPPORT_LIMITER_PROCESSES_HPP

#include <headgate/redis/shared_limiter.hpp>

#include <asio/awaitable.hpp>
#include <asio/co_spawn.hpp>
#include <asio/io_context.hpp>
#include <asio/steady_timer.hpp>
#include <asio/use_awaitable.hpp>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace support {

/// What each of several processes does: as many coroutines as it says take a permit, note the time,
/// as a server would, and take the next, until the end.
class limiter_processes {
public:
    using clock = std::chrono::steady_clock; // one for all processes of a machine
    using time = std::chrono::nanoseconds;

    struct grant {
        time at;
        std::size_t process;
    };

    limiter_processes(std::string url, std::vector<headgate::limit> limits,
                      headgate::redis::shared_limiter_options options = {})
        : url_{std::move(url)}, limits_{std::move(limits)}, options_{options}
    {
    }
    limiter_processes(const limiter_processes&) = delete;
    limiter_processes& operator=(const limiter_processes&) = delete;
    ~limiter_processes()
    {
        for (std::size_t i = 0; i < processes_.size(); ++i)
            kill(i);
    }

    std::size_t workers = 20;
    time holds{0}; ///< how long a permit is held

    /// Something to do, that long after the start.
    void at(time when, std::function<void()> what) { todo_.emplace(when, std::move(what)); }

    void kill(std::size_t i)
    {
        child& it = processes_[i];
        if (it.id > 0) {
            ::kill(it.id, SIGKILL);
            ::waitpid(it.id, nullptr, 0);
        }
        it.id = 0;
    }

    /// Runs that many processes for that long.
    void run(std::size_t count, time length)
    {
        start_ = clock::now();
        for (std::size_t i = 0; i < count; ++i)
            begin(length);
        for (;;) {
            std::vector<pollfd> open;
            for (const child& each : processes_)
                if (each.pipe >= 0)
                    open.push_back({each.pipe, POLLIN, 0});
            if (open.empty())
                break;
            ::poll(open.data(), static_cast<nfds_t>(open.size()), 10);
            for (std::size_t i = 0; i < processes_.size(); ++i)
                read(i);
            while (!todo_.empty() && todo_.begin()->first <= clock::now() - start_) {
                const auto what = std::move(todo_.begin()->second);
                todo_.erase(todo_.begin());
                what();
            }
        }
        for (std::size_t i = 0; i < processes_.size(); ++i) {
            int status = 0;
            if (processes_[i].id > 0 &&
                (::waitpid(processes_[i].id, &status, 0) < 0 || status != 0))
                throw std::runtime_error{"process " + std::to_string(i) + " failed"};
            processes_[i].id = 0;
        }
        std::sort(grants.begin(), grants.end(),
                  [](const grant& a, const grant& b) { return a.at < b.at; });
    }

    std::vector<grant> grants; ///< in the order of time

    /// The most in any span of that length, as a sliding log counts.
    std::size_t most_in(time period) const
    {
        std::size_t most = 0;
        for (std::size_t first = 0, last = 0; last < grants.size(); ++last) {
            while (grants[first].at + period <= grants[last].at)
                ++first;
            most = std::max(most, last - first + 1);
        }
        return most;
    }

    /// The share of a window that is used: how soon each of its places is taken again.
    double use_of(std::size_t count, time period) const
    {
        if (grants.size() <= count)
            return 0;
        double sum = 0;
        for (std::size_t i = count; i < grants.size(); ++i)
            sum += static_cast<double>((grants[i].at - grants[i - count].at).count());
        return static_cast<double>(period.count()) * static_cast<double>(grants.size() - count) /
               sum;
    }

    std::size_t granted(std::size_t process, time from = time::min(),
                        time until = time::max()) const
    {
        return static_cast<std::size_t>(
            std::count_if(grants.begin(), grants.end(), [&](const grant& each) {
                return each.process == process && each.at >= from && each.at < until;
            }));
    }

    std::size_t granted_between(time from, time until) const
    {
        std::size_t sum = 0;
        for (std::size_t i = 0; i < processes_.size(); ++i)
            sum += granted(i, from, until);
        return sum;
    }

private:
    struct child {
        pid_t id;
        int pipe;
    };

    void begin(time length)
    {
        int ends[2];
        if (::pipe(ends) != 0)
            throw std::runtime_error{"no pipe"};
        const pid_t id = ::fork();
        if (id < 0)
            throw std::runtime_error{"no process"};
        if (id == 0) {
#ifdef __linux__
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
            ::close(ends[0]);
            ::_exit(work(ends[1], length));
        }
        ::close(ends[1]);
        processes_.push_back({id, ends[0]});
    }

    /// Inside the new process.
    int work(int out, time length) const
    {
        try {
            asio::io_context context;
            headgate::redis::client_options where{url_};
            where.reconnect_backoff(std::chrono::milliseconds{10}, std::chrono::milliseconds{200});
            headgate::redis::shared_limiter limiter{context, where, "shared", limits_, options_};
            const auto end = start_ + std::chrono::duration_cast<clock::duration>(length);
            auto job = [&]() -> asio::awaitable<void> {
                asio::steady_timer timer{context};
                while (clock::now() < end) {
                    headgate::permit permit =
                        co_await limiter.async_acquire_permit(1, asio::use_awaitable);
                    const time now = clock::now() - start_;
                    const std::int64_t number = now.count();
                    if (::write(out, &number, sizeof number) != sizeof number)
                        throw std::runtime_error{"nobody reads"};
                    if (holds > time{0}) {
                        timer.expires_after(std::chrono::duration_cast<clock::duration>(holds));
                        co_await timer.async_wait(asio::use_awaitable);
                    }
                    permit.commit();
                }
            };
            bool failed = false;
            for (std::size_t i = 0; i < workers; ++i)
                asio::co_spawn(context, job, [&](std::exception_ptr why) {
                    failed = failed || why;
                    if (clock::now() >= end)
                        context.stop();
                });
            context.run();
            return failed ? 1 : 0;
        } catch (...) {
            return 2;
        }
    }

    void read(std::size_t i)
    {
        child& it = processes_[i];
        pollfd ready{it.pipe, POLLIN, 0};
        while (it.pipe >= 0 && ::poll(&ready, 1, 0) > 0) {
            std::int64_t numbers[512];
            const auto got =
                ::read(it.pipe, numbers, sizeof numbers); // whole numbers: writes are atomic
            if (got <= 0) {
                ::close(it.pipe);
                it.pipe = -1;
                return;
            }
            for (std::size_t k = 0; k < static_cast<std::size_t>(got) / sizeof *numbers; ++k)
                grants.push_back({time{numbers[k]}, i});
        }
    }

    std::string url_;
    std::vector<headgate::limit> limits_;
    headgate::redis::shared_limiter_options options_;
    clock::time_point start_;
    std::vector<child> processes_;
    std::multimap<time, std::function<void()>> todo_;
};

} // namespace support

#endif
