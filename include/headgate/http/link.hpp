#ifndef HEADGATE_HTTP_LINK_HPP
#define HEADGATE_HTTP_LINK_HPP

#include <headgate/detail/config.hpp>
#include <headgate/http/response.hpp>

#include <curl/curl.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::http {

namespace field {

/// Whether there is a word in a list of them, as the relations of a link are, for which that holds.
template <class Predicate>
bool any_word(std::string_view text, Predicate holds)
{
    while (!text.empty()) {
        const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
        if (end > 0 && holds(text.substr(0, end)))
            return true;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return false;
}

} // namespace field

/// One link of a Link header field (RFC 8288): where to, and what it is.
class link {
public:
    /// A link to `target` with these parameters, `rel` among them.
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
        return field::any_word(parameter("rel").value_or(""), [&](std::string_view each) {
            return curl_strequal(std::string{each}.c_str(), relation.c_str()) != 0;
        });
    }

private:
    std::string target_;
    std::vector<std::pair<std::string, std::string>> parameters_;
};

namespace field {

/// Reads one Link field value from the left to the right. What is malformed is skipped up to the
/// comma before the next link and kept as text.
class link_reader {
public:
    /// Reads that text, which must live as long.
    explicit link_reader(std::string_view text) : rest_{text} {}

    /// All links that can be read.
    std::vector<link> all()
    {
        std::vector<link> result;
        for (skip(" \t,"); !rest_.empty(); skip(" \t,")) {
            const std::string_view begin = rest_;
            is_malformed_ = false;
            if (const auto target = bracketed())
                result.emplace_back(std::string{*target}, parameters());
            else
                skip_link();
            if (is_malformed_)
                malformed_.emplace_back(begin.substr(0, begin.size() - rest_.size()));
        }
        return result;
    }

    /// Of what `all` has read, what is no link and the links with something in them that means
    /// nothing.
    const std::vector<std::string>& malformed() const noexcept { return malformed_; }

private:
    void skip(std::string_view what)
    {
        rest_.remove_prefix(std::min(rest_.find_first_not_of(what), rest_.size()));
    }

    /// Goes on to the next comma that does not stand in quotation marks.
    void skip_link()
    {
        is_malformed_ = true;
        while (!at_end_of_link())
            if (rest_.front() == '"')
                quoted();
            else
                rest_.remove_prefix(1);
    }

    bool at_end_of_link() const noexcept { return rest_.empty() || rest_.front() == ','; }

    /// What stands between brackets, if that is what comes next.
    std::optional<std::string_view> bracketed()
    {
        // A look ahead from every comma would take quadratic time.
        if (rest_.front() != '<')
            return std::nullopt;
        const auto end = rest_.find_first_of("<>", 1);
        if (end == rest_.npos || rest_[end] == '<')
            return std::nullopt;
        const std::string_view result = rest_.substr(1, end - 1);
        rest_.remove_prefix(end + 1);
        return result;
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
        is_malformed_ = is_malformed_ || rest_.empty();
        rest_.remove_prefix(rest_.empty() ? 0 : 1);
        return result;
    }

    std::vector<std::pair<std::string, std::string>> parameters()
    {
        std::vector<std::pair<std::string, std::string>> result;
        for (;;) {
            skip(" \t");
            if (at_end_of_link())
                return result;
            if (rest_.front() != ';') {
                skip_link();
                return result;
            }
            skip("; \t");
            std::string name{token()};
            skip(" \t");
            if (name.empty() && at_end_of_link())
                return result;
            // A link after a semicolon, where there should be a comma, takes what follows.
            if (name.empty() || name.find_first_of("<>") != name.npos) {
                skip_link();
                return result;
            }
            is_malformed_ = is_malformed_ || name.find_first_not_of(in_tokens) != name.npos;
            std::string value;
            if (!rest_.empty() && rest_.front() == '=') {
                rest_.remove_prefix(1);
                skip(" \t");
                value = value_of(name);
            }
            result.emplace_back(std::move(name), std::move(value));
        }
    }

    std::string value_of(const std::string& name)
    {
        if (!rest_.empty() && rest_.front() == '"')
            return check(name, quoted());
        // No relation begins with an apostrophe, but some servers take it for a quotation mark.
        if (!rest_.empty() && rest_.front() == '\'' && is_relation(name)) {
            if (const auto end = rest_.find('\'', 1); end != rest_.npos) {
                std::string result{rest_.substr(1, end - 1)};
                rest_.remove_prefix(end + 1);
                return check(name, std::move(result));
            }
        }
        return check(name, std::string{token()});
    }

    static bool is_relation(const std::string& name)
    {
        return curl_strequal(name.c_str(), "rel") != 0;
    }

    /// Notes relations that can be none.
    std::string check(const std::string& name, std::string value)
    {
        is_malformed_ = is_malformed_ || (is_relation(name) && any_word(value, can_be_none));
        return value;
    }

    /// Relations are names, or URLs where somebody made them up.
    static bool can_be_none(std::string_view word)
    {
        const bool is_name = word.find_first_not_of(in_relations) == word.npos;
        const bool is_url = word.find(':') != word.npos;
        return letters.find(word.front()) == letters.npos || !(is_name || is_url);
    }

    static constexpr std::string_view in_tokens =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-!#$%&'*+^`|~";
    static constexpr std::string_view letters = in_tokens.substr(0, 52);
    static constexpr std::string_view in_relations = in_tokens.substr(0, 65);

    bool is_malformed_ = false; // what is being read
    std::vector<std::string> malformed_;
    std::string_view rest_;
};

} // namespace field

/// All links of an answer, over all its Link fields. What is malformed is left out; see
/// `malformed_links`.
inline std::vector<link> read_links(const response& answer)
{
    std::vector<link> result;
    for (const std::string_view value : answer.headers("Link"))
        for (link& each : field::link_reader{value}.all())
            result.push_back(std::move(each));
    return result;
}

/// What in an answer's Link fields is malformed, as it came: text that is no link, and links that
/// have something in them that means nothing, although the rest of them may have been read.
inline std::vector<std::string> malformed_links(const response& answer)
{
    std::vector<std::string> result;
    for (const std::string_view value : answer.headers("Link")) {
        field::link_reader reader{value};
        reader.all();
        for (const std::string& each : reader.malformed())
            result.push_back(each);
    }
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

} // namespace HEADGATE_NAMESPACE::http

#endif
