#ifndef HEADGATE_DETAIL_NEXT_HINT_HPP
#define HEADGATE_DETAIL_NEXT_HINT_HPP

#include <headgate/detail/printable.hpp>
#include <headgate/http/link.hpp>
#include <headgate/http/response.hpp>
#include <headgate/paging/pager.hpp>

#include <nlohmann/json.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

namespace headgate::detail {

/// Signs that there is a next page on one that names none where the next one is looked for: what
/// would be the end of a list may only be a wrong name, or a server that writes its header wrongly.
class next_hint {
public:
    /// Where the next page is named elsewhere: "/meta/next_cursor", "a Link header that names one".
    /// Looks for the names that APIs have for it, in any case, at the top of the body and in the
    /// objects there, and for a Link header.
    static std::optional<std::string> elsewhere(const paging::page_content& page)
    {
        if (const auto place = member(page.document(), 2))
            return place;
        if (!http::find_link(page.response(), "next").value_or("").empty())
            return "a Link header that names one";
        return std::nullopt;
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

    /// Where in an object and those in it, so many levels deep, a next page is named.
    static std::optional<std::string> member(const json& object, unsigned levels)
    {
        if (!object.is_object() || levels == 0)
            return std::nullopt;
        for (const auto& [name, value] : object.items()) {
            const std::string place = (json::json_pointer{} / name).to_string();
            if (is_well_known(name) && is_name(value))
                return place;
            if (is_well_known(name) && value.is_object() && is_name(value.value("href", json{})))
                return place + "/href"; // as HAL has it
            if (const auto below = member(value, levels - 1))
                return place + *below;
        }
        return std::nullopt;
    }

    static bool is_well_known(const std::string& name)
    {
        constexpr const char* all[] = {
            "next",
            "next_cursor",
            "nextCursor",
            "next_page",
            "nextPage",
            "next_page_token",
            "nextPageToken",
            "next_token",
            "nextToken",
            "next_url",
            "nextUrl",
            "next_link",
            "nextLink",
            "@odata.nextLink",
            "continuation",
            "continuation_token",
            "continuationToken",
        };
        return std::any_of(std::begin(all), std::end(all), [&name](const char* each) {
            return curl_strequal(name.c_str(), each) != 0;
        });
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

} // namespace headgate::detail

#endif
