#ifndef HEADGATE_DETAIL_OBSERVATION_HPP
#define HEADGATE_DETAIL_OBSERVATION_HPP

#include <headgate/detail/config.hpp>
#include <headgate/error.hpp>
#include <headgate/http/response.hpp>
#include <headgate/observer.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Tells an observer what a run does, under the run's lock. Where there is none each call is one
/// check.
class observation {
public:
    using time = std::chrono::nanoseconds;

    /// @param now  the time since the start of the run; not asked where there is no observer
    observation(std::recursive_mutex& mutex, std::shared_ptr<observer> to,
                std::function<time()> now)
        : mutex_{mutex}, to_{std::move(to)}, now_{std::move(now)}
    {
    }

    /// For who holds the lock.
    bool failed() const noexcept { return failed_; }

    void sent(observed_answer& it, std::uint64_t page, std::string_view where, unsigned tries,
              time at)
    {
        tell([&](observer& to, time) {
            it = {};
            it.request.number = ++requests_;
            it.request.page = page;
            it.request.where = where;
            it.request.attempt = tries + 1;
            it.request.sent = at;
            to.on_request(it.request);
        });
    }

    void answered(observed_answer& it, error_code error, const http::response& response)
    {
        tell([&](observer& to, time now) {
            it.received = now;
            it.error = error;
            it.status = response.status();
            it.bytes = response.body().size();
            to.on_answer(it);
        });
    }

    /// Has `call` call one of the observer's functions, if there is one, with the time.
    template <class Call>
    void tell(Call call)
    {
        if (!to_)
            return;
        std::lock_guard lock{mutex_};
        if (failed_)
            return;
        try {
            call(*to_, now_());
        } catch (...) {
            failed_ = true;
        }
    }

private:
    std::recursive_mutex& mutex_;
    const std::shared_ptr<observer> to_;
    const std::function<time()> now_;
    std::uint64_t requests_ = 0;
    bool failed_ = false;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
