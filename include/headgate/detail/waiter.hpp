#ifndef HEADGATE_DETAIL_WAITER_HPP
#define HEADGATE_DETAIL_WAITER_HPP

#include <headgate/detail/intrusive_list.hpp>

#include <asio/associated_allocator.hpp>
#include <asio/associated_cancellation_slot.hpp>
#include <asio/associated_executor.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/post.hpp>
#include <asio/recycling_allocator.hpp>

#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace headgate::detail {

/// An asynchronous operation that waits in a list until somebody decides its result.
///
/// Whoever calls `decide` (under the lock of the object it waits on, having taken it out of its
/// list) is the only one who may then call `complete` or `destroy`, after releasing the lock. That
/// one decision is what makes a cancelled operation and a served one exclude each other.
template <class... Args>
class waiter : public list_hook {
public:
    /// Which requests for cancellation are honoured; an operation that has taken nothing while it
    /// waits can honour all.
    static constexpr asio::cancellation_type cancellable = asio::cancellation_type::all;

    /// Constructs the result in place from what `std::tuple<Args...>` can be made of.
    template <class... Values>
    void decide(Values&&... values)
    {
        result_.emplace(std::forward<Values>(values)...);
    }

    bool decided() const noexcept { return result_.has_value(); }

    /// Posts the handler to its associated executor and gives up this object.
    virtual void complete() = 0;

    /// Destroys the handler without calling it: the execution context is going away.
    virtual void destroy() noexcept = 0;

    /// Calls the handler. A derived class may have one of its own to hand over something else.
    template <class Handler>
    static void deliver(Handler&& handler, std::tuple<Args...>&& result)
    {
        std::apply(std::forward<Handler>(handler), std::move(result));
    }

protected:
    ~waiter() = default;

    std::optional<std::tuple<Args...>> result_;
};

/// Operations whose results were decided under a lock, to be completed after it.
template <class Waiter>
class decided_waiters {
public:
    template <class... Args>
    void add(Waiter& op, Args&&... args)
    {
        op.decide(std::forward<Args>(args)...);
        list_.push_back(op);
    }

    /// Decides all of `waiting` alike.
    template <class... Args>
    void add_all(intrusive_list<Waiter>& waiting, const Args&... args)
    {
        while (!waiting.empty())
            add(waiting.pop_front(), args...);
    }

    void complete()
    {
        while (!list_.empty())
            list_.pop_front().complete();
    }

    void destroy() noexcept
    {
        while (!list_.empty())
            list_.pop_front().destroy();
    }

private:
    intrusive_list<Waiter> list_;
};

// g++ 12 takes the value of an empty std::optional for one that is read (GCC bug 80635).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

/// `Waiter` derives from `waiter<Args...>` and adds what the operation is waiting for.
template <class Waiter, class Handler, class IoExecutor>
class waiter_op final : public Waiter {
    using handler_executor = asio::associated_executor_t<Handler, IoExecutor>;
    using allocator = typename std::allocator_traits<asio::associated_allocator_t<
        Handler, asio::recycling_allocator<void>>>::template rebind_alloc<waiter_op>;

    struct deleter {
        void operator()(waiter_op* op) const noexcept { op->destroy(); }
    };
    using pointer = std::unique_ptr<waiter_op, deleter>;

public:
    template <class... Payload>
    static waiter_op* create(Handler&& handler, const IoExecutor& executor, Payload&&... payload)
    {
        allocator memory{
            asio::get_associated_allocator(handler, asio::recycling_allocator<void>{})};
        waiter_op* const place = std::allocator_traits<allocator>::allocate(memory, 1);
        try {
            return ::new (static_cast<void*>(place))
                waiter_op{std::move(handler), executor, std::forward<Payload>(payload)...};
        } catch (...) {
            std::allocator_traits<allocator>::deallocate(memory, place, 1);
            throw;
        }
    }

    void complete() override
    {
        auto executor = handler_work_.get_executor();
        asio::post(executor, completion{pointer{this}});
    }

    void destroy() noexcept override
    {
        allocator memory{
            asio::get_associated_allocator(handler_, asio::recycling_allocator<void>{})};
        this->~waiter_op();
        std::allocator_traits<allocator>::deallocate(memory, this, 1);
    }

private:
    class completion {
    public:
        using allocator_type =
            asio::associated_allocator_t<Handler, asio::recycling_allocator<void>>;

        explicit completion(pointer op) : op_{std::move(op)} {}

        allocator_type get_allocator() const noexcept
        {
            return asio::get_associated_allocator(op_->handler_, asio::recycling_allocator<void>{});
        }

        void operator()()
        {
            auto slot = asio::get_associated_cancellation_slot(op_->handler_);
            if (slot.is_connected())
                slot.clear();
            // The memory is given back before the handler runs, so that the next operation that
            // the handler starts can have it.
            auto io_work = std::move(op_->io_work_);
            auto handler_work = std::move(op_->handler_work_);
            auto result = std::move(*op_->result_);
            Handler handler{std::move(op_->handler_)};
            op_.reset();
            Waiter::deliver(std::move(handler), std::move(result));
        }

    private:
        pointer op_;
    };

    template <class... Payload>
    waiter_op(Handler&& handler, const IoExecutor& executor, Payload&&... payload)
        : Waiter{std::forward<Payload>(payload)...},
          handler_{std::move(handler)},
          io_work_{executor},
          handler_work_{asio::get_associated_executor(handler_, executor)}
    {
    }
    ~waiter_op() = default;

    Handler handler_;
    asio::executor_work_guard<IoExecutor> io_work_;
    asio::executor_work_guard<handler_executor> handler_work_;
};

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

/// What is posted for an operation that need not wait.
template <class Waiter, class Handler, class IoExecutor, class Ready>
class ready_op {
    using io_work = asio::executor_work_guard<IoExecutor>;

public:
    using allocator_type = asio::associated_allocator_t<Handler, asio::recycling_allocator<void>>;
    using handler_executor = asio::associated_executor_t<Handler, IoExecutor>;

    ready_op(Handler&& handler, const IoExecutor& executor, Ready&& result)
        : handler_(std::move(handler)),
          result_(std::move(result)) // no braces: Ready may be made of a list of its like
    {
        // As with an operation that waits, both contexts have work until the handler is through.
        // Posting is work for the one that it is posted to.
        if constexpr (std::is_same_v<handler_executor, IoExecutor>)
            if (asio::get_associated_executor(handler_, executor) == executor)
                return;
        io_work_.emplace(executor);
    }

    allocator_type get_allocator() const noexcept
    {
        return asio::get_associated_allocator(handler_, asio::recycling_allocator<void>{});
    }

    void operator()()
    {
        [[maybe_unused]] const auto work = std::move(io_work_);
        Waiter::deliver_at_once(std::move(handler_), std::move(result_));
    }

private:
    Handler handler_;
    Ready result_;
    std::optional<io_work> io_work_;
};

/// The initiating function of an operation on a `Core` that lives in a shared_ptr.
///
/// If `Waiter::at_once(core, payload)` has a result, a post of it is all there is to do. Otherwise,
/// or without that function, makes the waiter, connects the handler's cancellation slot to
/// `core->cancel(waiter)`, or to `core->cancel(waiter, type)` if there is that, then calls
/// `core->start(waiter)`, which completes it at once or puts it into a list.
template <class Waiter, class Core>
class initiate_wait {
public:
    using executor_type = typename Core::executor_type;

    explicit initiate_wait(std::shared_ptr<Core> core) : core_{std::move(core)} {}

    executor_type get_executor() const noexcept { return core_->get_executor(); }

    template <class Handler, class... Payload>
    void operator()(Handler&& handler, Payload&&... payload) const
    {
        using op = waiter_op<Waiter, std::decay_t<Handler>, executor_type>;
        auto slot = asio::get_associated_cancellation_slot(handler);
        std::decay_t<Handler> mine{std::forward<Handler>(handler)};
        if constexpr (requires { Waiter::at_once(*core_, payload...); }) {
            if (auto result = Waiter::at_once(*core_, payload...)) {
                using ready = std::remove_reference_t<decltype(*result)>;
                using posted = ready_op<Waiter, std::decay_t<Handler>, executor_type, ready>;
                // What an operation before this one may have left there is not for this one.
                if (slot.is_connected())
                    slot.clear();
                const executor_type own = core_->get_executor();
                auto executor = asio::get_associated_executor(mine, own);
                asio::post(executor, posted{std::move(mine), own, std::move(*result)});
                return;
            }
        }
        op* const waiting =
            op::create(std::move(mine), core_->get_executor(), std::forward<Payload>(payload)...);
        if (slot.is_connected()) {
            // The slot's signal may outlive all of it. It must not keep the core, nor touch an
            // operation whose core or context is gone: whoever waited there is gone, too.
            slot.assign([core = std::weak_ptr<Core>{core_}, waiting](asio::cancellation_type type) {
                const auto alive = core.lock();
                if (!alive || alive->context_gone() ||
                    (type & Waiter::cancellable) == asio::cancellation_type::none)
                    return;
                if constexpr (requires(Waiter& op) { alive->cancel(op, type); })
                    alive->cancel(*static_cast<Waiter*>(waiting), type);
                else
                    alive->cancel(*static_cast<Waiter*>(waiting));
            });
        }
        core_->start(*static_cast<Waiter*>(waiting));
    }

private:
    std::shared_ptr<Core> core_;
};

} // namespace headgate::detail

#endif
