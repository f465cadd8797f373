#ifndef HEADGATE_DETAIL_PAGE_READER_HPP
#define HEADGATE_DETAIL_PAGE_READER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/printable.hpp>
#include <headgate/http/response.hpp>
#include <headgate/http/url.hpp>
#include <headgate/page_parser.hpp>

#include <nlohmann/json.hpp>

#include <functional>
#include <stdexcept>
#include <string>
#include <utility>

namespace HEADGATE_NAMESPACE::detail {

/// An answer that is no page although its status is a success; another try may get the page.
class no_page_yet : public unreadable_body {
public:
    using unreadable_body::unreadable_body;
};

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

    /// @param asked whose answer it is, for messages
    /// @throws no_page_yet, or a std::runtime_error that says what is wrong with the answer, or
    ///         what the parser does.
    parsed_page read(const http::response& response, const http::url* asked = nullptr) const
    {
        check_status(response, asked);
        if (response.status() == 204)
            return {}; // "no content" is how some servers write an empty list
        if (response.status() == 202)
            return read_accepted(response, asked);
        parsed_page result = parse_(response.body(), records_);
        if (!result.document.contains(records_))
            throw std::runtime_error{"no " + records_.to_string() + " in the answer, which is " +
                                     describe(result.document)};
        const nlohmann::json& list = result.document.at(records_);
        const bool is_null = list.is_null() && !records_.empty();
        if (!is_null && !list.is_array())
            throw std::runtime_error{name() + " is " + describe(list) + ", must be an array"};
        if (result.records.empty())
            check_errors(result.document, is_null);
        return result;
    }

    /// What to say of an answer whose status makes it no page.
    static std::string name_status(const http::response& response, const http::url* asked)
    {
        std::string result = "the server answered with status " + std::to_string(response.status());
        if (asked)
            result += " to " + shortened(asked->without_credentials(), longest_shown_url);
        return result;
    }

private:
    /// "Accepted" says that the answer is still to be made: it is a page only if there are records.
    parsed_page read_accepted(const http::response& response, const http::url* asked) const
    {
        try {
            if (parsed_page result = parse_(response.body(), records_); !result.records.empty())
                return result;
        } catch (const unreadable_body&) {
            // That it is empty or says so in words makes it no more of a page.
        }
        throw no_page_yet{name_status(response, asked) +
                          ", which is not ready yet, and no records"};
    }

    /// Null and an empty array are how some servers write an empty list, and others one that could
    /// not be read. Beside an array a mere number or truth value may count or tell of something
    /// else.
    /// @throws no_page_yet if the answer tells of an error where GraphQL and others do.
    void check_errors(const nlohmann::json& document, bool is_null) const
    {
        for (const char* member : {"errors", "error"}) {
            if (!document.is_object() || !document.contains(member))
                continue;
            const nlohmann::json& told = document.at(member);
            const bool is_told = is_null || told.is_structured() || told.is_string();
            if (!is_told || !is_something(told))
                continue;
            using on_bad_text = nlohmann::json::error_handler_t;
            const std::string text = told.dump(-1, ' ', true, on_bad_text::replace);
            throw no_page_yet{name() + " is " + (is_null ? "null" : "empty") + ", and /" + member +
                              " is " + shortened(text, 100)};
        }
    }

    /// Servers written in Go write a member also where it is empty.
    static bool is_something(const nlohmann::json& value)
    {
        if (value.is_string())
            return !value.get_ref<const std::string&>().empty();
        if (value.is_boolean() || value.is_number())
            return value != false && value != 0;
        return !value.empty();
    }

    static void check_status(const http::response& response, const http::url* asked)
    {
        const int status = response.status();
        if (status >= 200 && status < 300)
            return;
        std::string reason = name_status(response, asked);
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

} // namespace HEADGATE_NAMESPACE::detail

#endif
