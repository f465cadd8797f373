#ifndef HEADGATE_DETAIL_ACQUIRE_WAITER_HPP
#define HEADGATE_DETAIL_ACQUIRE_WAITER_HPP

#include <headgate/detail/waiter.hpp>
#include <headgate/permit.hpp>

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <system_error>
#include <tuple>
#include <utility>

namespace headgate::detail {

/// An operation that waits for tokens, which come as a permit.
class acquire_waiter : public waiter<std::error_code, permit> {
public:
    using deadlines = std::multimap<std::chrono::nanoseconds, acquire_waiter*>;

    explicit acquire_waiter(std::size_t n) noexcept : tokens{n} {}

    template <class Core>
    static std::optional<permit> at_once(Core& core, std::size_t n)
        requires requires { core.try_acquire_permit(n); }
    {
        return core.try_acquire_permit(n);
    }

    template <class Handler>
    static void deliver_at_once(Handler&& handler, permit&& granted)
    {
        std::forward<Handler>(handler)(std::error_code{}, std::move(granted));
    }

    const std::size_t tokens;
    std::chrono::nanoseconds since{0};
    typename deadlines::iterator deadline{};
    bool has_deadline = false;
    bool wants_permit = true;

protected:
    ~acquire_waiter() = default;
};

/// The same for tokens that are taken for good when they are granted.
class acquire_plain_waiter : public acquire_waiter {
public:
    explicit acquire_plain_waiter(std::size_t n) noexcept : acquire_waiter{n}
    {
        wants_permit = false;
    }

    template <class Core, class... Until>
    static std::optional<std::error_code> at_once(Core& core, std::size_t n, const Until&...)
        requires requires { core.try_acquire(n); }
    {
        return core.try_acquire(n) ? std::optional{std::error_code{}} : std::nullopt;
    }

    template <class Handler>
    static void deliver_at_once(Handler&& handler, std::error_code none)
    {
        std::forward<Handler>(handler)(none);
    }

    template <class Handler>
    static void deliver(Handler&& handler, std::tuple<std::error_code, permit>&& result)
    {
        std::forward<Handler>(handler)(std::get<0>(result));
    }

protected:
    ~acquire_plain_waiter() = default;
};

/// The same for tokens that are of no use after some time.
template <class TimePoint>
class acquire_until_waiter : public acquire_plain_waiter {
public:
    acquire_until_waiter(std::size_t n, TimePoint last) noexcept
        : acquire_plain_waiter{n}, until{last}
    {
    }

    const TimePoint until;

protected:
    ~acquire_until_waiter() = default;
};

} // namespace headgate::detail

#endif
