#include <headgate/detail/origin_guard.hpp>
#include <headgate/http/url.hpp>

#include "support.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using fuzz::require;
using fuzz::http::url;

std::string part(const url& of, CURLUPart what)
{
    char* text = nullptr;
    if (curl_url_get(of.native_handle(), what, &text, 0) != CURLUE_OK)
        return {};
    std::string result{text};
    curl_free(text);
    return result;
}

std::optional<url> parse(const std::string& text)
{
    try {
        return url{text};
    } catch (const std::invalid_argument&) {
        return std::nullopt;
    }
}

/// What every URL keeps to, however it came about.
void require_sane(const url& one)
{
    const std::string text = one.str();
    require(one.scheme() == "http" || one.scheme() == "https", "the scheme is http or https", text);
    require(!one.host().empty(), "there is a host", text);
    require(std::none_of(text.begin(), text.end(),
                         [](unsigned char c) { return c < 0x20 || c == 0x7f; }),
            "there is no control character", text);
    require(one.same_origin(one), "a URL is of its own origin", text);

    const auto again = parse(text);
    require(again.has_value(), "what is put together can be parsed", text);
    require(again->str() == text, "what is put together stays as it is", text + " " + again->str());
    require(again->same_origin(one), "and is of the same origin", text);
    require(again->credentials() == one.credentials(), "and of the same user", text);

    const auto bare = parse(one.without_credentials());
    require(bare && bare->credentials().empty(), "credentials can be left out", text);
    require(bare->same_origin(one), "which is the same origin", text);
}

/// The parameters of a query but for the empty ones, split into those with one of two names and all
/// others.
std::pair<std::vector<std::string>, std::vector<std::string>>
parameters(const url& of, const std::string& name, const std::string& other_name)
{
    std::pair<std::vector<std::string>, std::vector<std::string>> result;
    const std::string query = of.query();
    for (std::string_view rest = query; !rest.empty();) {
        const auto end = std::min(rest.find('&'), rest.size());
        std::string each{rest.substr(0, end)};
        rest.remove_prefix(std::min(end + 1, rest.size()));
        const std::string key = each.substr(0, each.find('='));
        if (!each.empty())
            (key == name || key == other_name ? result.first : result.second)
                .push_back(std::move(each));
    }
    return result;
}

std::string escape(const std::string& text)
{
    if (text.empty())
        return {};
    char* escaped = curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size()));
    std::string result{escaped};
    curl_free(escaped);
    return result;
}

void check_query(const url& before, const std::string& name, const std::string& value)
{
    url after{before};
    after.set_query(name, value);
    require_sane(after);
    require(after.same_origin(before) && after.credentials() == before.credentials(),
            "a parameter changes nothing else", after.str());
    for (const CURLUPart each : {CURLUPART_PATH, CURLUPART_FRAGMENT})
        require(part(after, each) == part(before, each), "a parameter changes nothing else",
                before.str() + " " + after.str());
    const auto [was, others] = parameters(before, name, escape(name));
    const auto [now, kept] = parameters(after, name, escape(name));
    require(now.size() == 1 && now.front() == escape(name) + '=' + escape(value),
            "a parameter is there once", after.str());
    require(kept == others, "the other parameters keep their bytes", after.str());
}

/// Where the guard lets the server lead to.
void check_follow(const url& list, const url& base, const std::string& reference, unsigned hops)
{
    const headgate::detail::origin_guard guard{fuzz::http::request{list}};
    try {
        const fuzz::http::request next = guard.follow(base, reference);
        require_sane(next.url());
        require(next.url().same_origin(list), "the guard keeps to the origin", next.url().str());
        require(next.url().credentials() == list.credentials(),
                "the guard lets no other user name in", next.url().str());
        if (hops > 0)
            check_follow(list, next.url(), reference, hops - 1);
    } catch (const headgate::foreign_origin&) {
    } catch (const std::invalid_argument&) {
    }
}

} // namespace

/// Four lines: a URL, a reference, a parameter's name and value.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in{data, size};
    const auto list = parse(in.line());
    if (!list)
        return 0;
    require_sane(*list);
    const std::string reference = in.line();
    try {
        require_sane(list->resolved(reference));
    } catch (const std::invalid_argument&) {
    }
    check_follow(*list, *list, reference, 1);
    if (!in.is_empty()) {
        const std::string name = in.line();
        check_query(*list, name, in.rest());
    }
    return 0;
}
