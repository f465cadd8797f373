#ifndef HEADGATE_DETAIL_ORIGIN_GUARD_HPP
#define HEADGATE_DETAIL_ORIGIN_GUARD_HPP

#include <headgate/detail/config.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/response.hpp>
#include <headgate/http/url.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE {

/// A server sent the extraction somewhere it must not go.
class foreign_origin : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

namespace detail {

/// Keeps an extraction where it began. What a server says the next page is, or redirects to, is an
/// instruction from outside: it is resolved by libcurl, which is what will connect, and compared
/// before there is a request.
class origin_guard {
public:
    /// @param list what the extraction began with; credentials belong to its origin
    explicit origin_guard(http::request list) : list_{std::move(list)} {}

    const http::request& list() const noexcept { return list_; }

    /// Lets the server of that URL be asked too, without any of the header fields of `list`, but
    /// for the type of a body.
    void allow(const std::string& origin) { allowed_.emplace_back(origin); }

    /// Whether credentials may go there.
    bool is_home(const http::url& target) const { return target.same_origin(list_.url()); }

    /// The request for what `reference` means on the page at `base`.
    /// @throws foreign_origin if that is elsewhere, std::invalid_argument if it is no URL
    http::request follow(const http::url& base, const std::string& reference) const
    {
        http::url target = resolve(base, reference);
        check(target);
        if (is_home(target)) {
            http::request result{list_};
            target.set_credentials(list_.url());
            result.url(std::move(target));
            return result;
        }
        http::request result{std::move(target)};
        result.method(list_.method());
        return result;
    }

    /// Where a redirect leads; nothing if the answer is none that can be followed.
    /// @throws as `follow`
    std::optional<http::url> redirect(const http::url& base, const http::response& answer) const
    {
        const auto target = answer.header("Location");
        if (!target || !is_redirect(answer.status()))
            return std::nullopt;
        return follow(base, std::string{*target}).url();
    }

    /// The same request to another URL, which may be asked. Elsewhere its method and body go, which
    /// say what is asked for, and not its header fields, in which credentials may be.
    http::request moved(http::request what, const http::url& target) const
    {
        if (is_home(target))
            return std::move(what.url(target));
        http::request result{target};
        result.method(what.method());
        if (what.body())
            result.body(*what.body(), content_type(what));
        return result;
    }

    /// @throws foreign_origin if `target` is not to be asked
    void check(const http::url& target) const
    {
        if (const std::string who = target.credentials();
            !who.empty() && (who != list_.url().credentials() || !is_home(target)))
            throw foreign_origin{"the server sends to " + target.without_credentials() +
                                 " with a user name of its own; refused"};
        if (is_home(target) || std::any_of(allowed_.begin(), allowed_.end(), [&](const auto& each) {
                return target.same_origin(each);
            }))
            return;
        throw foreign_origin{"the server sends to " + target.without_credentials() +
                             ", which is not the origin of " + list_.url().without_credentials() +
                             "; refused"};
    }

private:
    static std::string content_type(const http::request& what)
    {
        for (const auto& [name, value] : what.headers())
            if (curl_strequal(name.c_str(), "Content-Type"))
                return value;
        return {};
    }

    /// Only 307 and 308 keep a method other than GET as it is.
    bool is_redirect(int status) const
    {
        const bool keeps_method = status == 307 || status == 308;
        return keeps_method ||
               (list_.method() == "GET" && (status == 301 || status == 302 || status == 303));
    }

    static http::url resolve(const http::url& base, const std::string& reference)
    {
        try {
            return base.resolved(reference);
        } catch (const http::unsupported_scheme& e) {
            throw foreign_origin{std::string{"the server sends to a "} + e.what() + "; refused"};
        }
    }

    http::request list_;
    std::vector<http::url> allowed_;
};

} // namespace detail
} // namespace HEADGATE_NAMESPACE

#endif
