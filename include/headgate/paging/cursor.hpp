#ifndef HEADGATE_PAGING_CURSOR_HPP
#define HEADGATE_PAGING_CURSOR_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/exact_number.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/known_records.hpp>
#include <headgate/detail/page_chain.hpp>
#include <headgate/detail/parameter.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/pager.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace HEADGATE_NAMESPACE::paging {

/// Paging by a cursor that each page gives for the next, in its body or in a header field, and that
/// goes out as a query parameter: `?cursor=...`.
///
/// The cursor is sent back as it came: a string percent-encoded, a number digit for digit however
/// long it is. The end is a page without a cursor (none, null, false, an empty string), or one that
/// says that there is no more. Empty pages with a cursor are not the end. A page that says that
/// there is more but gives no cursor ends as `outcome_code::page_failed`, and so does a first page
/// that has nothing where the cursor is looked for but names a next page elsewhere, by one of the
/// usual names: the place is likely the wrong one.
///
/// A cursor that comes again, at once or after others, ends as `outcome_code::loop`, and so does a
/// page with the very records of an earlier one, if they are objects and no two are the same. A
/// cursor that the server does not know any more (status 400, 404, 410 or 422) ends as
/// `outcome_code::cursor_expired`, unless `restart_from` says how to go on.
///
/// What nobody can tell from a longer list is one that begins again from the front, with cursors
/// that never come twice and records that have changed meanwhile, if only in a time of day. Only
/// `extract_options::max_pages` ends it; `extract_options::unique` drops what comes again.
class cursor : public detail::page_chain {
public:
    /// Pages of the list that `list` asks for; its method, headers, other parameters and body are
    /// kept.
    explicit cursor(http::request list) : page_chain{std::move(list)} {}

    /// Where in the body the cursor stands, as a JSON Pointer; "/next" unless set.
    /// @throws std::invalid_argument if it is not a JSON Pointer.
    cursor& in_body(const std::string& pointer)
    {
        pointer_ = detail::parse_json_pointer(pointer);
        header_.clear();
        return *this;
    }

    /// The header field in which the cursor comes, instead of the body. If it comes several times
    /// the first that is not empty is the cursor.
    cursor& in_header(std::string name)
    {
        header_ = std::move(name);
        return *this;
    }

    /// Where in the body it says whether there is more, as a JSON Pointer: `false` or 0 there is
    /// the end, whatever the cursor; with `true` or another number there must be one. Anything else
    /// says nothing. Unless set, `true` by one of the usual names, such as "/has_more", means that
    /// there must be one.
    /// @throws std::invalid_argument if it is not a JSON Pointer.
    cursor& more(const std::string& pointer)
    {
        more_ = detail::parse_json_pointer(pointer);
        guesses_more_ = false;
        return *this;
    }

    /// The name of the parameter; "cursor" unless set. A name that begins with a slash is a JSON
    /// Pointer into the request's JSON body.
    /// @throws std::invalid_argument if it begins with a slash and is not a JSON Pointer.
    cursor& cursor_param(const std::string& name)
    {
        param_ = detail::parameter{name};
        return *this;
    }

    /// How many records to ask for at once, under that name; left out unless set.
    /// @throws std::invalid_argument if 0.
    cursor& page_size(std::size_t records, const std::string& limit_param = "limit")
    {
        limit_pages(records, limit_param, "cursor");
        return *this;
    }

    /// Where in the body the total stands, as a JSON Pointer (RFC 6901); "/count" unless set. A
    /// list that ends before it is reported as `outcome_code::count_mismatch`, and one that ends
    /// before the largest of several, where it fell while the list was read, as
    /// `outcome_code::list_changed`. Unless set, a list in which no page names a next one is also
    /// measured by totals of other usual names, such as "/meta/total".
    /// @throws std::invalid_argument if it is not a JSON Pointer.
    cursor& total(const std::string& pointer)
    {
        look_for_total(pointer);
        return *this;
    }

    /// When a cursor has expired, asks for the list anew from the last record on: `key`, a JSON
    /// Pointer into a record, is what goes out as `param`. Records that come again are dropped.
    /// Another restart is made only if new records have come since, and none where the last record
    /// has nothing there to restart from: a null, false or an empty string.
    /// @throws std::invalid_argument if it is not a JSON Pointer.
    cursor& restart_from(const std::string& key, const std::string& param)
    {
        key_ = detail::parse_json_pointer(key);
        since_param_ = detail::parameter{param};
        return *this;
    }

    /// Says which answers mean that the cursor has expired, beyond those that say so by their
    /// status: for a server that tells it inside a 200.
    cursor& expired_if(std::function<bool(const http::response&)> is_expired)
    {
        expired_if_ = std::move(is_expired);
        return *this;
    }

    /// @{
    /// For `extract`, as the concept `pager` describes it.
    http::request request(const position& where) const
    {
        http::request result = list_request();
        if (!where.name().empty())
            param_.set(result, where.name(), is_number_);
        else if (!since_.empty())
            since_param_.set(result, since_, true);
        return result;
    }

    bool refused(const position& where, const http::response& response)
    {
        const int status = response.status();
        const bool unknown = status == 400 || status == 404 || status == 410 || status == 422;
        if (where.name().empty() || !(unknown || (expired_if_ && expired_if_(response))))
            return false;
        // A restart that brings nothing new leads to the next one, for ever; one without a key
        // asks for the list from its front.
        if (key_ && is_new_since_restart_ && !since_.empty())
            restart_at({}, where.number());
        else
            finish(outcome_code::cursor_expired, "the server refuses the cursor of " +
                                                     describe(where) + " with status " +
                                                     std::to_string(status) + why_no_restart());
        is_new_since_restart_ = false;
        return true;
    }

    kept received(const position& where, const page_content& content)
    {
        return delivered(where, content, take(where, content));
    }

    nlohmann::json receipt(const position& where) const
    {
        nlohmann::json result = chain_receipt(where);
        if (!result.contains("after"))
            return result;
        nlohmann::json& after = result["after"];
        after["is_number"] = is_number_;
        if (key_) {
            after["since"] = since_;
            after["is_new"] = is_new_since_restart_;
            after["last"] = last_page_.json();
        }
        return result;
    }

    void resume(const nlohmann::json& progress)
    {
        const nlohmann::json after = go_on_behind(progress);
        if (after.is_null())
            return;
        is_number_ = after.at("is_number").get<bool>();
        if (key_) {
            since_ = after.at("since").get<std::string>();
            is_new_since_restart_ = after.at("is_new").get<bool>();
            last_page_.resume(after.at("last"));
        }
    }
    /// @}

private:
    kept take(const position& where, const page_content& content)
    {
        kept mine = content.records();
        if (key_ && content.records() > 0) {
            if (is_restarted(where))
                mine = {content.records(), last_page_.find(content.list())};
            since_ = last_key(content.list(), *key_);
            last_page_.clear();
            for (const record each : content.list())
                last_page_.add(each);
        }
        is_new_since_restart_ = is_new_since_restart_ || mine.count() > 0;
        const std::optional<bool> more = says_more(content.document());
        if (more == false)
            return go_on(where, content, {}, "the server says that there is no more", mine);
        const std::string place = header_.empty() ? pointer_.to_string() : header_;
        const auto [next, is_there] = next_cursor(content);
        if (next.empty() && more == true)
            return fail(where, content, "the server says that there is more, but gives no " + place,
                        mine);
        return go_on_from(place, is_there, where, content, next, mine);
    }

    /// What the page says of whether there is more, if it says it.
    std::optional<bool> says_more(const nlohmann::json& document) const
    {
        if (!more_ || !document.contains(*more_))
            return std::nullopt;
        const nlohmann::json& told = document.at(*more_);
        if (told.is_boolean())
            return told.get<bool>();
        return told.is_number() ? std::optional{told != 0} : std::nullopt;
    }

    /// The cursor, empty if there is none, and whether there is anything in its place.
    std::pair<std::string, bool> next_cursor(const page_content& content)
    {
        if (header_.empty()) {
            const bool is_there = content.document().contains(pointer_);
            is_number_ = is_there && content.document().at(pointer_).is_number();
            return {detail::cursor_text(content.document(), content.response().body(), pointer_),
                    is_there};
        }
        const auto all = content.response().headers(header_);
        const auto first = std::find_if(all.begin(), all.end(),
                                        [](std::string_view each) { return !each.empty(); });
        return {std::string{first == all.end() ? std::string_view{} : *first}, !all.empty()};
    }

    std::string why_no_restart() const
    {
        if (!key_)
            return {};
        if (!is_new_since_restart_)
            return ", and no new records have come to restart from";
        return ", and the last record has an empty " + key_->to_string() + " to restart from";
    }

    /// Whether the page was asked for by the last record instead of by a cursor.
    static bool is_restarted(const position& where) noexcept
    {
        return where.name().empty() && where.number() > 0;
    }

    nlohmann::json::json_pointer pointer_{"/next"};
    std::optional<nlohmann::json::json_pointer> more_;
    std::string header_;
    detail::parameter param_{"cursor"};
    bool is_number_ = false; // the last cursor

    std::optional<nlohmann::json::json_pointer> key_;
    detail::known_records last_page_; // its records, if they may come again
    std::string since_;
    detail::parameter since_param_{"since"};
    bool is_new_since_restart_ = false; // any record that came
    std::function<bool(const http::response&)> expired_if_;
};

} // namespace HEADGATE_NAMESPACE::paging

#endif
