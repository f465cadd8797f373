#ifndef HEADGATE_TESTS_SUPPORT_RUN_HPP
#define HEADGATE_TESTS_SUPPORT_RUN_HPP

#include "support/catch.hpp"

#include <headgate/async_limiter.hpp>
#include <headgate/testing/virtual_clock.hpp>

#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/error.hpp>
#include <asio/io_context.hpp>
#include <asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <utility>

namespace support {

using headgate::testing::virtual_clock;
using timer = headgate::testing::virtual_timer;
using limiter = headgate::basic_async_limiter<virtual_clock>;

/// Seconds on the virtual clock since its start.
inline double seconds()
{
    const auto since = headgate::testing::virtual_clock::now().time_since_epoch();
    return std::chrono::duration<double>(since - std::chrono::hours{24}).count();
}

/// For `co_spawn`: a failed coroutine fails the test.
inline void rethrow(std::exception_ptr failure)
{
    if (failure)
        std::rethrow_exception(failure);
}

/// Waits on the virtual clock.
inline asio::awaitable<void> pause(std::chrono::nanoseconds span)
{
    timer wait{co_await asio::this_coro::executor, span};
    co_await wait.async_wait(asio::use_awaitable);
}

/// A handler that notes when and with what it was called.
class noted {
public:
    noted() : state_{std::make_shared<state>()} {}

    void operator()(headgate::error_code result) const
    {
        ++state_->calls;
        state_->result = result;
        state_->at = seconds();
    }

    int calls() const { return state_->calls; }
    headgate::error_code result() const { return state_->result; }
    double at() const { return state_->at; }
    bool ok() const { return calls() == 1 && !result(); }
    bool aborted() const { return calls() == 1 && result() == asio::error::operation_aborted; }

private:
    struct state {
        int calls = 0;
        headgate::error_code result;
        double at = -1;
    };
    std::shared_ptr<state> state_;
};

} // namespace support

#endif
