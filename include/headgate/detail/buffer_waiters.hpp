#ifndef HEADGATE_DETAIL_BUFFER_WAITERS_HPP
#define HEADGATE_DETAIL_BUFFER_WAITERS_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>

#include <map>
#include <memory>
#include <optional>
#include <tuple>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

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

/// An operation that waits for room.
class room_waiter : public waiter<error_code> {
public:
    const bool sends; ///< it is a send_waiter, else a reserve_waiter

protected:
    explicit room_waiter(bool with_item) noexcept : sends{with_item} {}
    ~room_waiter() = default;
};

/// One that has an item to put there.
template <class T>
class send_waiter : public room_waiter {
public:
    explicit send_waiter(T&& value) : room_waiter{true}, item{std::move(value)} {}

    template <class Buffer>
    static std::optional<error_code> at_once(Buffer& buffer, T& item)
    {
        return buffer.try_push(std::move(item)) ? std::optional{error_code{}} : std::nullopt;
    }

    T item;

protected:
    ~send_waiter() = default;
};

/// One that wants to keep it for an item to come.
template <class Buffer>
class reserve_waiter : public room_waiter {
public:
    using place = reserved_place<Buffer>;

    reserve_waiter() noexcept : room_waiter{false} {}

    static std::optional<place> at_once(Buffer& buffer)
    {
        auto room = buffer.try_reserve();
        return room ? std::optional{std::move(room)} : std::nullopt;
    }

    std::tuple<error_code, place> take_result()
    {
        return {std::get<0>(*result_), std::move(reserved)};
    }

    place reserved;

protected:
    ~reserve_waiter() = default;
};

/// An operation that waits for an item.
template <class T, class TimePoint>
class pop_waiter : public waiter<error_code, std::optional<T>> {
public:
    using deadlines = std::multimap<TimePoint, pop_waiter*>;

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
        std::forward<Handler>(handler)(error_code{}, std::optional<T>{std::move(item)});
    }

    typename deadlines::iterator deadline{};
    bool has_deadline = false;

protected:
    ~pop_waiter() = default;
};

/// The same, but not for ever.
template <class T, class TimePoint>
class pop_until_waiter : public pop_waiter<T, TimePoint> {
public:
    explicit pop_until_waiter(TimePoint last) noexcept : until{last} {}

    const TimePoint until;

protected:
    ~pop_until_waiter() = default;
};

class join_waiter : public waiter<error_code> {
protected:
    ~join_waiter() = default;
};

/// All that one step of a buffer has decided.
template <class Pop>
struct decided_in_buffer {
    decided_waiters<room_waiter> pushes;
    decided_waiters<Pop> pops;
    decided_waiters<join_waiter> joins;

    void complete()
    {
        pushes.complete();
        pops.complete();
        joins.complete();
    }
    void destroy() noexcept
    {
        pushes.destroy();
        pops.destroy();
        joins.destroy();
    }
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
