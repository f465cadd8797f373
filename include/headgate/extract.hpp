#ifndef HEADGATE_EXTRACT_HPP
#define HEADGATE_EXTRACT_HPP

#include <headgate/async_limiter.hpp>
#include <headgate/detail/any_pager.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/extraction_run.hpp>
#include <headgate/extract_options.hpp>
#include <headgate/http/client.hpp>
#include <headgate/page_stream.hpp>
#include <headgate/paging/pager.hpp>

#include <memory>
#include <utility>

namespace HEADGATE_NAMESPACE {

/// Pulls all records of a paginated list.
///
/// As many workers as the limit can feed, up to `max_in_flight`, each take a page from the pager,
/// reserve a place for it in the stream, wait for a token, fetch the page, parse it and deliver it.
/// Pages come as they arrive, each record of the list once. A server that says "too many"
/// (429, or 503 with Retry-After), or that nothing is left, has the limiter pause for as long as it
/// asks: then one request goes first, and the others follow at the rate. Each try pays a token. A
/// page that cannot be had ends the run; the pages that came before it are still delivered, and the
/// outcome names it and says why.
///
/// Fetching starts at once, on the limiter's executor.
///
/// @param client  sends the requests. `http::client`, or another type with its `async_send` and
///                `share`.
/// @param limiter gives each request its token: an `async_limiter`, or another with its members,
///                such as `redis::shared_limiter`. Both may be used for other things at the same time,
///                and may go before the stream does; the run then ends as cancelled.
/// @param pager   knows the pages: one of `paging/`, or one of your own.
/// @param options how to extract
/// @throws std::invalid_argument or what else the pager throws, if it cannot begin, and what the
///         checkpoint throws, if there is one and it cannot be read.
template <class Client, class Limiter, paging::pager Pager>
page_stream extract(const Client& client, const Limiter& limiter, Pager pager,
                    const extract_options& options = {})
{
    using run_type = detail::extraction_run<Client, Limiter>;
    auto any = std::make_unique<detail::pager_model<Pager>>(std::move(pager));
    auto run = std::make_shared<run_type>(client.share(), limiter.share(), std::move(any), options);
    run->start();
    return page_stream{std::move(run)};
}

} // namespace HEADGATE_NAMESPACE

#endif
