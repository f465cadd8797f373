#ifndef HEADGATE_DETAIL_PAGE_EFFORT_HPP
#define HEADGATE_DETAIL_PAGE_EFFORT_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/retry_policy.hpp>
#include <headgate/http/request.hpp>
#include <headgate/observer.hpp>

#include <cstdint>
#include <optional>

namespace HEADGATE_NAMESPACE::detail {

/// What has been tried for a page.
struct page_effort {
    unsigned tries = 0;       ///< that came to nothing, whatever the reason
    unsigned failures = 0;    ///< of those, that are counted against the page
    unsigned refusals = 0;    ///< of those, "too many" since another page came
    std::uint64_t pages = 0;  ///< how many had come then
    unsigned credentials = 0; ///< those that the last request was sent with
    bool renewed = false;     ///< credentials were renewed for it
    unsigned redirects = 0;   ///< that were followed
    bool hops_on = false;     ///< the last answer was one
    std::uint64_t spent = 0;  ///< under which number a checkpoint has the last request
    std::optional<http::request> moved;
    observed_answer last; ///< only where somebody observes
    retry_policy::page retries;

    /// A page is not to blame for having been refused if others have come since.
    void forgive(std::uint64_t pages_by_now) noexcept
    {
        if (pages_by_now != pages)
            refusals = 0;
        pages = pages_by_now;
    }
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
