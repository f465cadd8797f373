#ifndef HEADGATE_SIMDJSON_DETAIL_SIMDJSON_READER_HPP
#define HEADGATE_SIMDJSON_DETAIL_SIMDJSON_READER_HPP

#include <headgate/detail/bounds.hpp>
#include <headgate/detail/config.hpp>
#include <headgate/detail/json_pointer.hpp>
#include <headgate/detail/record_store.hpp>
#include <headgate/page_parser.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>
#include <simdjson.h>

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace HEADGATE_NAMESPACE::detail {

/// simdjson's two parsers with their buffers: the one checks a body, the other finds the records in
/// it. Neither makes a tree of nlohmann/json.
class simdjson_reader {
public:
    /// Nothing if the body is not valid for simdjson, or the records are not where they should be,
    /// or that is not clear.
    std::optional<parsed_page> read(const std::string& body,
                                    const nlohmann::json::json_pointer& pointer)
    {
        std::optional<parsed_page> result;
        text_ = padded(body);
        tokens_ = tokens_of(pointer);
        // simdjson takes 14 times a body for the check and 6 times for the search.
        const bool is_large = text_.size() > most_kept;
        const bool is_valid = check();
        if (is_large)
            checker_ = ::simdjson::dom::parser{};
        if (is_valid && find())
            result.emplace(parsed_page{around(), std::move(slices_)});
        slices_ = {};
        if (is_large) {
            finder_ = ::simdjson::ondemand::parser{};
            copy_ = {};
        }
        return result;
    }

    static std::size_t digest_of(std::string_view text) noexcept
    {
        return std::hash<std::string_view>{}(text);
    }

private:
    /// The buffers for larger bodies are not kept.
    static constexpr std::size_t most_kept = std::size_t{1} << 20;

    bool check()
    {
        if (checker_.max_depth() != most_json_depth &&
            checker_.allocate(text_.size(), most_json_depth) != ::simdjson::SUCCESS)
            return false;
        return checker_.parse(text_.data(), text_.size(), false).error() == ::simdjson::SUCCESS;
    }

    bool find()
    {
        ::simdjson::ondemand::document whole;
        if (finder_.iterate(text_.data(), text_.size(), text_.size() + ::simdjson::SIMDJSON_PADDING)
                .get(whole) != ::simdjson::SUCCESS)
            return false;
        if (!tokens_.empty())
            return read_member(whole, 0);
        // A body that is the array itself is no value to simdjson.
        ::simdjson::ondemand::array list;
        return whole.get_array().get(list) == ::simdjson::SUCCESS && read_records(list);
    }

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
            add_record(slices_,
                       {static_cast<std::size_t>(text.data() - text_.data()), text.size(),
                        digest_of(text)},
                       text_.size());
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
    nlohmann::json around() const
    {
        if (slices_.empty())
            return nlohmann::json::parse(text_);
        const std::size_t end = slices_.back().begin + slices_.back().size;
        std::string rest;
        rest.reserve(text_.size() - end + slices_.front().begin);
        rest += text_.substr(0, slices_.front().begin);
        rest += text_.substr(end);
        return nlohmann::json::parse(rest);
    }

    ::simdjson::dom::parser checker_;
    ::simdjson::ondemand::parser finder_;
    std::string copy_;
    std::string_view text_;
    std::vector<std::string> tokens_;
    std::vector<record_slice> slices_;
};

} // namespace HEADGATE_NAMESPACE::detail

#endif
