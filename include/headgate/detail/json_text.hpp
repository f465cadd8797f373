#ifndef HEADGATE_DETAIL_JSON_TEXT_HPP
#define HEADGATE_DETAIL_JSON_TEXT_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/json_pointer.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// Finds values in JSON text without reading them, for what a tree does not keep: the digits of a
/// number, the order of members, white space. The text is taken to be valid; in other text what is
/// found is of no meaning.
class json_text {
public:
    struct span {
        std::size_t begin;
        std::size_t end;
    };

    /// What came of looking for a part of an object or of an array.
    struct search {
        std::optional<span> found;
        std::size_t parts; ///< that there are
        std::size_t end;   ///< of the last, or of the opening bracket if there is none
    };

    explicit json_text(std::string_view text) noexcept : text_{text} {}

    /// The outermost value, without what is around it.
    span whole() const noexcept
    {
        constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
        const bool is_marked = text_.substr(0, byte_order_mark.size()) == byte_order_mark;
        const std::size_t begin = skip_space(is_marked ? byte_order_mark.size() : 0);
        return {begin, end_of_value(begin)};
    }

    bool is_object(span where) const noexcept { return at(where.begin) == '{'; }
    bool is_array(span where) const noexcept { return at(where.begin) == '['; }

    std::string_view text(span where) const
    {
        return text_.substr(where.begin, where.end - where.begin);
    }

    /// Looks for a member by name, the last where there are several, or for an element by its
    /// place.
    search find(span where, const std::string& token) const
    {
        search result{std::nullopt, 0, where.begin + 1};
        if (!is_object(where) && !is_array(where))
            return result;
        const auto index = index_of(token);
        std::size_t i = skip_space(result.end);
        while (i < text_.size() && at(i) != '}' && at(i) != ']') {
            bool is_wanted = index == result.parts;
            if (is_object(where)) {
                const std::size_t end = end_of_string(i);
                is_wanted = is_name(text({i, end}), token);
                i = skip_space(std::min(skip_space(end) + 1, text_.size()));
            }
            result.end = end_of_value(i);
            if (is_wanted)
                result.found = span{i, result.end};
            ++result.parts;
            i = skip_space(result.end);
            if (at(i) == ',')
                i = skip_space(i + 1);
        }
        return result;
    }

private:
    char at(std::size_t i) const noexcept { return i < text_.size() ? text_[i] : '\0'; }

    std::size_t skip_space(std::size_t i) const noexcept
    {
        return std::min(text_.find_first_not_of(" \t\r\n", i), text_.size());
    }

    std::size_t end_of_string(std::size_t begin) const noexcept
    {
        std::size_t i = begin + 1;
        while (i < text_.size() && text_[i] != '"')
            i += text_[i] == '\\' ? 2U : 1U;
        return std::min(i + 1, text_.size());
    }

    std::size_t end_of_value(std::size_t begin) const noexcept
    {
        std::size_t depth = 0;
        std::size_t i = begin;
        do {
            switch (at(i)) {
            case '"':
                i = end_of_string(i);
                break;
            case '{':
            case '[':
                ++depth;
                ++i;
                break;
            case '}':
            case ']':
                if (depth == 0)
                    return i;
                --depth;
                ++i;
                break;
            default: // a number or a word, or what stands between the parts
                if (depth == 0)
                    return std::min(text_.find_first_of(",]} \t\r\n", i), text_.size());
                ++i;
            }
        } while (depth > 0 && i < text_.size());
        return std::min(i, text_.size());
    }

    /// Whether a name in quotation marks is that one. Only one that has escapes in it is read.
    static bool is_name(std::string_view quoted, const std::string& name)
    {
        if (quoted.find('\\') == quoted.npos)
            return quoted.size() == name.size() + 2 && quoted.substr(1, name.size()) == name;
        const auto read = nlohmann::json::parse(quoted.begin(), quoted.end(), nullptr, false);
        return read == name;
    }

    static std::optional<std::size_t> index_of(std::string_view token) noexcept
    {
        std::size_t index = 0;
        const char* const end = token.data() + token.size();
        const auto [stop, failed] = std::from_chars(token.data(), end, index);
        if (failed != std::errc{} || stop != end || (token.size() > 1 && token.front() == '0'))
            return std::nullopt;
        return index;
    }

    std::string_view text_;
};

/// The text of what stands at `pointer`, as it was written; empty if nothing does.
inline std::string_view text_at(std::string_view json, const nlohmann::json::json_pointer& pointer)
{
    const json_text text{json};
    json_text::span here = text.whole();
    for (const std::string& token : tokens_of(pointer)) {
        const auto next = text.find(here, token).found;
        if (!next)
            return {};
        here = *next;
    }
    return text.text(here);
}

/// A value inside of as many new objects as there are names, or arrays where a name is the place of
/// a first element.
template <class Token>
std::string wrapped(Token first, Token last, std::string value)
{
    while (last != first) {
        --last;
        value = *last == "0" || *last == "-"
                    ? '[' + value + ']'
                    : '{' + nlohmann::json(*last).dump() + ':' + value + '}';
    }
    return value;
}

/// The text of an object with the value at `pointer` replaced or put in. Every other byte stays as
/// it was.
/// @param value  as JSON
/// @throws std::runtime_error that names the pointer, if there is no place for it
inline std::string with_value(std::string object, const nlohmann::json::json_pointer& pointer,
                              const std::string& value)
{
    const json_text text{object};
    const std::vector<std::string> tokens = tokens_of(pointer);
    json_text::span here = text.whole();
    std::string part = value;
    for (auto token = tokens.begin(); token != tokens.end(); ++token) {
        if (text.text(here) == "null") {
            part = wrapped(token, tokens.end(), value);
            break;
        }
        const json_text::search there = text.find(here, *token);
        if (there.found) {
            here = *there.found;
            continue;
        }
        const bool is_next = *token == "-" || *token == std::to_string(there.parts);
        if (!text.is_object(here) && !(text.is_array(here) && is_next))
            throw std::runtime_error{"there is no place for " + pointer.to_string()};
        part = wrapped(token + 1, tokens.end(), value);
        if (text.is_object(here))
            part = nlohmann::json(*token).dump() + ':' + part;
        if (there.parts > 0)
            part = ',' + part;
        here = {there.end, there.end};
        break;
    }
    object.replace(here.begin, here.end - here.begin, part);
    return object;
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
