#ifndef HEADGATE_DETAIL_JSON_POINTER_HPP
#define HEADGATE_DETAIL_JSON_POINTER_HPP

#include <headgate/detail/config.hpp>

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// A JSON Pointer (RFC 6901) from text.
/// @throws std::invalid_argument that shows the text, if it is not one.
inline nlohmann::json::json_pointer parse_json_pointer(const std::string& text)
{
    try {
        return nlohmann::json::json_pointer{text};
    } catch (const nlohmann::json::exception&) {
        throw std::invalid_argument{"\"" + text +
                                    "\" is not a JSON Pointer (empty, or like /data/items)"};
    }
}

/// The names on the way, from the outermost on.
inline std::vector<std::string> tokens_of(nlohmann::json::json_pointer pointer)
{
    std::vector<std::string> result;
    for (; !pointer.empty(); pointer.pop_back())
        result.insert(result.begin(), pointer.back());
    return result;
}

/// The whole number that stands there, if one does: a total is often missing, or a text, or wrong.
inline std::optional<std::uint64_t> unsigned_at(const nlohmann::json& document,
                                                const nlohmann::json::json_pointer& pointer)
{
    if (!document.contains(pointer))
        return std::nullopt;
    const nlohmann::json& value = document.at(pointer);
    return value.is_number_unsigned() ? std::optional{value.get<std::uint64_t>()} : std::nullopt;
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
