#ifndef HEADGATE_DETAIL_EXTRACTION_HPP
#define HEADGATE_DETAIL_EXTRACTION_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/rate_control.hpp>
#include <headgate/outcome.hpp>
#include <headgate/page.hpp>
#include <headgate/result_channel.hpp>

#include HEADGATE_ASIO(any_io_executor.hpp)

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace HEADGATE_NAMESPACE {

/// What an extraction has done so far.
struct extract_statistics {
    std::uint64_t pages = 0;            ///< pages that have come
    std::uint64_t records = 0;          ///< records in them
    std::uint64_t requests = 0;         ///< requests that were sent
    std::uint64_t http_429 = 0;         ///< answers "429 Too Many Requests"
    std::uint64_t retries = 0;          ///< requests that repeated one that had failed
    std::uint64_t duplicates = 0;       ///< records that were dropped because their key had come
    bool forgot_keys = false;           ///< more keys came than `unique` may remember
    std::uint64_t rewinds = 0;          ///< times a changing list was read again from before
    std::uint64_t refused = 0;          ///< answers that said "too many", also by other statuses
    std::uint64_t pauses = 0;           ///< times the server refused; many at once are one
    std::chrono::nanoseconds waited{0}; ///< that the server has asked for, all waits together
    server_limit_report server;         ///< what it has said of its limit
    double rate_share = 1;              ///< share of the limiter's rate that is used, if adaptive
    std::optional<std::size_t> in_flight_allowed; ///< what is allowed in flight, if adaptive
    std::size_t in_flight = 0;                    ///< requests that wait for their answer now
    std::size_t peak_in_flight = 0;               ///< the most of them there ever were
    std::chrono::nanoseconds elapsed{0};          ///< since the start, until the end
    std::optional<std::uint64_t> total; ///< how many records there are, if the pager was told
    bool observer_failed = false; ///< the observer threw, and was not called any more
};

namespace detail {

/// What a page stream needs to know of the extraction that feeds it.
class extraction {
public:
    using channel = result_channel<page, outcome>;

    virtual ~extraction() = default;

    channel& pages() noexcept { return pages_; }

    /// A page that waits, unless the caller has had as many in a row as there is room for.
    std::optional<page> try_next()
    {
        std::optional<page> result;
        if (in_a_row_ < pages_.capacity())
            result = pages_.try_receive();
        in_a_row_ = result ? in_a_row_ + 1 : 0;
        return result;
    }

    /// The caller wants the next page: those that it has taken are done with, unless it says so
    /// itself.
    void next_wanted()
    {
        if (keeps_progress_)
            finish_taken();
    }

    /// The page with that index is done with.
    virtual void acknowledge(std::uint64_t index) = 0;

    virtual extract_statistics statistics() const = 0;
    virtual void cancel() = 0;

protected:
    extraction(const asio::any_io_executor& executor, std::size_t capacity, bool keeps_progress)
        : pages_{executor, capacity}, keeps_progress_{keeps_progress}
    {
    }

    virtual void finish_taken() = 0;

    channel pages_;

private:
    const bool keeps_progress_;
    std::size_t in_a_row_ = 0;
};

} // namespace detail
} // namespace HEADGATE_NAMESPACE

#endif
