#ifndef HEADGATE_DETAIL_EXACT_NUMBER_HPP
#define HEADGATE_DETAIL_EXACT_NUMBER_HPP

#include <headgate/detail/json_pointer.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace headgate::detail {

/// Finds the text of one number in a JSON document, digit for digit as it was written.
class exact_number_finder : public nlohmann::json_sax<nlohmann::json> {
public:
    explicit exact_number_finder(const nlohmann::json::json_pointer& pointer)
        : wanted_{tokens_of(pointer)}
    {
    }

    const std::string& text() const noexcept { return text_; }

    bool null() override { return step(); }
    bool boolean(bool) override { return step(); }
    bool number_integer(number_integer_t) override { return step(); }
    bool number_unsigned(number_unsigned_t) override { return step(); }
    bool number_float(number_float_t, const string_t& written) override
    {
        if (levels_.size() == wanted_.size() && is_here())
            text_ = written;
        return step();
    }
    bool string(string_t&) override { return step(); }
    bool binary(binary_t&) override { return step(); }
    bool start_object(std::size_t) override { return open(false); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(true); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override
    {
        level& here = levels_.back();
        here.matches =
            here.parent_matches && here.depth <= wanted_.size() && wanted_[here.depth - 1] == name;
        return true;
    }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override
    {
        return false;
    }

private:
    struct level {
        bool is_array;
        bool parent_matches;
        std::size_t depth;
        std::size_t index = 0;
        bool matches = false; ///< an object's current member, and all above it
    };

    /// Whether what comes now stands where the pointer leads, as far as that goes.
    bool is_here() const
    {
        if (levels_.empty())
            return true;
        const level& here = levels_.back();
        if (!here.is_array)
            return here.matches;
        return here.parent_matches && here.depth <= wanted_.size() &&
               wanted_[here.depth - 1] == std::to_string(here.index);
    }

    bool open(bool is_array)
    {
        const bool matches = is_here();
        levels_.push_back({is_array, matches, levels_.size() + 1});
        return true;
    }
    bool close()
    {
        levels_.pop_back();
        return step();
    }
    bool step()
    {
        if (!levels_.empty())
            ++levels_.back().index;
        return true;
    }

    std::vector<std::string> wanted_;
    std::vector<level> levels_;
    std::string text_;
};

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
        // Larger than 64 bits, or a fraction: what was parsed is not what was written.
        exact_number_finder finder{pointer};
        nlohmann::json::sax_parse(text.begin(), text.end(), &finder);
        return finder.text();
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

} // namespace headgate::detail

#endif
