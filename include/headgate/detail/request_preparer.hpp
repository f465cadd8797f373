#ifndef HEADGATE_DETAIL_REQUEST_PREPARER_HPP
#define HEADGATE_DETAIL_REQUEST_PREPARER_HPP

#include <headgate/async_limiter.hpp>
#include <headgate/detail/address_reach.hpp>
#include <headgate/detail/asio.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/origin_guard.hpp>
#include <headgate/extract_options.hpp>
#include <headgate/http/request.hpp>
#include <headgate/limit.hpp>

#include HEADGATE_ASIO(awaitable.hpp)
#include HEADGATE_ASIO(use_awaitable.hpp)

#include <atomic>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <string>

namespace HEADGATE_NAMESPACE::detail {

/// Makes requests fit to be sent: with the caller's credentials where these may go, and not to
/// private addresses where the list is on the internet. Safe to share between threads.
template <class Clock, class Executor>
class request_preparer {
public:
    request_preparer(const Executor& executor, const extract_options& options)
        : options_{options}, turns_{executor, limit::in_flight(1)}
    {
    }

    /// @param address of a server that answered, as text; empty if none did
    void heard_from(const std::string& address) { reach_.heard_from(address); }

    /// @return which credentials it has, as a number that grows when they are renewed
    unsigned prepare(http::request& request, const origin_guard* guard)
    {
        if (reach_.is_public() && !options_.allow_private_addresses())
            request.public_only(true);
        std::lock_guard lock{mutex_};
        const unsigned result = credentials_;
        if (options_.prepare() && (!guard || guard->is_home(request.url())))
            options_.prepare()(request);
        return result;
    }

    /// Has the caller get new credentials, unless somebody else has done so since the request with
    /// `old` ones was prepared.
    /// @throws std::runtime_error if that fails
    asio::awaitable<void> renew(unsigned old)
    {
        auto turn = co_await turns_.async_acquire_permit(1, asio::use_awaitable);
        if (credentials_ != old)
            co_return;
        try {
            auto renewed = options_.refresh()();
            co_await std::move(renewed);
        } catch (const std::exception& e) {
            throw std::runtime_error{std::string{"getting new credentials: "} + e.what()};
        }
        ++credentials_;
    }

private:
    const extract_options& options_;
    address_reach reach_;
    basic_async_limiter<Clock, Executor> turns_;
    std::mutex mutex_; // the caller's hook is called by one worker at a time
    std::atomic<unsigned> credentials_ = 0;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
