#ifndef HEADGATE_DETAIL_ACQUIRE_WAITER_HPP
#define HEADGATE_DETAIL_ACQUIRE_WAITER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/permit.hpp>

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// An operation that waits for tokens, which are taken for good when they are granted.
class acquire_waiter : public waiter<error_code> {
public:
    using deadlines = std::multimap<std::chrono::nanoseconds, acquire_waiter*>;

    explicit acquire_waiter(std::size_t n) noexcept : acquire_waiter{n, false} {}

    template <class Core, class... Until>
    static std::optional<error_code> at_once(Core& core, std::size_t n, const Until&...)
        requires requires { core.try_acquire(n); }
    {
        return core.try_acquire(n) ? std::optional{error_code{}} : std::nullopt;
    }

    const std::size_t tokens;
    std::chrono::nanoseconds since{0};
    deadlines::iterator deadline{};
    bool has_deadline = false;
    const bool wants_permit; ///< it is an acquire_permit_waiter

protected:
    acquire_waiter(std::size_t n, bool permit) noexcept : tokens{n}, wants_permit{permit} {}
    ~acquire_waiter() = default;
};

/// The same for tokens that come as a permit.
class acquire_permit_waiter : public acquire_waiter {
public:
    explicit acquire_permit_waiter(std::size_t n) noexcept : acquire_waiter{n, true} {}

    template <class Core>
    static std::optional<permit> at_once(Core& core, std::size_t n)
        requires requires { core.try_acquire_permit(n); }
    {
        return core.try_acquire_permit(n);
    }

    std::tuple<error_code, permit> take_result()
    {
        return {std::get<0>(*result_), std::move(granted)};
    }

    permit granted;

protected:
    ~acquire_permit_waiter() = default;
};

/// The same for tokens that are of no use after some time.
template <class TimePoint>
class acquire_until_waiter : public acquire_waiter {
public:
    acquire_until_waiter(std::size_t n, TimePoint last) noexcept : acquire_waiter{n}, until{last} {}

    const TimePoint until;

protected:
    ~acquire_until_waiter() = default;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
