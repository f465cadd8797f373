#ifndef HEADGATE_DETAIL_RING_HPP
#define HEADGATE_DETAIL_RING_HPP

#include <headgate/detail/config.hpp>

#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// A double-ended queue that keeps its memory. std::deque allocates and frees while it moves on
/// through its blocks, also when it never holds more than one element.
template <class T>
class ring {
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "elements are moved when the ring grows, which must not fail half-way");

public:
    ring() = default;
    ring(ring&& other) noexcept { swap(other); }
    ring& operator=(ring&& other) noexcept
    {
        ring taken{std::move(other)};
        swap(taken);
        return *this;
    }
    ring(const ring& other) requires std::is_copy_constructible_v<T>
        : ring{} // so that what was copied goes if the rest cannot be
    {
        for (std::size_t i = 0; i < other.size(); ++i)
            push_back(T(other[i]));
    }
    ring& operator=(const ring& other) requires std::is_copy_constructible_v<T>
    {
        ring copy{other};
        swap(copy);
        return *this;
    }
    ~ring()
    {
        while (!empty())
            pop_front();
        if (room_ > 0)
            std::allocator<T>{}.deallocate(places_, room_);
    }

    void swap(ring& other) noexcept
    {
        std::swap(places_, other.places_);
        std::swap(room_, other.room_);
        std::swap(first_, other.first_);
        std::swap(size_, other.size_);
    }

    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }

    T& operator[](std::size_t i) noexcept { return *place(i); }
    const T& operator[](std::size_t i) const noexcept { return *place(i); }
    T& front() noexcept { return *place(0); }
    const T& front() const noexcept { return *place(0); }

    void push_back(T&& element)
    {
        if (size_ == room_)
            grow();
        std::construct_at(place(size_), std::move(element));
        ++size_;
    }

    void pop_front() noexcept
    {
        std::destroy_at(place(0));
        first_ = (first_ + 1) & (room_ - 1);
        --size_;
    }

    void pop_back() noexcept
    {
        --size_;
        std::destroy_at(place(size_));
    }

private:
    T* place(std::size_t i) const noexcept { return places_ + ((first_ + i) & (room_ - 1)); }

    /// There is always room for a power of two.
    void grow()
    {
        constexpr std::size_t least = 4;
        const std::size_t room = room_ == 0 ? least : 2 * room_;
        T* const places = std::allocator<T>{}.allocate(room);
        for (std::size_t i = 0; i < size_; ++i) {
            std::construct_at(places + i, std::move(*place(i)));
            std::destroy_at(place(i));
        }
        if (room_ > 0)
            std::allocator<T>{}.deallocate(places_, room_);
        places_ = places;
        room_ = room;
        first_ = 0;
    }

    T* places_ = nullptr;
    std::size_t room_ = 0;
    std::size_t first_ = 0;
    std::size_t size_ = 0;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
