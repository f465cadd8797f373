#ifndef HEADGATE_PAGING_PAGER_HPP
#define HEADGATE_PAGING_PAGER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/json_digest.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/http/url.hpp>
#include <headgate/outcome.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::paging {

/// What a pager gets to see of a page. Refers to what it is made of.
class page_content {
public:
    /// @param base     the URL that was asked for, against which a relative one is resolved
    /// @param response the answer
    /// @param document its body, parsed, without the records
    /// @param records  where in the body the records stood
    /// @param list     the records
    page_content(const http::url& base, const http::response& response,
                 const nlohmann::json& document, const nlohmann::json::json_pointer& records,
                 record_range list) noexcept
        : base_{base}, response_{response}, document_{document}, records_{records}, list_{list}
    {
    }

    /// The URL that was asked for.
    const http::url& base() const noexcept { return base_; }

    /// The answer with its headers and its body.
    const http::response& response() const noexcept { return response_; }

    /// The parsed body, with an empty array where the records were; null where the body was empty.
    const nlohmann::json& document() const noexcept { return document_; }

    /// How many records the page brought, they themselves, and where in the body they stood.
    std::size_t records() const noexcept { return list_.size(); }
    /// The records.
    record_range list() const noexcept { return list_; }
    /// Where in the body the records stood.
    const nlohmann::json::json_pointer& records_pointer() const noexcept { return records_; }

    /// Tells pages apart by their records; 0 for a page without any.
    std::size_t digest() const
    {
        if (list_.empty())
            return 0;
        std::size_t result = list_.size();
        for (const record each : list_)
            result = detail::mix(result, each.digest());
        return result | 1;
    }

    /// Whether no two records are the same and all are objects. Only then is a page that is the
    /// same as another a copy of it for certain; a list of numbers may well have the same page
    /// twice.
    bool tells_records_apart() const
    {
        std::vector<std::size_t> digests;
        for (const record each : list_) {
            if (!each.is_object())
                return false;
            digests.push_back(each.digest());
        }
        std::sort(digests.begin(), digests.end());
        return std::adjacent_find(digests.begin(), digests.end()) == digests.end();
    }

private:
    const http::url& base_;
    const http::response& response_;
    const nlohmann::json& document_;
    const nlohmann::json::json_pointer& records_;
    record_range list_;
};

/// How a pager ended: with what it takes to believe that the list is complete, or without.
class page_end {
public:
    /// Ended that way, for that reason.
    page_end(outcome_code code, std::string reason) : code_{code}, reason_{std::move(reason)} {}

    /// How it ended.
    outcome_code code() const noexcept { return code_; }
    /// One line for a person: what proves it, or what went wrong.
    const std::string& reason() const noexcept { return reason_; }

private:
    outcome_code code_;
    std::string reason_;
};

/// Which of a page's records belong to it: `count` from `first` on, but for some.
class kept {
public:
    /// The first `count` records.
    kept(std::size_t count) noexcept : count_{count} {} // NOLINT: the usual case is a number
    /// `count` records from `first` on.
    kept(std::size_t first, std::size_t count) noexcept : first_{first}, count_{count} {}

    /// All of `count` but those with these indices, which are in order.
    kept(std::size_t count, std::vector<std::size_t> left_out) noexcept
        : count_{count}, left_out_{std::move(left_out)}
    {
    }

    /// How many they are.
    std::size_t count() const noexcept { return count_ - left_out_.size(); }

    /// Removes the others.
    template <class Record>
    void apply(std::vector<Record>& records) const
    {
        std::size_t index = 0;
        auto left_out = left_out_.begin();
        std::erase_if(records, [&](const Record&) {
            const std::size_t here = index++;
            const bool is_left_out = left_out != left_out_.end() && *left_out == here;
            left_out += is_left_out ? 1 : 0;
            return is_left_out || here < first_ || here >= first_ + count_;
        });
    }

private:
    std::size_t first_ = 0;
    std::size_t count_;
    std::vector<std::size_t> left_out_;
};

/// Knows which pages a list has: a state machine without I/O, written for one style of paging.
///
/// - `next()` gives the next page to ask for, as far as it is known now. A style whose pages depend
///   on each other gives one and then nothing until `received` was called for it; a style that can
///   plan ahead gives many, which are then fetched side by side and may be received in any order.
/// - `request(position)` makes the request for a page.
/// - `describe(position)` names a page in an error message, such as "offset 200".
/// - `received(position, content)` tells what came and returns which of the records belong to this
///   page: how many from the first on, or a `kept`. An exception ends the run as a failure of this
///   page.
/// - `end()` has a value once every page was received and there are no more.
///
/// A style in which each page names the next is easier written as a function; see `next_request`.
///
/// A pager may also have
/// - `rest(position)`, called right after `received`: what is missing of that page, which is then
///   asked for and delivered with it;
/// - `wanted(position)`: false if, since `next` gave it, the page has turned out to lie behind the
///   end; it is not asked for then, and the pager must not wait for it;
/// - `is_held_back(position)`: whether a page that is not wanted now may be later; it keeps its
///   place then, and `wanted` is asked again whenever something has come;
/// - `may_come_again(position)`, called when a page has come, or was refused: whether it may be
///   wanted once more, in the same place, because what came is in doubt; it is then held back;
/// - `is_beyond(position)`: whether the page lies behind the end, as far as it is known now;
/// - `refused(position, response)`, called for every answer before it is parsed, whatever its
/// status:
///   true if the pager knows that it is no page and what that means, such as that there is no such
///   page; it is then done with, without `received`;
/// - `failed(position, page_end)`: called when a page cannot be had, instead of ending the run at
///   once; the pager gives no page behind it any more, and in the end says so;
/// - `join(position, records)`, called for each page in the order of the list when it is to be
///   delivered: how many of the first records were delivered before, or nothing if the list has
///   changed and is to be read again from where `next` goes on;
/// - `may_overrun(requests, in_order)`, called first: how many requests may be in flight, and so go
///   to what lies behind the end, and whether pages are delivered in order, so that one that was
///   not wanted, and is not held back, cannot be given again;
/// - `reached()`: the end that is proved so far, where the caller's cap allows no more pages;
/// - `is_ordered()`: whether pages are to be delivered in order even if the caller does not ask for
///   it;
/// - `expected()`: how many records there are, if that is known;
/// - `receipt(position)`, `merge(progress, receipt)` and `resume(progress)`, all three for runs with
///   a checkpoint. The first is called right after `received`, or after `join` if `is_ordered`, and
///   gives as JSON what is to be kept of the page once it is done with, null if nothing. The second,
///   a static function, adds that to what is kept, null at first; pages may be done with in any
///   order. The third is called before anything else in a run that goes on from there;
/// - `is_delivered(position)`: whether the page was done with in a run before, and is asked for only
///   to go on from it;
/// - `guard()`: the `detail::origin_guard` that decides where redirects and credentials may go.
///
/// `extract` calls a pager from one thread at a time.
template <class T>
concept pager = std::movable<T> &&
    requires(T& p, const T& c, const typename T::position& where, const page_content& content)
{
    {
        p.next()
        } -> std::same_as<std::optional<typename T::position>>;
    {
        c.request(where)
        } -> std::convertible_to<http::request>;
    {
        c.describe(where)
        } -> std::convertible_to<std::string>;
    {
        p.received(where, content)
        } -> std::convertible_to<kept>;
    {
        c.end()
        } -> std::convertible_to<std::optional<page_end>>;
};

} // namespace HEADGATE_NAMESPACE::paging

#endif
