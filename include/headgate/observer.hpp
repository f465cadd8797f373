#ifndef HEADGATE_OBSERVER_HPP
#define HEADGATE_OBSERVER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/extraction.hpp>
#include <headgate/error.hpp>
#include <headgate/limit.hpp>
#include <headgate/outcome.hpp>
#include <headgate/page.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace HEADGATE_NAMESPACE {

/// A request, as an `observer` is told of it.
struct observed_request {
    std::uint64_t number = 0;         ///< of all that the run sends, in that order, from 1
    std::uint64_t page = 0;           ///< `page::index` of the page that it is for
    std::string_view where;           ///< that page's place: "offset 200"; for this call only
    unsigned attempt = 1;             ///< more than 1 if it repeats one that came to nothing
    std::chrono::nanoseconds sent{0}; ///< when it was sent
};

/// What came of a request, as an `observer` is told of it.
struct observed_answer {
    observed_request request;             ///< what it answers
    std::chrono::nanoseconds received{0}; ///< when it was there, to the end of the body
    error_code error;                     ///< why there is none; `operation_aborted` if cancelled
    int status = 0;                       ///< of HTTP; 0 if none came
    std::size_t bytes = 0;                ///< length of the body, after decompression

    /// How long it took.
    std::chrono::nanoseconds latency() const noexcept { return received - request.sent; }
};

/// Is told what an extraction does, as it does it: for metrics, reports and logs. Set with
/// `extract_options::observe`; each function does nothing unless it is overridden.
///
/// All times are on the limiter's clock, since the start of the run.
///
/// @par Thread safety
/// Called from any thread of the limiter's executor, and for the first `on_limits` from within
/// `extract`, by one at a time and in the order in which things happen, under the lock of the run:
/// whoever takes long holds the run up. It may ask the stream, which is there once `extract` has
/// returned, for `statistics` and for nothing else. Where it takes a lock of its own, nobody may
/// hold that while he calls `extract` or any function of the stream.
///
/// @par Errors
/// What it throws is dropped: a fault in the metrics costs no records. It is not called any more
/// after that, and `extract_statistics::observer_failed` says so.
///
/// @par Lifetime
/// The run keeps it as long as it lasts. A run whose executor is destroyed or stopped before the
/// run has ended tells no end, and no answer to what was in flight.
class observer {
public:
    /// What it is told times in.
    using time = std::chrono::nanoseconds;

    observer() = default;
    observer(const observer&) = delete;
    observer& operator=(const observer&) = delete;
    virtual ~observer() = default;

    /// The limits that the run keeps to from now on: at its start, and whenever it changes them
    /// because of what the server says.
    virtual void on_limits([[maybe_unused]] time at,
                           [[maybe_unused]] const std::vector<limit>& limits)
    {
    }

    /// A request has its token and is sent.
    virtual void on_request([[maybe_unused]] const observed_request& what) {}

    /// A request was answered, or there is no answer. Once for each `on_request`.
    virtual void on_answer([[maybe_unused]] const observed_answer& what) {}

    /// Nobody is given a token until then, because the server asked for it; a request that has one
    /// still goes out. What it asks for again, while everybody waits already, is told as far as it
    /// is longer.
    virtual void on_pause([[maybe_unused]] time from, [[maybe_unused]] time until) {}

    /// A request is to be repeated, after any wait for that, because of how this one was answered:
    /// a failure, a refusal, a page that could not be read, or credentials that had to be renewed.
    virtual void on_retry([[maybe_unused]] time at, [[maybe_unused]] const observed_answer& after)
    {
    }

    /// A page goes into the stream, with the records that are delivered of it. A page without any
    /// does not.
    virtual void on_page([[maybe_unused]] time at, [[maybe_unused]] const page& what) {}

    /// The run has ended; the last call. The stream says so after it.
    virtual void on_end([[maybe_unused]] time at, [[maybe_unused]] const outcome& how,
                        [[maybe_unused]] const extract_statistics& all)
    {
    }
};

} // namespace HEADGATE_NAMESPACE

#endif
