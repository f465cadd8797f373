#ifndef HEADGATE_DETAIL_JSON_POINTER_HPP
#define HEADGATE_DETAIL_JSON_POINTER_HPP

#include <nlohmann/json.hpp>

#include <stdexcept>
#include <string>

namespace headgate::detail {

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

} // namespace headgate::detail

#endif
