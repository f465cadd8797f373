#ifndef HEADGATE_JSON_PARSER_HPP
#define HEADGATE_JSON_PARSER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/detail/page_builder.hpp>
#include <headgate/page_parser.hpp>

#include <nlohmann/json.hpp>

#include <string>

namespace HEADGATE_NAMESPACE {

/// Reads pages with nlohmann/json: one pass over the body that checks all of it and builds a tree
/// only of what is not a record. Bodies are no deeper than 512 levels.
class json_parser {
public:
    /// @throws unreadable_body that says where and why; std::runtime_error if it is too deep
    parsed_page parse(const std::string& body, const nlohmann::json::json_pointer& pointer) const
    {
        return detail::page_builder::parse(body, pointer);
    }
};

static_assert(page_parser<json_parser>);

} // namespace HEADGATE_NAMESPACE

#endif
