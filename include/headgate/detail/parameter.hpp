#ifndef HEADGATE_DETAIL_PARAMETER_HPP
#define HEADGATE_DETAIL_PARAMETER_HPP

#include <headgate/detail/json_pointer.hpp>
#include <headgate/http/request.hpp>
#include <headgate/http/url.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace headgate::detail {

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
        if (in_body_)
            set_in_body(request, value);
        else
            set_in_query(request, std::to_string(value));
    }

    /// @param is_number whether a body is to have it as a number, digit for digit
    void set(http::request& request, const std::string& value, bool is_number = false) const
    {
        if (!in_body_) {
            set_in_query(request, value);
            return;
        }
        const auto number =
            is_number ? nlohmann::json::parse(value, nullptr, false) : nlohmann::json{};
        if (number.is_number_integer()) {
            set_in_body(request, number);
            return;
        }
        set_in_body(request, value);
        if (number.is_number()) // too long for the library: the text takes the string's place
            unquote(request, value);
    }

private:
    void set_in_query(http::request& request, const std::string& value) const
    {
        http::url url{request.url()};
        url.set_query(name_, value);
        request.url(std::move(url));
    }

    void set_in_body(http::request& request, const nlohmann::json& value) const
    {
        nlohmann::json body = nlohmann::json::parse(request.body().value_or("{}"), nullptr, false);
        if (!body.is_object())
            throw std::runtime_error{"the request's body is not a JSON object, so that " + name_ +
                                     " cannot be set in it"};
        body[nlohmann::json::json_pointer{name_}] = value;
        const bool is_new = !request.body();
        request.body(body.dump(), is_new ? "application/json" : "");
    }

    static void unquote(http::request& request, const std::string& value)
    {
        std::string body = *request.body();
        const std::string quoted = '"' + value + '"';
        if (const auto found = body.find(quoted); found != std::string::npos)
            body.replace(found, quoted.size(), value);
        request.body(std::move(body));
    }

    /// Out of line because g++ 12 else takes a default argument's text for uninitialised.
    [[gnu::noinline]] static bool begins_with_slash(std::string_view name) noexcept
    {
        return name.substr(0, 1) == "/";
    }

    bool in_body_;
    std::string name_;
};

} // namespace headgate::detail

#endif
