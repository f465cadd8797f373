#ifndef HEADGATE_DETAIL_INTRUSIVE_LIST_HPP
#define HEADGATE_DETAIL_INTRUSIVE_LIST_HPP

#include <headgate/detail/config.hpp>

#include <cstddef>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

template <class T>
class intrusive_list;

/// Base of what can be an element of an `intrusive_list`.
class list_hook {
public:
    list_hook() = default;
    list_hook(const list_hook&) = delete;
    list_hook& operator=(const list_hook&) = delete;

    bool linked() const noexcept { return linked_; }

private:
    template <class T>
    friend class intrusive_list;

    list_hook* previous_ = nullptr;
    list_hook* next_ = nullptr;
    bool linked_ = false;
};

/// A doubly linked list that owns nothing: every operation is O(1) and none allocates.
template <class T>
class intrusive_list {
public:
    intrusive_list() = default;
    intrusive_list(intrusive_list&& other) noexcept
        : first_{std::exchange(other.first_, nullptr)},
          last_{std::exchange(other.last_, nullptr)},
          size_{std::exchange(other.size_, 0)}
    {
    }
    intrusive_list& operator=(intrusive_list&& other) noexcept
    {
        first_ = std::exchange(other.first_, nullptr);
        last_ = std::exchange(other.last_, nullptr);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }

    bool empty() const noexcept { return first_ == nullptr; }
    std::size_t size() const noexcept { return size_; }
    T& front() const noexcept { return *static_cast<T*>(first_); }

    void push_back(T& item) noexcept
    {
        list_hook& hook = item;
        hook.previous_ = last_;
        hook.next_ = nullptr;
        hook.linked_ = true;
        (last_ ? last_->next_ : first_) = &hook;
        last_ = &hook;
        ++size_;
    }

    void erase(T& item) noexcept
    {
        list_hook& hook = item;
        (hook.previous_ ? hook.previous_->next_ : first_) = hook.next_;
        (hook.next_ ? hook.next_->previous_ : last_) = hook.previous_;
        hook.previous_ = hook.next_ = nullptr;
        hook.linked_ = false;
        --size_;
    }

    T& pop_front() noexcept
    {
        T& item = front();
        erase(item);
        return item;
    }

    template <class Function>
    void for_each(Function function) const
    {
        for (list_hook* item = first_; item; item = item->next_)
            function(*static_cast<T*>(item));
    }

private:
    list_hook* first_ = nullptr;
    list_hook* last_ = nullptr;
    std::size_t size_ = 0;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
