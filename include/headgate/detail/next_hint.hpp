#ifndef HEADGATE_DETAIL_NEXT_HINT_HPP
#define HEADGATE_DETAIL_NEXT_HINT_HPP

#include <headgate/detail/bounds.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/printable.hpp>
#include <headgate/http/link.hpp>
#include <headgate/http/response.hpp>
#include <headgate/http/url.hpp>
#include <headgate/paging/pager.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

namespace HEADGATE_NAMESPACE::detail {

/// Signs that there is a next page on one that names none where the next one is looked for: what
/// would be the end of a list may only be a wrong name, or a server that writes its header wrongly.
///
/// What says whether there is more, or how many there are, is only looked for where a page speaks
/// of itself: at the top of the body, in the objects around the records, and in those in them that
/// are called so, like "meta" and "paging". Elsewhere it may speak of something else.
class next_hint {
public:
    /// Where the next page is named elsewhere: "/meta/next_cursor", "a Link header that names one".
    /// Looks for the names that APIs have for it, in any case, at the top of the body, in the
    /// objects there, and where the page speaks of itself, and for a Link header. Nothing is a sign
    /// on a page that says that there is no more.
    static std::optional<std::string> elsewhere(const paging::page_content& page)
    {
        if (const auto told = says_more(page); told && !told->more)
            return std::nullopt;
        if (auto place = member(page.document(), {}, 2))
            return place;
        const auto name_in = [&page](const json& object, const std::string& place) {
            auto found = member(object, place, 1);
            return found ? found : uncertain_member(page, object, place);
        };
        if (auto place = where_told(page, name_in))
            return place;
        if (!http::find_link(page.response(), "next").value_or("").empty())
            return "a Link header that names one";
        return std::nullopt;
    }

    /// Whether there is more, as the page says where it was not told to be looked for.
    struct told_more {
        std::string place;
        bool more;
    };
    static std::optional<told_more> says_more(const paging::page_content& page)
    {
        return where_told(page, [](const json& object, const std::string& place) {
            std::optional<told_more> result;
            for (const auto& [name, value] : object.items())
                if (value.is_boolean() && is_one_of(says_more_names, plain(name)) && !result)
                    result = told_more{below(place, name), value.get<bool>()};
            return result;
        });
    }

    /// How many records there are, as the page says where it was not told to be looked for.
    struct told_total {
        std::string place;
        std::uint64_t records;
    };

    /// The first total that is larger than what came, if there is one.
    static std::optional<told_total> total_above(const paging::page_content& page,
                                                 std::uint64_t came)
    {
        return where_told(page, [came](const json& object, const std::string& place) {
            std::optional<told_total> result;
            for (const auto& [name, value] : object.items())
                if (value.is_number_unsigned() && value.get<std::uint64_t>() > came &&
                    is_one_of(total_names, plain(name)) && !result)
                    result = told_total{below(place, name), value.get<std::uint64_t>()};
            return result;
        });
    }

    /// What in the Link header cannot be read and speaks of a next page, shortened.
    static std::optional<std::string> malformed_link(const http::response& answer)
    {
        for (const std::string& each : http::malformed_links(answer))
            if (has_next(each))
                return shortened(each, 100);
        return std::nullopt;
    }

private:
    using json = nlohmann::json;

    // Names as `plain` makes them.
    static constexpr const char* next_names[] = {
        "next",
        "nextcursor",
        "nextpage",
        "nextpagetoken",
        "nexttoken",
        "nexturl",
        "nexturi",
        "nexthref",
        "nextlink",
        "nextpageurl",
        "nextpageuri",
        "nextpagelink",
        "nextrecordsurl",
        "nextmarker",
        "nextkey",
        "nextoffset",
        "nextstart",
        "cursornext",
        "continuation",
        "continuationtoken",
        "paginationtoken",
        "resumptiontoken",
        "nextresults",
    };
    static constexpr const char* says_more_names[] = {
        "hasmore",      "hasnext",        "hasnextpage",    "hasmorepages",
        "hasmoreitems", "hasmorerecords", "hasmoreresults", "morerecords",
    };
    static constexpr const char* total_names[] = {
        "count",     "total",        "totalcount", "totalresults",  "totalrecords", "totalitems",
        "totalrows", "totalentries", "totalhits",  "totalelements", "totalsize",    "numfound",
    };

    /// Objects in which a page speaks of itself.
    static constexpr const char* own_names[] = {
        "meta",  "metadata", "paging",           "pagination", "page",   "pages",
        "pager", "pageinfo", "responsemetadata", "links",      "cursor", "cursors",
        "next",  "info",     "searchmetadata",   "response",
    };

    /// "next_page", "nextPage", "Next-Page" and "@odata.nextPage" as "nextpage".
    static std::string plain(const std::string& name)
    {
        const std::size_t begin = name.substr(0, 1) == "@" ? name.find('.') + 1 : 0;
        std::string result;
        for (const char c : std::string_view{name}.substr(begin))
            if (c != '_' && c != '-')
                result += c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
        return result;
    }

    template <std::size_t Count>
    static bool is_one_of(const char* const (&all)[Count], const std::string& name)
    {
        return std::find(std::begin(all), std::end(all), name) != std::end(all);
    }

    /// The JSON Pointer to what has that name at `place`.
    static std::string below(const std::string& place, const std::string& name)
    {
        return place + (json::json_pointer{} / name).to_string();
    }

    template <class Look>
    using found_by = std::invoke_result_t<const Look&, const json&, const std::string&>;

    /// What `look` finds first in the objects in which the page speaks of itself. It gets each with
    /// the JSON Pointer to it.
    template <class Look>
    static found_by<Look> where_told(const paging::page_content& page, const Look& look)
    {
        return where_told(page.document(), {}, 3, tokens_of(page.records_pointer()), look);
    }

    /// @param levels  how deep such objects may still lie in each other
    /// @param around  the names on the way to the records, if the object is on it
    template <class Look>
    static found_by<Look> where_told(const json& object, const std::string& place, unsigned levels,
                                     std::span<const std::string> around, const Look& look)
    {
        if (!object.is_object())
            return std::nullopt;
        auto result = look(object, place);
        for (auto each = object.begin(); each != object.end() && !result; ++each) {
            const bool is_around = !around.empty() && each.key() == around.front();
            if (is_around)
                result =
                    where_told(*each, below(place, each.key()), levels, around.subspan(1), look);
            else if (levels > 1 && is_one_of(own_names, plain(each.key())))
                result = where_told(*each, below(place, each.key()), levels - 1, {}, look);
        }
        return result;
    }

    /// Where in an object and those in it, so many levels deep, a next page is named.
    static std::optional<std::string> member(const json& object, const std::string& place,
                                             unsigned levels)
    {
        if (!object.is_object() || levels == 0)
            return std::nullopt;
        for (const auto& [name, value] : object.items()) {
            const std::string here = below(place, name);
            const bool is_next = is_one_of(next_names, plain(name));
            if (is_next && is_name(value))
                return here;
            if (is_next && value.is_object() && is_name(value.value("href", json{})))
                return here + "/href"; // as HAL has it
            if (auto found = member(value, here, levels - 1))
                return found;
        }
        return std::nullopt;
    }

    /// Where in an object a next page is named by a name that may also mean this page, or a place
    /// within it: not if it is what was asked for, nor among the marks of a page's first and last
    /// record, which a last page has too. A number there is more often a date or a count.
    static std::optional<std::string> uncertain_member(const paging::page_content& page,
                                                       const json& object, const std::string& place)
    {
        if (place.ends_with("/cursor") || place.ends_with("/cursors"))
            return std::nullopt;
        for (const auto& [name, value] : object.items()) {
            const std::string as = plain(name);
            const bool fits =
                as == "cursor" || ((as == "after" || as == "continue") && value.is_string());
            if (fits && is_name(value) && !was_asked_for(page, value))
                return below(place, name);
        }
        return std::nullopt;
    }

    /// Whether the request had a parameter of that value.
    static bool was_asked_for(const paging::page_content& page, const json& value)
    {
        const std::string text = value.is_string() ? value.get<std::string>() : value.dump();
        if (text.size() > longest_cursor)
            return false;
        http::url probe{"http://probe"};
        const std::string encoded = probe.set_query("", text).query() + '&';
        const std::string query = page.base().query() + '&';
        return query.find(encoded) != std::string::npos ||
               query.find('=' + text + '&') != std::string::npos;
    }

    /// Whether a page can be called so. One that is called 0 is not the next; some write it for
    /// none.
    static bool is_name(const json& value)
    {
        if (value.is_string())
            return !value.get_ref<const std::string&>().empty();
        return value.is_number() && value > 0;
    }

    /// Whether the word stands in the text, in any case.
    static bool has_next(std::string_view text)
    {
        constexpr std::string_view word = "next";
        constexpr auto is_same = [](char a, char b) { return (a | 0x20) == b; };
        for (auto begin = text.begin();; ++begin) {
            begin = std::search(begin, text.end(), word.begin(), word.end(), is_same);
            if (begin == text.end())
                return false;
            const auto end = begin + word.size();
            if ((begin == text.begin() || !is_in_word(begin[-1])) &&
                (end == text.end() || !is_in_word(*end)))
                return true;
        }
    }

    /// As in "next-archive", another relation.
    static bool is_in_word(char c)
    {
        const char lower = static_cast<char>(c | 0x20);
        return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    }
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
