#ifndef HEADGATE_REDIS_DETAIL_WORK_CALL_HPP
#define HEADGATE_REDIS_DETAIL_WORK_CALL_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/waiter.hpp>
#include <headgate/error.hpp>
#include <headgate/redis/detail/work_answer.hpp>
#include <headgate/redis/detail/work_request.hpp>

#include HEADGATE_ASIO(cancellation_type.hpp)

#include <cstdint>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// An operation that waits for the answer to one step.
class work_call {
public:
    /// Decides its result: by the answer, or if there is none by the error.
    virtual void decide_call(error_code failed, const work_answer* answer) = 0;
    /// Then one of these, as for every waiter.
    virtual void complete_call() = 0;
    virtual void destroy_call() noexcept = 0;

    work_request request;
    std::uint64_t number = 0; ///< by which the answer finds it; 0 once it is decided

protected:
    explicit work_call(work_request&& what) : request{std::move(what)} {}
    ~work_call() = default;
};

/// One without a result but success.
class plain_work_call : public work_call, public waiter<error_code> {
public:
    /// A step that was asked for may be taken, whoever still waits for it.
    static constexpr asio::cancellation_type cancellable =
        asio::cancellation_type::terminal | asio::cancellation_type::partial;

    explicit plain_work_call(work_request what) : work_call{std::move(what)} {}

    void decide_call(error_code failed, const work_answer* answer) override
    {
        decide(answer ? answer->failure() : failed);
    }
    void complete_call() override { complete(); }
    void destroy_call() noexcept override { destroy(); }

protected:
    ~plain_work_call() = default;
};

/// One that has a result, too.
template <class Result>
class work_call_for : public work_call, public waiter<error_code, Result> {
public:
    static constexpr asio::cancellation_type cancellable = plain_work_call::cancellable;

    explicit work_call_for(work_request what) : work_call{std::move(what)} {}

    void decide_call(error_code failed, const work_answer* answer) override
    {
        Result result{};
        if (answer) {
            failed = answer->failure();
            read_work_answer(*answer, result);
        }
        this->decide(failed, std::move(result));
    }
    void complete_call() override { this->complete(); }
    void destroy_call() noexcept override { this->destroy(); }

protected:
    ~work_call_for() = default;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
