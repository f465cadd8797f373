#include <headgate/detail/exact_number.hpp>
#include <headgate/detail/page_reader.hpp>
#include <headgate/detail/printable.hpp>
#include <headgate/json_parser.hpp>
#include <headgate/paging/pager.hpp>

#include "support.hpp"

#include <iterator>
#include <stdexcept>

namespace {

using fuzz::require;
using nlohmann::json;

/// Whether the text of a number is that number, to the last digit that a double has.
void check_number(const json& document, const std::string& body)
{
    static const json::json_pointer next{"/next"};
    try {
        const std::string text = headgate::detail::cursor_text(document, body, next);
        if (!document.contains(next) || !document.at(next).is_number())
            return;
        const json again = json::parse(text, nullptr, false);
        require(again == document.at(next), "a number's text is that number", text);
    } catch (const std::runtime_error&) {
    }
}

/// Whether the records and what is around them are what a parser of the whole makes of it.
void check_page(const std::string& body, const json& document, const json::json_pointer& pointer,
                const headgate::record_range& records)
{
    json whole = json::parse(body);
    json& list = whole.at(pointer);
    if (list.is_null()) {
        require(records.empty(), "null has no records");
        const json errors = document.is_object() ? document.value("errors", json{}) : json{};
        require(!errors.is_array() || errors.empty(), "null beside errors is no page");
    } else {
        require(list.size() == records.size(), "there are as many records as elements");
        for (std::size_t i = 0; i < records.size(); ++i)
            require(records[i].json() == list[i], "a record is its element",
                    std::string{records[i].text()});
        list = json::array();
    }
    require(document == whole, "the document is what is around the records");
}

headgate::parsed_page parse(const std::string& body, const json::json_pointer& pointer)
{
    return headgate::json_parser{}.parse(body, pointer);
}

} // namespace

/// A byte for the status, one for where the records are, then the body: a page is what it says, or
/// there is a reason that can be printed.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    static const headgate::detail::page_reader readers[] = {{json::json_pointer{"/results"}, parse},
                                                            {json::json_pointer{""}, parse},
                                                            {json::json_pointer{"/0/a~1b"}, parse}};
    constexpr int statuses[] = {200, 204, 200, 202, 301, 404, 500, 0, 999, -1};
    fuzz::input in{data, size};
    const int status = statuses[in.below(std::size(statuses))];
    const auto& reader = readers[in.below(std::size(readers))];
    fuzz::http::response::fields fields;
    if (status == 301)
        fields.emplace_back("Location", in.line());
    const fuzz::http::response answer{status, std::move(fields), in.rest()};
    try {
        const auto page = reader.read(answer);
        require(status >= 200 && status < 300, "only a success is a page");
        if (status == 204) {
            require(page.document.is_null() && page.records.empty(), "no content is none");
            return 0;
        }
        require(status != 202 || !page.records.empty(), "what is accepted only has records");
        const headgate::record_range records{answer.body(), page.records};
        check_page(answer.body(), page.document, reader.records(), records);
        static const fuzz::http::url base{"http://api/"};
        const fuzz::paging::page_content content{base, answer, page.document, reader.records(),
                                                 records};
        require((content.digest() == 0) == page.records.empty(), "only nothing has no digest");
        content.tells_records_apart();
        check_number(page.document, answer.body());
    } catch (const std::runtime_error& e) {
        const std::string reason = headgate::detail::printable(e.what());
        require(!reason.empty() && reason.size() <= 503, "a reason is short", reason);
        for (const char c : reason)
            require(c >= 0x20 && c <= 0x7e, "a reason can be printed");
    }
    return 0;
}
