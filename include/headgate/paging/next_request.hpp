#ifndef HEADGATE_PAGING_NEXT_REQUEST_HPP
#define HEADGATE_PAGING_NEXT_REQUEST_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/origin_guard.hpp>
#include <headgate/detail/page_chain.hpp>
#include <headgate/http/request.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/pager.hpp>

#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE::paging {

/// A style of paging of your own, as a function from a page to the request for the next:
/// @code
/// auto next = [list](const paging::page_content& page) -> std::optional<http::request> {
///     const auto& token = page.document().at("page").at("token");
///     if (token.is_null())
///         return std::nullopt; // the end
///     http::url url{list.url()};
///     url.set_query("token", token.get<std::string>());
///     return http::request{list}.url(std::move(url));
/// };
/// auto stream = headgate::extract(client, limiter, paging::next_request{list, next});
/// @endcode
///
/// Loops, empty pages and totals are seen to as by the other styles. An exception that leaves the
/// function ends the run as a failure of the page. A request to another origin than the list's is
/// refused unless it is allowed, and then goes out without any header field but the type of a body.
class next_request : public detail::page_chain {
public:
    /// Makes the request for the next page of what a page says, or none at the end.
    using function = std::function<std::optional<http::request>(const page_content&)>;

    /// Pages of the list that begins with `list` and goes on with what `next` returns.
    next_request(http::request list, function next)
        : page_chain{std::move(list)}, function_{std::move(next)}
    {
    }

    /// Also goes where that URL's scheme, host and port are, without header fields but the type of
    /// a body.
    /// @throws std::invalid_argument as `http::url` does.
    next_request& allow_origin(const std::string& origin)
    {
        guard_.allow(origin);
        return *this;
    }

    /// Where in the body the total stands, as a JSON Pointer (RFC 6901); "/count" unless set. A
    /// list that ends before it is reported as `outcome_code::count_mismatch`, and one that ends
    /// before the largest of several, where it fell while the list was read, as
    /// `outcome_code::list_changed`.
    /// @throws std::invalid_argument if it is not a JSON Pointer.
    next_request& total(const std::string& pointer)
    {
        look_for_total(pointer);
        return *this;
    }

    /// @{
    /// For `extract`, as the concept `pager` describes it.
    http::request request(const position&) const { return asked_ ? *asked_ : guard_.list(); }

    kept received(const position& where, const page_content& content)
    {
        std::optional<http::request> next = function_(content);
        if (!next)
            return go_on(where, content, {}, "no next page", content.records());
        try {
            guard_.check(next->url());
        } catch (const foreign_origin& e) {
            return stop_at(content.records(), outcome_code::foreign_origin,
                           describe(where) + ": " + e.what());
        }
        if (!guard_.is_home(next->url()))
            next = guard_.moved(*next, next->url());
        // A body is the caller's own for the most part, and may be long: what a server can put into
        // it is no longer than its page. It is part of the name with every byte all the same.
        std::string name = next->url().str();
        check_length(name);
        name = next->method() + ' ' + name;
        if (next->body())
            name += '\n' + *next->body();
        asked_ = std::move(next);
        return go_on_unbounded(where, content, name, {}, content.records());
    }
    /// @}

private:
    function function_;
    std::optional<http::request> asked_;
};

} // namespace HEADGATE_NAMESPACE::paging

#endif
