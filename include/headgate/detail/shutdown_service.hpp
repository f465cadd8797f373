#ifndef HEADGATE_DETAIL_SHUTDOWN_SERVICE_HPP
#define HEADGATE_DETAIL_SHUTDOWN_SERVICE_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/intrusive_list.hpp>

#include HEADGATE_ASIO(execution_context.hpp)
#include HEADGATE_ASIO(query.hpp)
#include HEADGATE_ASIO_EXECUTION(context.hpp)

#include <atomic>
#include <memory>
#include <mutex>

namespace HEADGATE_NAMESPACE::detail {

class shutdown_service;

/// An object in which operations wait. A suspended coroutine often owns the very object it waits
/// on; when the execution context is destroyed, somebody has to cut that circle.
class shutdown_target : public list_hook, public std::enable_shared_from_this<shutdown_target> {
public:
    /// Destroys the waiting operations without completing them, and whatever else needs the
    /// context. Called at most once, while the context is being destroyed.
    /// It cannot fail: without memory for what it has to do the program ends.
    virtual void on_context_shutdown() noexcept = 0;

    /// Whether that has begun. No operation that waited here may be touched any more.
    bool context_gone() const noexcept { return context_gone_; }

protected:
    // Virtual only because of compilers that warn of a friend that could delete it.
    virtual ~shutdown_target() { leave(); }

    template <class Executor>
    void join(const Executor& executor);
    inline void leave() noexcept;

private:
    friend class shutdown_service;
    shutdown_service* service_ = nullptr;
    std::atomic<bool> context_gone_{false};
};

class shutdown_service final : public asio::execution_context::service {
public:
    using key_type = shutdown_service;
    static inline asio::execution_context::id id;

    explicit shutdown_service(asio::execution_context& context)
        : asio::execution_context::service{context}
    {
    }

    void add(shutdown_target& target)
    {
        std::lock_guard lock{mutex_};
        targets_.push_back(target);
        target.service_ = this;
    }

    void remove(shutdown_target& target) noexcept
    {
        std::lock_guard lock{mutex_};
        if (target.linked())
            targets_.erase(target);
    }

private:
    void shutdown() override
    {
        // Destroying one object's operations may destroy other objects, so start over each time.
        while (auto target = take()) {
            target->context_gone_ = true;
            target->on_context_shutdown();
        }
    }

    std::shared_ptr<shutdown_target> take()
    {
        std::lock_guard lock{mutex_};
        while (!targets_.empty()) {
            shutdown_target& target = targets_.pop_front();
            target.service_ = nullptr;
            if (auto alive = target.weak_from_this().lock())
                return alive;
        }
        return nullptr;
    }

    std::mutex mutex_;
    intrusive_list<shutdown_target> targets_;
};

template <class Executor>
void shutdown_target::join(const Executor& executor)
{
    asio::use_service<shutdown_service>(asio::query(executor, asio::execution::context)).add(*this);
}

inline void shutdown_target::leave() noexcept
{
    if (service_)
        service_->remove(*this);
    service_ = nullptr;
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
