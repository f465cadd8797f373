#ifndef HEADGATE_PAGING_PAGER_HPP
#define HEADGATE_PAGING_PAGER_HPP

#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/outcome.hpp>

#include <nlohmann/json.hpp>

#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>

namespace headgate::paging {

/// What a pager gets to see of a page: everything but the records themselves.
class page_content {
public:
    page_content(const http::response& response, const nlohmann::json& document,
                 std::size_t records) noexcept
        : response_{response}, document_{document}, records_{records}
    {
    }

    /// The answer with its headers; the body has been parsed into `document` already.
    const http::response& response() const noexcept { return response_; }

    /// The parsed body, with an empty array where the records were.
    const nlohmann::json& document() const noexcept { return document_; }

    /// How many records the page brought.
    std::size_t records() const noexcept { return records_; }

private:
    const http::response& response_;
    const nlohmann::json& document_;
    std::size_t records_;
};

/// How a pager ended: with what it takes to believe that the list is complete, or without.
class page_end {
public:
    page_end(outcome_code code, std::string reason) : code_{code}, reason_{std::move(reason)} {}

    outcome_code code() const noexcept { return code_; }
    const std::string& reason() const noexcept { return reason_; }

private:
    outcome_code code_;
    std::string reason_;
};

/// Knows which pages a list has: a state machine without I/O, written for one style of paging.
///
/// - `next()` gives the next page to ask for, as far as it is known now. A style whose pages depend
///   on each other gives one and then nothing until `received` was called for it; a style that can
///   plan ahead gives many, which are then fetched side by side and may be received in any order.
/// - `request(position)` makes the request for a page.
/// - `describe(position)` names a page in an error message, such as "offset 200".
/// - `received(position, content)` tells what came and returns how many of the records, from the
///   first on, belong to this page. An exception ends the run as a failure of this page.
/// - `end()` has a value once every page was received and there are no more.
///
/// `extract` calls a pager from one thread at a time.
template <class T>
concept pager = std::movable<T> && requires(T& p, const T& c, const typename T::position& where,
                                            const page_content& content) {
    { p.next() } -> std::same_as<std::optional<typename T::position>>;
    { c.request(where) } -> std::convertible_to<http::request>;
    { c.describe(where) } -> std::convertible_to<std::string>;
    { p.received(where, content) } -> std::convertible_to<std::size_t>;
    { c.end() } -> std::convertible_to<std::optional<page_end>>;
};

} // namespace headgate::paging

#endif
