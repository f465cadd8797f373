#ifndef HEADGATE_SIMDJSON_DETAIL_SIMDJSON_READER_HPP
#define HEADGATE_SIMDJSON_DETAIL_SIMDJSON_READER_HPP

#include <headgate/detail/bounds.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/page_parser.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>
#include <simdjson.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace headgate::detail {

/// simdjson's two parsers with their buffers: the one checks a body, the other finds the records in
/// it. Neither makes a tree of nlohmann/json.
class simdjson_reader {
public:
    /// Nothing if the body is not valid for simdjson, or the records are not where they should be,
    /// or that is not clear.
    std::optional<parsed_page> read(const std::string& body,
                                    const nlohmann::json::json_pointer& pointer)
    {
        const std::string_view text = padded(body);
        if (checker_.max_depth() != most_json_depth &&
            checker_.allocate(text.size(), most_json_depth) != ::simdjson::SUCCESS)
            return std::nullopt;
        if (checker_.parse(text.data(), text.size(), false).error() != ::simdjson::SUCCESS)
            return std::nullopt;
        ::simdjson::ondemand::document whole;
        if (finder_.iterate(text.data(), text.size(), text.size() + ::simdjson::SIMDJSON_PADDING)
                .get(whole) != ::simdjson::SUCCESS)
            return std::nullopt;
        text_ = text;
        tokens_ = tokens_of(pointer);
        slices_.clear();
        ::simdjson::ondemand::array list;
        // A body that is the array itself is no value to simdjson.
        const bool found = tokens_.empty() ? whole.get_array().get(list) == ::simdjson::SUCCESS &&
                                                 read_records(list)
                                           : read_member(whole, 0);
        if (!found)
            return std::nullopt;
        parsed_page result;
        result.document = around(text);
        result.records = slices_;
        return result;
    }

    static std::size_t digest_of(std::string_view text) noexcept
    {
        return std::hash<std::string_view>{}(text);
    }

private:
    /// simdjson reads some bytes beyond the end.
    std::string_view padded(const std::string& body)
    {
        if (body.capacity() - body.size() >= ::simdjson::SIMDJSON_PADDING)
            return body;
        copy_.reserve(body.size() + ::simdjson::SIMDJSON_PADDING);
        copy_ = body;
        return copy_;
    }

    /// Goes to the records, which are inside `parent`; false unless they are there once.
    template <class Value>
    bool read_member(Value& parent, std::size_t depth)
    {
        ::simdjson::ondemand::object members;
        if (parent.get_object().get(members) != ::simdjson::SUCCESS)
            return false;
        bool found = false;
        for (auto member : members) {
            std::string_view name;
            if (member.unescaped_key().get(name) != ::simdjson::SUCCESS)
                return false;
            if (name != tokens_[depth])
                continue;
            ::simdjson::ondemand::value value;
            if (found || member.value().get(value) != ::simdjson::SUCCESS)
                return false;
            ::simdjson::ondemand::array list;
            found = depth + 1 < tokens_.size()
                        ? read_member(value, depth + 1)
                        : value.get_array().get(list) == ::simdjson::SUCCESS && read_records(list);
            if (!found)
                return false;
        }
        return found;
    }

    bool read_records(::simdjson::ondemand::array& list)
    {
        for (auto element : list) {
            ::simdjson::ondemand::value value;
            std::string_view text;
            if (element.get(value) != ::simdjson::SUCCESS || !read_text(value, text))
                return false;
            // The text has the white space behind it in it.
            text = text.substr(0, text.find_last_not_of(" \t\r\n") + 1);
            slices_.push_back({static_cast<std::size_t>(text.data() - text_.data()), text.size(),
                               digest_of(text)});
        }
        return true;
    }

    static bool read_text(::simdjson::ondemand::value& value, std::string_view& text)
    {
        ::simdjson::ondemand::json_type type{};
        if (value.type().get(type) != ::simdjson::SUCCESS)
            return false;
        if (type == ::simdjson::ondemand::json_type::object) {
            ::simdjson::ondemand::object object;
            return value.get_object().get(object) == ::simdjson::SUCCESS &&
                   object.raw_json().get(text) == ::simdjson::SUCCESS;
        }
        if (type == ::simdjson::ondemand::json_type::array) {
            ::simdjson::ondemand::array array;
            return value.get_array().get(array) == ::simdjson::SUCCESS &&
                   array.raw_json().get(text) == ::simdjson::SUCCESS;
        }
        text = value.raw_json_token();
        return true;
    }

    /// What is not a record. It was checked, and is small.
    nlohmann::json around(std::string_view text) const
    {
        if (slices_.empty())
            return nlohmann::json::parse(text);
        const std::size_t end = slices_.back().begin + slices_.back().size;
        std::string rest;
        rest.reserve(text.size() - end + slices_.front().begin);
        rest += text.substr(0, slices_.front().begin);
        rest += text.substr(end);
        return nlohmann::json::parse(rest);
    }

    ::simdjson::dom::parser checker_;
    ::simdjson::ondemand::parser finder_;
    std::string copy_;
    std::string_view text_;
    std::vector<std::string> tokens_;
    std::vector<record_slice> slices_;
};

} // namespace headgate::detail

#endif
