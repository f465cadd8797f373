#ifndef HEADGATE_EXTRACT_HPP
#define HEADGATE_EXTRACT_HPP

#include <headgate/async_limiter.hpp>
#include <headgate/detail/extraction_run.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/page_parser.hpp>
#include <headgate/http/client.hpp>
#include <headgate/page_stream.hpp>
#include <headgate/paging/pager.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

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

private:
    nlohmann::json::json_pointer records_{"/results"};
    std::size_t max_in_flight_ = 64;
    std::uint64_t max_pages_ = std::numeric_limits<std::uint64_t>::max();
};

/// Pulls all records of a paginated list.
///
/// As many workers as the limit can feed, up to `max_in_flight`, each take a page from the pager,
/// reserve a place for it in the stream, wait for a token, fetch the page, parse it and deliver it.
/// Pages come as they arrive, each record of the list once. A page that cannot be had ends the run;
/// the pages that came before it are still delivered, and the outcome names it and says why.
///
/// Fetching starts at once, on the limiter's executor.
///
/// @param client  sends the requests. `http::client`, or another type with its `async_send` and
///                `share`.
/// @param limiter gives each request its token. Both may be used for other things at the same time,
///                and may go before the stream does; the run then ends as cancelled.
/// @param pager   knows the pages: one of `paging/`, or one of your own.
template <class Client, class Clock, class Executor, paging::pager Pager>
page_stream extract(const Client& client, const basic_async_limiter<Clock, Executor>& limiter,
                    Pager pager, const extract_options& options = {})
{
    using run_type = detail::extraction_run<Client, basic_async_limiter<Clock, Executor>, Pager>;
    auto run = std::make_shared<run_type>(client.share(), limiter.share(), std::move(pager),
                                          detail::page_parser{options.records()},
                                          options.max_in_flight(), options.max_pages());
    run->start();
    return page_stream{std::move(run)};
}

} // namespace headgate

#endif
