#ifndef HEADGATE_DETAIL_PAGE_PARSER_HPP
#define HEADGATE_DETAIL_PAGE_PARSER_HPP

#include <headgate/detail/json_builder.hpp>
#include <headgate/http/response.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace headgate::detail {

/// Text from outside made fit for one line of a terminal or a log.
inline std::string printable(std::string text)
{
    constexpr std::size_t longest = 500;
    if (text.size() > longest) {
        text.resize(longest);
        text += "...";
    }
    std::replace_if(
        text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c > 0x7e; }, '?');
    return text;
}

struct parsed_page {
    nlohmann::json document;
    std::vector<nlohmann::json> records;
};

/// Takes the records out of an answer.
class page_parser {
public:
    explicit page_parser(nlohmann::json::json_pointer records) : records_{std::move(records)} {}

    const nlohmann::json::json_pointer& records() const noexcept { return records_; }

    /// @throws std::runtime_error that says what is wrong with the answer.
    parsed_page parse(const http::response& response) const
    {
        check_status(response);
        parsed_page result;
        if (response.status() == 204)
            return result; // "no content" is how some servers write an empty list
        result.document = json_builder::parse(response.body());
        if (!result.document.contains(records_))
            throw std::runtime_error{"no " + records_.to_string() + " in the answer, which is " +
                                     describe(result.document)};
        nlohmann::json& list = result.document.at(records_);
        if (list.is_null() && !records_.empty())
            return result; // how some servers write an empty list
        if (!list.is_array())
            throw std::runtime_error{name() + " is " + describe(list) + ", must be an array"};
        result.records.swap(list.get_ref<nlohmann::json::array_t&>());
        return result;
    }

private:
    static void check_status(const http::response& response)
    {
        const int status = response.status();
        if (status >= 200 && status < 300)
            return;
        std::string reason = "the server answered with status " + std::to_string(status);
        if (const auto target = response.header("Location");
            target && status >= 300 && status < 400)
            reason += ", a redirect to " + std::string{*target} + " that is not followed";
        throw std::runtime_error{reason};
    }

    static std::string describe(const nlohmann::json& value)
    {
        const std::string type = value.type_name();
        return (type == "array" || type == "object" ? "an " : type == "null" ? "" : "a ") + type;
    }

    std::string name() const
    {
        const std::string pointer = records_.to_string();
        return pointer.empty() ? "the body" : pointer;
    }

    nlohmann::json::json_pointer records_;
};

} // namespace headgate::detail

#endif
