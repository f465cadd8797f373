#ifndef HEADGATE_DETAIL_WAITER_HPP
#define HEADGATE_DETAIL_WAITER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/intrusive_list.hpp>
#include <headgate/error.hpp>

#include HEADGATE_ASIO(associated_allocator.hpp)
#include HEADGATE_ASIO(associated_cancellation_slot.hpp)
#include HEADGATE_ASIO(associated_executor.hpp)
#include HEADGATE_ASIO(cancellation_type.hpp)
#include HEADGATE_ASIO(executor_work_guard.hpp)
#include HEADGATE_ASIO(is_executor.hpp)
#include HEADGATE_ASIO(post.hpp)
#include HEADGATE_ASIO(prefer.hpp)
#include HEADGATE_ASIO(recycling_allocator.hpp)
#include HEADGATE_ASIO_EXECUTION(outstanding_work.hpp)

#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

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

    /// What the handler is called with, once. A derived class may have one of its own to hand over
    /// something else.
    std::tuple<Args...> take_result() { return std::move(*result_); }

    /// Calls the handler with what an operation that need not wait has, an error code first.
    template <class Handler>
    static void deliver_at_once(Handler&& handler, error_code none)
    {
        std::forward<Handler>(handler)(none);
    }
    template <class Handler, class Result>
    static void deliver_at_once(Handler&& handler, Result&& result)
    {
        std::forward<Handler>(handler)(error_code{}, std::move(result));
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

/// An executor whose context has work to do as long as this lives. Does what
/// asio::executor_work_guard does, but keeps the executor once.
template <class Executor>
class tracked_executor {
    /// Those that are told of the work, and do not change with it, the guard keeps once, too.
    static constexpr bool guarded = asio::is_executor<Executor>::value;

    static auto track(const Executor& executor)
    {
        if constexpr (guarded)
            return asio::executor_work_guard<Executor>{executor};
        else
            return asio::prefer(executor, asio::execution::outstanding_work.tracked);
    }

public:
    explicit tracked_executor(const Executor& executor) : tracked_{track(executor)} {}

    /// The executor without that work, each copy of which would count.
    auto get() const
    {
        if constexpr (guarded)
            return tracked_.get_executor();
        else
            return asio::prefer(tracked_, asio::execution::outstanding_work.untracked);
    }

private:
    decltype(track(std::declval<const Executor&>())) tracked_;
};

// g++ 12 takes the value of an empty std::optional for one that is read (GCC bug 80635).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

/// `Waiter` derives from `waiter<Args...>` and adds what the operation is waiting for. `Elsewhere`:
/// the handler has another executor than the object that is waited on.
///
/// Both contexts have work until the handler runs: while it waits by what is kept here, then because
/// posting is work for the one that it is posted to. No longer: whoever waits for the handler in
/// another thread, as for a future, may destroy the context that was waited on at once.
template <class Waiter, class Handler, class IoExecutor, bool Elsewhere>
class waiter_op final : public Waiter {
    struct nothing {
        explicit nothing(const IoExecutor&) noexcept {}
    };
    using io_work = std::conditional_t<Elsewhere, tracked_executor<IoExecutor>, nothing>;
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
        // Whoever runs it may be done with this object before posting it is.
        const auto executor = executor_.get();
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
            auto result = op_->take_result();
            Handler handler{std::move(op_->handler_)};
            op_.reset();
            std::apply(std::move(handler), std::move(result));
        }

    private:
        pointer op_;
    };

    template <class... Payload>
    waiter_op(Handler&& handler, const IoExecutor& executor, Payload&&... payload)
        : Waiter{std::forward<Payload>(payload)...},
          handler_{std::move(handler)},
          executor_{asio::get_associated_executor(handler_, executor)},
          io_work_{executor}
    {
    }
    ~waiter_op() = default;

    Handler handler_;
    tracked_executor<handler_executor> executor_;
    [[no_unique_address]] io_work io_work_;
};

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

/// What is posted for an operation that need not wait.
template <class Waiter, class Handler, class IoExecutor, class Ready>
class ready_op {
    using io_work = tracked_executor<IoExecutor>;

public:
    using allocator_type = asio::associated_allocator_t<Handler, asio::recycling_allocator<void>>;

    ready_op(Handler&& handler, const IoExecutor& executor, bool elsewhere, Ready&& result)
        : handler_(std::move(handler)),
          result_(std::move(result)) // no braces: Ready may be made of a list of its like
    {
        if (elsewhere)
            io_work_.emplace(executor);
    }

    allocator_type get_allocator() const noexcept
    {
        return asio::get_associated_allocator(handler_, asio::recycling_allocator<void>{});
    }

    void operator()()
    {
        io_work_.reset();
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
        auto slot = asio::get_associated_cancellation_slot(handler);
        std::decay_t<Handler> mine{std::forward<Handler>(handler)};
        const executor_type own = core_->get_executor();
        if constexpr (requires { Waiter::at_once(*core_, payload...); }) {
            if (auto result = Waiter::at_once(*core_, payload...)) {
                using ready = std::remove_reference_t<decltype(*result)>;
                using posted = ready_op<Waiter, std::decay_t<Handler>, executor_type, ready>;
                // What an operation before this one may have left there is not for this one.
                if (slot.is_connected())
                    slot.clear();
                auto executor = asio::get_associated_executor(mine, own);
                const bool away = elsewhere(executor, own);
                asio::post(executor, posted{std::move(mine), own, away, std::move(*result)});
                return;
            }
        }
        wait(std::move(mine), slot, own, std::forward<Payload>(payload)...);
    }

private:
    template <class Executor>
    static bool elsewhere(const Executor& executor, const executor_type& own)
    {
        if constexpr (std::is_same_v<Executor, executor_type>)
            return executor != own;
        else
            return true;
    }

    template <class Handler, class Slot, class... Payload>
    void wait(Handler&& handler, Slot slot, const executor_type& own, Payload&&... payload) const
    {
        using here = waiter_op<Waiter, Handler, executor_type, false>;
        using there = waiter_op<Waiter, Handler, executor_type, true>;
        if constexpr (std::is_same_v<asio::associated_executor_t<Handler, executor_type>,
                                     executor_type>) {
            if (!elsewhere(asio::get_associated_executor(handler, own), own)) {
                start(here::create(std::move(handler), own, std::forward<Payload>(payload)...),
                      slot);
                return;
            }
        }
        start(there::create(std::move(handler), own, std::forward<Payload>(payload)...), slot);
    }

    template <class Slot>
    void start(Waiter* waiting, Slot slot) const
    {
        if (slot.is_connected()) {
            // The slot's signal may outlive all of it. It must not keep the core, nor touch an
            // operation whose core or context is gone: whoever waited there is gone, too.
            slot.assign([core = std::weak_ptr<Core>{core_}, waiting](asio::cancellation_type type) {
                const auto alive = core.lock();
                if (!alive || alive->context_gone() ||
                    (type & Waiter::cancellable) == asio::cancellation_type::none)
                    return;
                if constexpr (requires(Waiter& op) { alive->cancel(op, type); })
                    alive->cancel(*waiting, type);
                else
                    alive->cancel(*waiting);
            });
        }
        core_->start(*waiting);
    }

    std::shared_ptr<Core> core_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
