#ifndef HEADGATE_DETAIL_PAGE_READER_HPP
#define HEADGATE_DETAIL_PAGE_READER_HPP

#include <headgate/http/response.hpp>
#include <headgate/page_parser.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

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

/// Takes the records out of an answer.
class page_reader {
public:
    using parser =
        std::function<parsed_page(const std::string&, const nlohmann::json::json_pointer&)>;

    page_reader(nlohmann::json::json_pointer records, parser parse)
        : records_{std::move(records)}, parse_{std::move(parse)}
    {
    }

    const nlohmann::json::json_pointer& records() const noexcept { return records_; }

    /// @throws std::runtime_error that says what is wrong with the answer, or what the parser does.
    parsed_page read(const http::response& response) const
    {
        check_status(response);
        if (response.status() == 204)
            return {}; // "no content" is how some servers write an empty list
        parsed_page result = parse_(response.body(), records_);
        if (!result.document.contains(records_))
            throw std::runtime_error{"no " + records_.to_string() + " in the answer, which is " +
                                     describe(result.document)};
        const nlohmann::json& list = result.document.at(records_);
        // Null is how some servers write an empty list.
        if (!list.is_array() && !(list.is_null() && !records_.empty()))
            throw std::runtime_error{name() + " is " + describe(list) + ", must be an array"};
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
    parser parse_;
};

} // namespace headgate::detail

#endif
