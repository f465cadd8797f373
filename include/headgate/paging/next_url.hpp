#ifndef HEADGATE_PAGING_NEXT_URL_HPP
#define HEADGATE_PAGING_NEXT_URL_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/exact_number.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/page_chain.hpp>
#include <headgate/http/link.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/url.hpp>
#include <headgate/outcome.hpp>
#include <headgate/paging/pager.hpp>

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE::paging {

/// Paging by a URL that each page gives for the next: in its body, or as a Link header field with
/// the relation "next" (RFC 8288).
///
/// The URL may be relative. One that leads to another origin (scheme, host or port) ends the run as
/// `outcome_code::foreign_origin` before there is a request, unless that origin is allowed; and
/// then none of the list's header fields go there. The end is a page that names no next one; loops
/// are found as by `cursor`. A Link header that names a next page but cannot be read ends as
/// `outcome_code::page_failed`, and so does, as by `cursor`, a first page that names the next one
/// elsewhere, and any that says that there is more but names none.
class next_url : public detail::page_chain {
public:
    /// The list that `list` asks for first; its method and headers are kept.
    explicit next_url(http::request list) : page_chain{std::move(list)} {}

    /// Where in the body the URL stands, as a JSON Pointer; "/next" unless set.
    /// @throws std::invalid_argument if it is not a JSON Pointer.
    next_url& in_body(const std::string& pointer)
    {
        pointer_ = detail::parse_json_pointer(pointer);
        return *this;
    }

    /// The URL comes in the Link header field.
    next_url& in_link() noexcept
    {
        pointer_.reset();
        return *this;
    }

    /// Also goes where that URL's scheme, host and port are, without the list's header fields.
    /// @throws std::invalid_argument as `http::url` does.
    next_url& allow_origin(const std::string& origin)
    {
        guard_.allow(origin);
        return *this;
    }

    /// How many records to ask for at once, under that name; left out unless set. The URLs of the
    /// pages after the first are the server's.
    /// @throws std::invalid_argument if 0.
    next_url& page_size(std::size_t records, const std::string& limit_param = "limit")
    {
        if (records == 0)
            throw std::invalid_argument{"headgate::paging::next_url: page size is 0"};
        first_ = guard_.list().url();
        first_->set_query(limit_param, std::to_string(records));
        return *this;
    }

    /// Where in the body the total stands, as a JSON Pointer (RFC 6901); "/count" unless set. A
    /// list that ends before it is reported as `outcome_code::count_mismatch`, and one that ends
    /// before the largest of several, where it fell while the list was read, as
    /// `outcome_code::list_changed`. Unless set, a list in which no page names a next one is also
    /// measured by totals of other usual names, such as "/meta/total".
    /// @throws std::invalid_argument if it is not a JSON Pointer.
    next_url& total(const std::string& pointer)
    {
        look_for_total(pointer);
        return *this;
    }

    /// @{
    /// For `extract`, as the concept `pager` describes it.
    http::request request(const position& where) const
    {
        if (!where.name().empty())
            return guard_.follow(guard_.list().url(), where.name());
        http::request result{guard_.list()};
        if (first_)
            result.url(*first_);
        return result;
    }

    kept received(const position& where, const page_content& content)
    {
        return delivered(where, content, take(where, content));
    }

    nlohmann::json receipt(const position& where) const { return chain_receipt(where); }
    void resume(const nlohmann::json& progress) { go_on_behind(progress); }
    /// @}

private:
    kept take(const position& where, const page_content& content)
    {
        const auto [named, is_there] = next_page(content);
        if (!named.empty())
            return follow(where, content, named);
        if (const auto bad =
                pointer_ ? std::nullopt : detail::next_hint::malformed_link(content.response()))
            return fail(where, content,
                        "the Link header names a next page but is malformed: " + *bad,
                        content.records());
        return go_on_from(place(), is_there, where, content, {}, content.records());
    }

    /// The URL, empty if there is none, and whether there is anything in its place.
    std::pair<std::string, bool> next_page(const page_content& content) const
    {
        if (pointer_)
            return {detail::cursor_text(content.document(), content.response().body(), *pointer_),
                    content.document().contains(*pointer_)};
        const auto link = http::find_link(content.response(), "next");
        return {link.value_or(""), link.has_value()};
    }

    std::string place() const { return pointer_ ? pointer_->to_string() : "next link"; }

    kept follow(const position& where, const page_content& content, const std::string& named)
    {
        try {
            const http::request next = guard_.follow(content.base(), named);
            return go_on_from(place(), true, where, content, next.url().str(), content.records());
        } catch (const foreign_origin& e) {
            return stop_at(content.records(), outcome_code::foreign_origin,
                           describe(where) + ": " + e.what());
        } catch (const std::invalid_argument& e) {
            return stop_at(content.records(), outcome_code::page_failed,
                           describe(where) + ": next page: " + e.what());
        }
    }

    std::optional<nlohmann::json::json_pointer> pointer_{nlohmann::json::json_pointer{"/next"}};
    std::optional<http::url> first_;
};

} // namespace HEADGATE_NAMESPACE::paging

#endif
