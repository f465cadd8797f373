#ifndef HEADGATE_HTTP_URL_HPP
#define HEADGATE_HTTP_URL_HPP

#include <headgate/detail/config.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace HEADGATE_NAMESPACE::http {

/// A URL of another scheme than http and https, such as file.
class unsupported_scheme : public std::invalid_argument {
public:
    using std::invalid_argument::invalid_argument;
};

/// An absolute http or https URL, parsed and put together by libcurl, so that what is checked is
/// what is connected to.
class url {
public:
    /// @throws std::invalid_argument that names the URL (without credentials where they can be
    /// told apart) and the fault: not absolute, another scheme, no host, a control character,
    /// an address in a zone that is no name.
    explicit url(const std::string& text) : handle_{make()}
    {
        if (std::any_of(text.begin(), text.end(), is_control))
            throw std::invalid_argument{"URL has a control character in it"};
        parse(text);
        if (const std::string kind = scheme(); kind != "http" && kind != "https")
            throw unsupported_scheme{"URL \"" + without_credentials() + "\": scheme is " + kind +
                                     ", must be http or https"};
        // libcurl decodes what is percent-encoded in a host; put together and parsed again it
        // would be another host.
        const std::string name = host();
        if (name.find('%') != std::string::npos ||
            std::any_of(name.begin(), name.end(), is_control))
            throw std::invalid_argument{"URL \"" + hide_credentials(text) +
                                        "\": host has an encoded percent sign or control "
                                        "character in it"};
        // So it does in the zone of an address, which it leaves as it is at other times.
        const std::string place = zone();
        if (!std::all_of(place.begin(), place.end(), is_unreserved))
            throw std::invalid_argument{"URL \"" + hide_credentials(text) +
                                        "\": the zone of the address is no name"};
    }

    /// Copies all of it.
    /// @throws std::bad_alloc
    url(const url& other) : handle_{curl_url_dup(other.handle_.get())}
    {
        if (!handle_)
            throw std::bad_alloc{};
        // libcurl 7.88 leaves the zone out of the copy.
        if (const std::string which = other.zone(); !which.empty())
            set(CURLUPART_ZONEID, which.c_str());
    }
    /// Leaves the other one fit for assignment and destruction only.
    url(url&&) noexcept = default;
    /// Takes the value of the other.
    url& operator=(url other) noexcept
    {
        handle_.swap(other.handle_);
        return *this;
    }
    ~url() = default;

    /// What `reference`, absolute or relative, means on a page at this URL (RFC 3986).
    /// @throws std::invalid_argument as the constructor does.
    url resolved(const std::string& reference) const
    {
        if (std::any_of(reference.begin(), reference.end(), is_control))
            throw std::invalid_argument{"URL has a control character in it"};
        url result{*this};
        result.parse(reference);
        return url{result.str()};
    }

    /// Whether both have the same scheme, host and port, and so the same server. A link-local
    /// address is another host in another zone.
    bool same_origin(const url& other) const
    {
        return scheme() == other.scheme() && curl_strequal(host().c_str(), other.host().c_str()) &&
               zone() == other.zone() && port() == other.port();
    }

    /// User name and password, as they stand in the URL; empty if there are none.
    std::string credentials() const
    {
        const std::string password = part(CURLUPART_PASSWORD);
        return part(CURLUPART_USER) + (password.empty() ? "" : ":" + password);
    }

    /// Takes the user name and password of another URL of the same origin, unless it has its own.
    void set_credentials(const url& other)
    {
        if (!credentials().empty() || other.credentials().empty())
            return;
        // Set by themselves, libcurl 7.88 would write a %7D in them as %7d.
        std::string text = str();
        text.insert(text.find("//") + 2, other.credentials() + '@');
        parse(text);
    }

    /// The whole URL, with credentials if it has any.
    std::string str() const { return part(CURLUPART_URL); }
    /// "http" or "https".
    std::string scheme() const { return part(CURLUPART_SCHEME); }
    /// The host name or address, the latter in brackets if it is of IPv6.
    std::string host() const { return part(CURLUPART_HOST); }

    /// The port, also where it is the scheme's own and not written.
    std::string port() const { return part(CURLUPART_PORT, CURLU_DEFAULT_PORT); }

    /// The query without the question mark, as it is written; empty if there is none.
    std::string query() const { return part(CURLUPART_QUERY); }

    /// The URL without user name and password, fit for a message.
    std::string without_credentials() const
    {
        url bare{*this};
        bare.set(CURLUPART_USER, nullptr);
        bare.set(CURLUPART_PASSWORD, nullptr);
        return bare.str();
    }

    /// Gives a query parameter a value, which is percent-encoded. The first of that name is
    /// replaced and further ones are removed; all others keep their place and their very bytes.
    url& set_query(std::string_view name, std::string_view value)
    {
        const std::string wanted = escape(name);
        const std::string mine = wanted + '=' + escape(value);
        const std::string old = query();
        std::string result;
        bool done = false;
        for (std::string_view rest = old; !rest.empty();) {
            const auto end = std::min(rest.find('&'), rest.size());
            const std::string_view parameter = rest.substr(0, end);
            rest.remove_prefix(std::min(end + 1, rest.size()));
            const std::string_view key = parameter.substr(0, parameter.find('='));
            const bool same = key == name || key == wanted;
            if (same && done)
                continue;
            append(result, same ? mine : parameter);
            done = done || same;
        }
        if (!done)
            append(result, mine);
        // libcurl 7.88 would write %2F as %2f, here and in the other parameters.
        if (is_plain(result) && result.find('%') == std::string::npos) {
            set(CURLUPART_QUERY, result.c_str());
            return *this;
        }
        std::string text = str();
        const auto fragment = std::min(text.find('#'), text.size());
        const auto mark = std::min(text.find('?'), fragment);
        text.replace(mark, fragment - mark, '?' + result);
        parse(text);
        return *this;
    }

    /// For libcurl's own use.
    CURLU* native_handle() const noexcept { return handle_.get(); }

private:
    struct deleter {
        void operator()(CURLU* handle) const noexcept { curl_url_cleanup(handle); }
        void operator()(char* text) const noexcept { curl_free(text); }
    };

    static CURLU* make()
    {
        if (CURLU* handle = curl_url())
            return handle;
        throw std::bad_alloc{};
    }

    void parse(const std::string& text)
    {
        // Only what has to be is encoded: libcurl 7.88 would write %2F as %2f as well.
        const CURLUcode failed = curl_url_set(handle_.get(), CURLUPART_URL, text.c_str(),
                                              is_plain(text) ? 0 : CURLU_URLENCODE);
        if (failed == CURLUE_OK)
            return;
        const std::string reason =
            "URL \"" + hide_credentials(text) + "\": " + curl_url_strerror(failed);
        if (failed == CURLUE_UNSUPPORTED_SCHEME)
            throw unsupported_scheme{reason};
        throw std::invalid_argument{reason};
    }

    static bool is_plain(std::string_view text) noexcept
    {
        return std::all_of(text.begin(), text.end(),
                           [](unsigned char c) { return c > 0x20 && c < 0x7f; });
    }

    static bool is_control(unsigned char c) noexcept { return c < 0x20 || c == 0x7f; }

    /// What stands for itself anywhere in a URL (RFC 3986, 2.3).
    static bool is_unreserved(unsigned char c) noexcept
    {
        return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
               c == '-' || c == '.' || c == '_' || c == '~';
    }

    static std::string hide_credentials(const std::string& text)
    {
        const auto slashes = text.find("//");
        const auto begin = slashes == std::string::npos ? 0 : slashes + 2;
        const auto at = text.substr(0, text.find_first_of("/?#", begin)).rfind('@');
        return at == std::string::npos || at < begin ? text
                                                     : text.substr(0, begin) + text.substr(at + 1);
    }

    std::string zone() const { return part(CURLUPART_ZONEID); }

    static std::string escape(std::string_view text)
    {
        if (text.empty())
            return {};
        const std::unique_ptr<char, deleter> escaped{
            curl_easy_escape(nullptr, text.data(), static_cast<int>(text.size()))};
        if (!escaped)
            throw std::bad_alloc{};
        return escaped.get();
    }

    static void append(std::string& query, std::string_view parameter)
    {
        if (!query.empty())
            query += '&';
        query += parameter;
    }

    std::string part(CURLUPart what, unsigned flags = 0) const
    {
        char* text = nullptr;
        if (curl_url_get(handle_.get(), what, &text, flags) != CURLUE_OK)
            return {};
        const std::unique_ptr<char, deleter> owner{text};
        return text;
    }

    void set(CURLUPart what, const char* value)
    {
        if (const CURLUcode failed = curl_url_set(handle_.get(), what, value, 0))
            throw std::invalid_argument{std::string{"URL: "} + curl_url_strerror(failed)};
    }

    std::unique_ptr<CURLU, deleter> handle_;
};

} // namespace HEADGATE_NAMESPACE::http

#endif
