#ifndef HEADGATE_EXTRACT_OPTIONS_HPP
#define HEADGATE_EXTRACT_OPTIONS_HPP

#include <headgate/detail/json_pointer.hpp>

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>

namespace headgate {

/// How to extract. Every option has a default; setters can be chained.
class extract_options {
public:
    /// Where in the body the records stand, as a JSON Pointer (RFC 6901) to an array; "/results"
    /// unless set, "" for a body that is the array itself.
    /// @throws std::invalid_argument if it is not a JSON Pointer.
    extract_options& records(const std::string& pointer)
    {
        records_ = detail::parse_json_pointer(pointer);
        return *this;
    }
    const nlohmann::json::json_pointer& records() const noexcept { return records_; }

    /// The most requests in flight at once; 64 unless set. As many pages may wait for the caller,
    /// so memory is bounded by this number of pages.
    /// @throws std::invalid_argument if 0 or more than 100,000.
    extract_options& max_in_flight(std::size_t requests)
    {
        if (requests == 0 || requests > 100'000)
            throw std::invalid_argument{"headgate::extract_options: max_in_flight is " +
                                        std::to_string(requests) + ", must be 1 to 100000"};
        max_in_flight_ = requests;
        return *this;
    }
    std::size_t max_in_flight() const noexcept { return max_in_flight_; }

    /// The most pages to ask for; if the list has more, the outcome is `outcome_code::page_cap`.
    /// No limit unless set.
    /// @throws std::invalid_argument if 0.
    extract_options& max_pages(std::uint64_t pages)
    {
        if (pages == 0)
            throw std::invalid_argument{"headgate::extract_options: max_pages is 0"};
        max_pages_ = pages;
        return *this;
    }
    std::uint64_t max_pages() const noexcept { return max_pages_; }

    /// How often a page is tried again after a failure that may pass: a lost connection, a timeout,
    /// a body that is cut, a status such as 500 or 503, and 429. 5 unless set. All pages share a
    /// budget of twice as many, to which every ten good pages add one, so that a server that is
    /// down is left alone. Only requests that may be repeated are: GET and HEAD.
    extract_options& retries(unsigned times) noexcept
    {
        retries_ = times;
        return *this;
    }
    unsigned retries() const noexcept { return retries_; }

    /// The longest wait that a server may ask for with Retry-After; if it asks for more the outcome
    /// is `outcome_code::wait_too_long`, at once. 300 s unless set.
    /// @throws std::invalid_argument if negative.
    extract_options& max_wait(std::chrono::nanoseconds longest)
    {
        if (longest < longest.zero())
            throw std::invalid_argument{"headgate::extract_options: max_wait is negative"};
        max_wait_ = longest;
        return *this;
    }
    std::chrono::nanoseconds max_wait() const noexcept { return max_wait_; }

private:
    nlohmann::json::json_pointer records_{"/results"};
    unsigned retries_ = 5;
    std::chrono::nanoseconds max_wait_ = std::chrono::seconds{300};
    std::size_t max_in_flight_ = 64;
    std::uint64_t max_pages_ = std::numeric_limits<std::uint64_t>::max();
};

} // namespace headgate

#endif
