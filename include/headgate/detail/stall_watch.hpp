#ifndef HEADGATE_DETAIL_STALL_WATCH_HPP
#define HEADGATE_DETAIL_STALL_WATCH_HPP

#include <headgate/detail/any_strand.hpp>
#include <headgate/detail/clock_timer.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/shutdown_service.hpp>
#include <headgate/error.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(bind_executor.hpp)
#include HEADGATE_ASIO(post.hpp)

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Notices that something is tried for too long without success. While nothing is tried, because
/// there is nothing to do or nobody to do it for, no time counts. Safe to share between threads.
template <class Clock, class Executor>
class stall_watch final : public shutdown_target {
    using time_point = typename Clock::time_point;

public:
    /// Something that is tried, from its construction until it is destroyed.
    class attempt {
    public:
        explicit attempt(std::shared_ptr<stall_watch> watch) : watch_{std::move(watch)}
        {
            std::lock_guard lock{watch_->mutex_};
            if (watch_->attempts_++ == 0)
                watch_->since_ = std::max(watch_->since_, Clock::now());
        }
        attempt(const attempt&) = delete;
        attempt& operator=(const attempt&) = delete;
        ~attempt()
        {
            std::lock_guard lock{watch_->mutex_};
            --watch_->attempts_;
        }

    private:
        std::shared_ptr<stall_watch> watch_;
    };

    /// @param stalled is called once, on `executor`
    static std::shared_ptr<stall_watch> create(const Executor& executor,
                                               std::chrono::nanoseconds longest,
                                               std::function<void()> stalled)
    {
        auto watch = std::make_shared<stall_watch>(executor, longest, std::move(stalled));
        watch->join(executor);
        return watch;
    }

    stall_watch(const Executor& executor, std::chrono::nanoseconds longest,
                std::function<void()> stalled)
        : longest_{std::chrono::ceil<typename Clock::duration>(longest)},
          stalled_{std::move(stalled)},
          strand_{make_any_strand(executor)},
          timer_{std::in_place, executor}
    {
    }

    void start()
    {
        asio::post(strand_, [self = me()] { self->look(); });
    }

    void stop()
    {
        std::lock_guard lock{mutex_};
        stopped_ = true;
        if (timer_)
            asio::post(strand_, [self = me()] { self->timer_->cancel(); });
    }

    /// All is well until `until` at least.
    void progress(time_point until)
    {
        std::lock_guard lock{mutex_};
        since_ = std::max(since_, until);
    }

    /// The owner of the watch may live on without the context; what the context has to do with does
    /// not.
    void on_context_shutdown() noexcept override
    {
        std::lock_guard lock{mutex_};
        stopped_ = true;
        timer_.reset();
        strand_ = {};
    }

private:
    std::shared_ptr<stall_watch> me()
    {
        return std::static_pointer_cast<stall_watch>(this->shared_from_this());
    }

    void look()
    {
        const time_point now = Clock::now();
        time_point next;
        {
            std::lock_guard lock{mutex_};
            if (stopped_)
                return;
            next = (attempts_ > 0 ? since_ : now) + longest_;
        }
        if (next <= now)
            return stalled_();
        timer_->expires_at(next);
        timer_->async_wait(asio::bind_executor(strand_, [self = me()](error_code cancelled) {
            if (!cancelled)
                self->look();
        }));
    }

    const typename Clock::duration longest_;
    const std::function<void()> stalled_;
    asio::any_io_executor strand_;
    std::optional<clock_timer<Clock, Executor>> timer_; // used on the strand
    std::mutex mutex_;
    std::size_t attempts_ = 0;
    time_point since_{};
    bool stopped_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
