#ifndef HEADGATE_DETAIL_PARAMETER_HPP
#define HEADGATE_DETAIL_PARAMETER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/json_text.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/url.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// Where a pager puts a value into a request: a query parameter, or, if the name begins with a
/// slash, a place in the JSON body (a JSON Pointer), as lists that are asked for with POST have it.
class parameter {
public:
    /// @throws std::invalid_argument if it begins with a slash and is not a JSON Pointer.
    explicit parameter(const std::string& name) : in_body_{begins_with_slash(name)}, name_{name}
    {
        if (in_body_)
            parse_json_pointer(name_);
    }

    void set(http::request& request, std::uint64_t value) const
    {
        set(request, std::to_string(value), true);
    }

    /// @param is_number whether a body is to have it as a number, digit for digit
    void set(http::request& request, const std::string& value, bool is_number = false) const
    {
        if (in_body_)
            set_in_body(request,
                        is_number && is_json_number(value) ? value : nlohmann::json(value).dump());
        else
            set_in_query(request, value);
    }

private:
    void set_in_query(http::request& request, const std::string& value) const
    {
        http::url url{request.url()};
        url.set_query(name_, value);
        request.url(std::move(url));
    }

    /// A body that was read and written anew would have other digits than the caller's.
    void set_in_body(http::request& request, const std::string& value) const
    {
        const bool is_new = !request.body();
        std::string body = request.body().value_or("{}");
        const json_text text{body};
        if (!nlohmann::json::accept(body) || !text.is_object(text.whole()))
            throw std::runtime_error{"the request's body is not a JSON object, so that " + name_ +
                                     " cannot be set in it"};
        request.body(with_value(std::move(body), nlohmann::json::json_pointer{name_}, value),
                     is_new ? "application/json" : "");
    }

    static bool is_json_number(const std::string& text)
    {
        return text.find_first_not_of("+-.0123456789Ee") == text.npos &&
               nlohmann::json::accept(text);
    }

    /// Out of line because g++ 12 else takes a default argument's text for uninitialised.
    [[gnu::noinline]] static bool begins_with_slash(std::string_view name) noexcept
    {
        return name.substr(0, 1) == "/";
    }

    bool in_body_;
    std::string name_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
