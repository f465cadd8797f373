#ifndef HEADGATE_HTTP_LINK_HPP
#define HEADGATE_HTTP_LINK_HPP

#include <headgate/http/response.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headgate::http {

/// One link of a Link header field (RFC 8288): where to, and what it is.
class link {
public:
    link(std::string target, std::vector<std::pair<std::string, std::string>> parameters)
        : target_{std::move(target)}, parameters_{std::move(parameters)}
    {
    }

    /// A URL, often relative to that of the page.
    const std::string& target() const noexcept { return target_; }

    /// The value of the first parameter of that name, in any case.
    std::optional<std::string> parameter(const std::string& name) const
    {
        for (const auto& [key, value] : parameters_)
            if (curl_strequal(key.c_str(), name.c_str()))
                return value;
        return std::nullopt;
    }

    /// Whether it is of that relation, in any case; one link may be of several.
    bool is(const std::string& relation) const
    {
        const std::string all = parameter("rel").value_or("");
        for (std::size_t begin = 0; begin < all.size();) {
            const std::size_t end = std::min(all.find_first_of(" \t", begin), all.size());
            if (curl_strequal(all.substr(begin, end - begin).c_str(), relation.c_str()))
                return true;
            begin = end + 1;
        }
        return false;
    }

private:
    std::string target_;
    std::vector<std::pair<std::string, std::string>> parameters_;
};

namespace field {

/// Reads one Link field value from the left to the right.
class link_reader {
public:
    explicit link_reader(std::string_view text) : rest_{text} {}

    std::vector<link> all()
    {
        std::vector<link> result;
        for (;;) {
            skip(" \t,");
            if (rest_.empty() || rest_.front() != '<')
                return result; // at the end, or at something that is no link
            const auto end = rest_.find('>');
            if (end == rest_.npos)
                return result;
            std::string target{rest_.substr(1, end - 1)};
            rest_.remove_prefix(end + 1);
            result.emplace_back(std::move(target), parameters());
        }
    }

private:
    void skip(std::string_view what)
    {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(what), rest_.size()));
    }

    std::string_view token()
    {
        const auto end = std::min(rest_.find_first_of(" \t,;=\""), rest_.size());
        const std::string_view result = rest_.substr(0, end);
        rest_.remove_prefix(end);
        return result;
    }

    std::string quoted()
    {
        std::string result;
        rest_.remove_prefix(1);
        while (!rest_.empty() && rest_.front() != '"') {
            if (rest_.front() == '\\' && rest_.size() > 1)
                rest_.remove_prefix(1);
            result += rest_.front();
            rest_.remove_prefix(1);
        }
        rest_.remove_prefix(rest_.empty() ? 0 : 1);
        return result;
    }

    std::vector<std::pair<std::string, std::string>> parameters()
    {
        std::vector<std::pair<std::string, std::string>> result;
        for (;;) {
            skip(" \t");
            if (rest_.empty() || rest_.front() == ',')
                return result;
            if (rest_.front() != ';') { // malformed: go on with the next link
                rest_.remove_prefix(std::min(rest_.find(','), rest_.size()));
                return result;
            }
            skip("; \t");
            std::string name{token()};
            skip(" \t");
            std::string value;
            if (!rest_.empty() && rest_.front() == '=') {
                rest_.remove_prefix(1);
                skip(" \t");
                value = !rest_.empty() && rest_.front() == '"' ? quoted() : std::string{token()};
            }
            if (!name.empty())
                result.emplace_back(std::move(name), std::move(value));
        }
    }

    std::string_view rest_;
};

} // namespace field

/// All links of an answer, over all its Link fields. What is malformed is left out.
inline std::vector<link> read_links(const response& answer)
{
    std::vector<link> result;
    for (const std::string_view value : answer.headers("Link"))
        for (link& each : field::link_reader{value}.all())
            result.push_back(std::move(each));
    return result;
}

/// The target of the first link of that relation that is about the page itself; a link with an
/// `anchor` is about something else.
inline std::optional<std::string> find_link(const response& answer, const std::string& relation)
{
    for (const link& each : read_links(answer))
        if (each.is(relation) && !each.parameter("anchor"))
            return each.target();
    return std::nullopt;
}

} // namespace headgate::http

#endif
