#ifndef HEADGATE_DETAIL_BUFFER_WAITERS_HPP
#define HEADGATE_DETAIL_BUFFER_WAITERS_HPP

#include <headgate/detail/waiter.hpp>

#include <map>
#include <memory>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

namespace headgate::detail {

/// Room for one item in a bounded buffer, kept until it is used or destroyed. It may outlive the
/// buffer's owner.
template <class Buffer>
class reserved_place {
public:
    /// No room at all.
    reserved_place() = default;
    explicit reserved_place(std::shared_ptr<Buffer> buffer) noexcept : buffer_{std::move(buffer)} {}
    reserved_place(reserved_place&&) noexcept = default;
    reserved_place& operator=(reserved_place&& other) noexcept
    {
        if (this != &other) {
            give_back();
            buffer_ = std::move(other.buffer_);
        }
        return *this;
    }
    ~reserved_place() { give_back(); }

    /// Whether this is room that can still be used.
    explicit operator bool() const noexcept { return buffer_ != nullptr; }

    /// Puts the item there, at once and even if the buffer was closed since.
    /// @return false, with the item untouched, if there is no room here or the buffer's owner is
    /// gone.
    bool send(typename Buffer::value_type&& item)
    {
        const auto buffer = std::move(buffer_);
        return buffer && buffer->send(std::move(item));
    }

private:
    void give_back() noexcept
    {
        if (buffer_)
            buffer_->release();
        buffer_.reset();
    }

    std::shared_ptr<Buffer> buffer_;
};

/// An operation that waits for room: with an item to put there, or without one to reserve it.
template <class Buffer>
class push_waiter : public waiter<std::error_code, reserved_place<Buffer>> {
public:
    using value_type = typename Buffer::value_type;

    push_waiter() = default;
    explicit push_waiter(value_type&& value) : item{std::move(value)} {}

    static std::optional<reserved_place<Buffer>> at_once(Buffer& buffer)
    {
        auto place = buffer.try_reserve();
        return place ? std::optional{std::move(place)} : std::nullopt;
    }

    template <class Handler>
    static void deliver_at_once(Handler&& handler, reserved_place<Buffer>&& place)
    {
        std::forward<Handler>(handler)(std::error_code{}, std::move(place));
    }

    std::optional<value_type> item;

protected:
    ~push_waiter() = default;
};

template <class Buffer>
class send_waiter : public push_waiter<Buffer> {
public:
    using push_waiter<Buffer>::push_waiter;

    static std::optional<std::error_code> at_once(Buffer& buffer,
                                                  typename Buffer::value_type& item)
    {
        return buffer.try_push(std::move(item)) ? std::optional{std::error_code{}} : std::nullopt;
    }

    template <class Handler>
    static void deliver_at_once(Handler&& handler, std::error_code none)
    {
        std::forward<Handler>(handler)(none);
    }

    template <class Handler>
    static void deliver(Handler&& handler,
                        std::tuple<std::error_code, reserved_place<Buffer>>&& result)
    {
        std::forward<Handler>(handler)(std::get<0>(result));
    }

protected:
    ~send_waiter() = default;
};

/// An operation that waits for an item, perhaps not for ever.
template <class T, class TimePoint>
class pop_waiter : public waiter<std::error_code, std::optional<T>> {
public:
    using deadlines = std::multimap<TimePoint, pop_waiter*>;

    pop_waiter() = default;
    explicit pop_waiter(TimePoint until) : deadline{until} {}

    template <class Buffer, class... Until>
    static std::optional<T> at_once(Buffer& buffer, const Until&...)
    {
        return buffer.try_pop();
    }

    /// The item has come without the optional: g++ 12 takes that, where it is moved on inside Asio,
    /// for one that is read while empty (GCC bug 80635).
    template <class Handler>
    static void deliver_at_once(Handler&& handler, T&& item)
    {
        std::forward<Handler>(handler)(std::error_code{}, std::optional<T>{std::move(item)});
    }

    const std::optional<TimePoint> deadline;
    typename deadlines::iterator position{};

protected:
    ~pop_waiter() = default;
};

class join_waiter : public waiter<std::error_code> {
protected:
    ~join_waiter() = default;
};

} // namespace headgate::detail

#endif
