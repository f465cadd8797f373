#ifndef HEADGATE_DETAIL_PAGE_WAIT_HPP
#define HEADGATE_DETAIL_PAGE_WAIT_HPP

#include <headgate/detail/intrusive_list.hpp>

#include <asio/any_io_executor.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/cancellation_state.hpp>
#include <asio/cancellation_type.hpp>
#include <asio/post.hpp>

#include <memory>
#include <mutex>
#include <utility>

namespace headgate::detail {

/// A worker that waits before it sends a request, for a token or for the next try. Others can call
/// the wait off when its page is of no use any more: the list may turn out to have ended while a
/// token is an hour away. One for each worker, used for wait after wait.
///
/// `begin` and `end` are for the worker, on its strand, and `call_off` for others; none of the
/// three at the same time as another.
template <class Task>
class page_wait : public list_hook, public std::enable_shared_from_this<page_wait<Task>> {
public:
    explicit page_wait(asio::any_io_executor strand) : strand_{std::move(strand)} {}

    /// To be bound to what is waited for.
    asio::cancellation_slot slot() noexcept { return signal_.slot(); }

    void begin(const Task& what) noexcept
    {
        task_ = &what;
        called_off_ = false;
    }

    /// What waits, as long as it was not called off.
    const Task* task() const noexcept { return called_off_ ? nullptr : task_; }

    /// Passes on what cancels the worker itself.
    void cancel(asio::cancellation_type type) { signal_.emit(type); }

    /// Whether it was called off.
    bool end() noexcept
    {
        task_ = nullptr;
        ++waits_;
        return called_off_;
    }

    void call_off()
    {
        called_off_ = true;
        asio::post(strand_, [self = this->shared_from_this(), wait = waits_] {
            if (self->waits_ == wait)
                self->signal_.emit(asio::cancellation_type::terminal);
        });
    }

private:
    asio::any_io_executor strand_;
    asio::cancellation_signal signal_;
    const Task* task_ = nullptr;
    unsigned long waits_ = 0;
    bool called_off_ = false;
};

/// The waits that a run may call off, under its mutex.
template <class Task>
class page_waits {
public:
    explicit page_waits(std::recursive_mutex& mutex) : mutex_{mutex} {}

    /// A worker's wait, from its construction until its end.
    class waiting {
    public:
        /// @param may_be_called_off not once something has come for the page
        waiting(page_waits& all, page_wait<Task>& wait, const Task& what, bool may_be_called_off,
                asio::cancellation_state& worker)
            : all_{all}, wait_{wait}, own_{worker.slot()}
        {
            own_.assign([&wait](asio::cancellation_type type) { wait.cancel(type); });
            std::lock_guard lock{all_.mutex_};
            wait_.begin(what);
            if (may_be_called_off)
                all_.list_.push_back(wait_);
        }
        waiting(const waiting&) = delete;
        waiting& operator=(const waiting&) = delete;
        ~waiting() { end(); }

        /// Ends the wait; true if it was called off.
        bool end()
        {
            own_.clear();
            std::lock_guard lock{all_.mutex_};
            if (wait_.linked())
                all_.list_.erase(wait_);
            return wait_.end();
        }

    private:
        page_waits& all_;
        page_wait<Task>& wait_;
        asio::cancellation_slot own_;
    };

    /// With the mutex held.
    template <class Wanted>
    void call_off_unless(Wanted wanted)
    {
        list_.for_each([&wanted](page_wait<Task>& each) {
            if (each.task() && !wanted(*each.task()))
                each.call_off();
        });
    }

private:
    std::recursive_mutex& mutex_;
    intrusive_list<page_wait<Task>> list_;
};

} // namespace headgate::detail

#endif
