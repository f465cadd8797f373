#ifndef HEADGATE_DETAIL_JSON_BUILDER_HPP
#define HEADGATE_DETAIL_JSON_BUILDER_HPP

#include <headgate/detail/bounds.hpp>

#include <nlohmann/json.hpp>

#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace headgate::detail {

/// A body that is not JSON, or not whole.
class unreadable_body : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Builds a document from what nlohmann's parser finds, no deeper than the bound. The parser's own
/// callback could check the depth too, but takes quadratic time for a long array.
class json_builder final : public nlohmann::json_sax<nlohmann::json> {
public:
    using json = nlohmann::json;

    /// @throws unreadable_body that says where and why; bound_exceeded
    static json parse(const std::string& text)
    {
        json result;
        json_builder builder{result};
        json::sax_parse(text, &builder);
        return result;
    }

    bool null() override { return add(nullptr); }
    bool boolean(bool value) override { return add(value); }
    bool number_integer(number_integer_t value) override { return add(value); }
    bool number_unsigned(number_unsigned_t value) override { return add(value); }
    bool number_float(number_float_t value, const string_t&) override { return add(value); }
    bool string(string_t& value) override { return add(std::move(value)); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return open(json::object()); }
    bool end_object() override { return close(); }
    bool start_array(std::size_t) override { return open(json::array()); }
    bool end_array() override { return close(); }
    bool key(string_t& name) override
    {
        member_ = &(*open_.back())[std::move(name)];
        return true;
    }
    bool parse_error(std::size_t, const std::string&,
                     const nlohmann::detail::exception& error) override
    {
        throw unreadable_body{"the body is not JSON: " + std::string{error.what()}};
    }

private:
    explicit json_builder(json& root) : root_{root} {}

    bool add(json&& value)
    {
        place(std::move(value));
        return true;
    }

    bool open(json&& value)
    {
        if (open_.size() == most_json_depth)
            throw bound_exceeded{"the body is JSON nested more than " +
                                 std::to_string(most_json_depth) + " deep"};
        open_.push_back(&place(std::move(value)));
        return true;
    }

    bool close()
    {
        open_.pop_back();
        return true;
    }

    /// Pointers stay valid: an array only grows while its last element is closed.
    json& place(json&& value)
    {
        if (open_.empty())
            return root_ = std::move(value);
        if (open_.back()->is_object())
            return *member_ = std::move(value);
        auto& list = open_.back()->get_ref<json::array_t&>();
        return list.emplace_back(std::move(value));
    }

    json& root_;
    json* member_ = nullptr;
    std::vector<json*> open_;
};

} // namespace headgate::detail

#endif
