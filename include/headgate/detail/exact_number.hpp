#ifndef HEADGATE_DETAIL_EXACT_NUMBER_HPP
#define HEADGATE_DETAIL_EXACT_NUMBER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/json_text.hpp>

#include <nlohmann/json.hpp>

#include <stdexcept>
#include <string>
#include <string_view>

namespace HEADGATE_NAMESPACE::detail {

/// A value as it is to be sent back: a string as it is, a number digit for digit; empty for what
/// means that there is none: null, false, an empty string.
/// @param pointer  where in `text` it stands
/// @throws std::runtime_error if it is an array, an object or true
inline std::string exact_text(const nlohmann::json& value, std::string_view text,
                              const nlohmann::json::json_pointer& pointer)
{
    switch (value.type()) {
    case nlohmann::json::value_t::null:
        return {};
    case nlohmann::json::value_t::string:
        return value.get<std::string>();
    case nlohmann::json::value_t::number_integer:
    case nlohmann::json::value_t::number_unsigned:
        return value.dump();
    case nlohmann::json::value_t::number_float: {
        // Larger than 64 bits, or a fraction: what was parsed is not what was written. A body that
        // is no JSON, of which a parser of the caller's has made some, has no such text.
        const std::string_view written = text_at(text, pointer);
        const auto read = nlohmann::json::parse(written.begin(), written.end(), nullptr, false);
        return read == value ? std::string{written} : value.dump();
    }
    case nlohmann::json::value_t::boolean:
        if (!value.get<bool>())
            return {};
        [[fallthrough]];
    default:
        throw std::runtime_error{pointer.to_string() + " is " + value.type_name() +
                                 ", must be a string or a number"};
    }
}

/// As above, for what stands at `pointer` in a document, if anything does.
inline std::string cursor_text(const nlohmann::json& document, const std::string& body,
                               const nlohmann::json::json_pointer& pointer)
{
    return document.contains(pointer) ? exact_text(document.at(pointer), body, pointer)
                                      : std::string{};
}

} // namespace HEADGATE_NAMESPACE::detail

#endif
