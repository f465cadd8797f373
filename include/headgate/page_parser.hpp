#ifndef HEADGATE_PAGE_PARSER_HPP
#define HEADGATE_PAGE_PARSER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/record.hpp>

#include <nlohmann/json.hpp>

#include <concepts>
#include <stdexcept>
#include <string>
#include <vector>

namespace HEADGATE_NAMESPACE {

/// A body that is not JSON, or not whole. What it says is not to be believed; the page may be whole
/// when it is asked for again.
class unreadable_body : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// What a page says.
class parsed_page {
public:
    /// All but the records: an empty array stands in their place.
    nlohmann::json document;

    /// Where in the body the records stand, in order.
    std::vector<record_slice> records;
};

/// Reads a page: `parse(body, pointer)` finds the records, which are the elements of the array at
/// the JSON Pointer `pointer`, and parses what is around them. If no array stands there there are
/// no records, and the document says what does. `record_slice::digest` must be the same for records
/// that are the same and differ for others, as far as a hash can; it tells copies of pages.
///
/// Called from any thread of the limiter's executor, from several at once. May throw
/// - `unreadable_body` if the body as a whole is not valid JSON, in whatever place, or has a member
///   twice on the way to the records;
/// - anything else that is a `std::exception` if there is a reason not to ask for it again.
///
/// `json_parser` is the one that is used unless `extract_options::parser` names another.
template <class T>
concept page_parser = std::copy_constructible<T> &&
    requires(const T& parser, const std::string& body,
             const nlohmann::json::json_pointer& pointer)
{
    {
        parser.parse(body, pointer)
        } -> std::same_as<parsed_page>;
};

} // namespace HEADGATE_NAMESPACE

#endif
