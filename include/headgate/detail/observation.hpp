#ifndef HEADGATE_DETAIL_OBSERVATION_HPP
#define HEADGATE_DETAIL_OBSERVATION_HPP

#include <headgate/http/response.hpp>
#include <headgate/observer.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <system_error>
#include <utility>

namespace headgate::detail {

/// Tells an observer what a run does, under the run's lock. Where there is none each call is one
/// check.
class observation {
public:
    using time = std::chrono::nanoseconds;

    observation(std::recursive_mutex& mutex, std::shared_ptr<observer> to)
        : mutex_{mutex}, to_{std::move(to)}
    {
    }

    explicit operator bool() const noexcept { return to_ != nullptr; }

    /// For who holds the lock.
    bool failed() const noexcept { return failed_; }

    void sent(observed_answer& it, std::uint64_t page, std::string_view where, unsigned tries,
              time at)
    {
        tell([&](observer& to) {
            it = {};
            it.request.number = ++requests_;
            it.request.page = page;
            it.request.where = where;
            it.request.attempt = tries + 1;
            it.request.sent = at;
            to.on_request(it.request);
        });
    }

    void answered(observed_answer& it, std::error_code error, const http::response& response,
                  time at)
    {
        tell([&](observer& to) {
            it.received = at;
            it.error = error;
            it.status = response.status();
            it.bytes = response.body().size();
            to.on_answer(it);
        });
    }

    /// Has `call` call one of the observer's functions, if there is one.
    template <class Call>
    void tell(Call call)
    {
        if (!to_)
            return;
        std::lock_guard lock{mutex_};
        if (failed_)
            return;
        try {
            call(*to_);
        } catch (...) {
            failed_ = true;
        }
    }

private:
    std::recursive_mutex& mutex_;
    const std::shared_ptr<observer> to_;
    std::uint64_t requests_ = 0;
    bool failed_ = false;
};

} // namespace headgate::detail

#endif
