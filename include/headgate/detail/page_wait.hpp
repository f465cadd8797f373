#ifndef HEADGATE_DETAIL_PAGE_WAIT_HPP
#define HEADGATE_DETAIL_PAGE_WAIT_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/intrusive_list.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)
#include HEADGATE_ASIO(cancellation_signal.hpp)
#include HEADGATE_ASIO(cancellation_state.hpp)
#include HEADGATE_ASIO(cancellation_type.hpp)
#include HEADGATE_ASIO(post.hpp)

#include <algorithm>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// A worker that waits before it sends a request, for a token or for the next try, or until its
/// page is wanted again. Others can call the wait off when its page is of no use any more: the list
/// may turn out to have ended while a token is an hour away. One for each worker, used for wait
/// after wait.
///
/// `begin` and `end` are for the worker, on its strand, and `call_off` for others; none of the
/// three at the same time as another.
template <class Task>
class page_wait : public list_hook, public std::enable_shared_from_this<page_wait<Task>> {
public:
    explicit page_wait(asio::any_io_executor strand) : strand_{std::move(strand)} {}

    /// To be bound to what is waited for.
    asio::cancellation_slot slot() noexcept { return signal_.slot(); }

    void begin(const Task& what, bool is_held_back) noexcept
    {
        task_ = &what;
        is_held_back_ = is_held_back;
        called_off_ = false;
    }

    /// What waits, as long as it was not called off.
    const Task* task() const noexcept { return called_off_ ? nullptr : task_; }

    /// Whether it waits until its page is wanted.
    bool is_held_back() const noexcept { return is_held_back_; }

    /// Passes on what cancels the worker itself.
    void cancel(asio::cancellation_type type) { signal_.emit(type); }

    /// How a wait ended: by itself, or called off for good, or until it is known whether the page
    /// is wanted.
    enum class how { by_itself, called_off, put_off };

    how end() noexcept
    {
        task_ = nullptr;
        ++waits_;
        return !called_off_ ? how::by_itself : is_put_off_ ? how::put_off : how::called_off;
    }

    void call_off(bool is_put_off = false)
    {
        called_off_ = true;
        is_put_off_ = is_put_off;
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
    bool is_held_back_ = false;
    bool called_off_ = false;
    bool is_put_off_ = false;
};

/// The waits that a run may call off, under its mutex.
template <class Task>
class page_waits {
public:
    explicit page_waits(std::recursive_mutex& mutex) : mutex_{mutex} {}

    enum class kind {
        fixed,     ///< is not called off: something has come for the page
        loose,     ///< may be called off
        held_back, ///< is called off when the page is wanted, or never will be
    };

    /// A worker's wait, from its construction until its end.
    class waiting {
    public:
        waiting(page_waits& all, page_wait<Task>& wait, const Task& what, kind how,
                asio::cancellation_state& worker)
            : all_{all}, wait_{wait}, own_{worker.slot()}
        {
            own_.assign([&wait](asio::cancellation_type type) { wait.cancel(type); });
            std::lock_guard lock{all_.mutex_};
            wait_.begin(what, how == kind::held_back);
            if (how != kind::fixed)
                all_.list_.push_back(wait_);
        }
        waiting(const waiting&) = delete;
        waiting& operator=(const waiting&) = delete;
        ~waiting() { end(); }

        typename page_wait<Task>::how end()
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

    /// Calls off what is not wanted, the last in the list first, and what was held back and is, or
    /// never will be, the first in the list first. With the mutex held.
    template <class Wanted, class HeldBack>
    void review(Wanted wanted, HeldBack is_held_back)
    {
        loose_.clear();
        held_back_.clear();
        list_.for_each([this](page_wait<Task>& each) {
            if (each.task())
                (each.is_held_back() ? held_back_ : loose_).push_back(&each);
        });
        const auto by_place = [](const auto* a, const auto* b) {
            return a->task()->index < b->task()->index;
        };
        std::sort(loose_.rbegin(), loose_.rend(), by_place);
        for (page_wait<Task>* each : loose_)
            if (!wanted(*each->task()))
                each->call_off(is_held_back(*each->task()));
        std::sort(held_back_.begin(), held_back_.end(), by_place);
        // One that is let go may have been what another waits for.
        const auto lets_go = [&](page_wait<Task>* each) {
            if (!wanted(*each->task()) && is_held_back(*each->task()))
                return false;
            each->call_off();
            return true;
        };
        while (std::erase_if(held_back_, lets_go) > 0)
            continue;
    }

private:
    std::recursive_mutex& mutex_;
    intrusive_list<page_wait<Task>> list_;
    std::vector<page_wait<Task>*> loose_;
    std::vector<page_wait<Task>*> held_back_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
