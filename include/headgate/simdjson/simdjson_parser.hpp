#ifndef HEADGATE_SIMDJSON_SIMDJSON_PARSER_HPP
#define HEADGATE_SIMDJSON_SIMDJSON_PARSER_HPP

#include <headgate/detail/config.hpp>
#include <headgate/json_parser.hpp>
#include <headgate/page_parser.hpp>
#include <headgate/record.hpp>
#include <headgate/simdjson/detail/simdjson_reader.hpp>

#include <nlohmann/json.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace HEADGATE_NAMESPACE {

/// Reads pages with simdjson, many times faster than `json_parser`: `options.parser(
/// headgate::simdjson_parser{})`. The whole body is checked all the same. What simdjson cannot
/// read, such as a whole number of more than 64 bits, is left to `json_parser`, which is also the
/// one to say what is wrong with a body.
///
/// A record's digest is that of its text: a page that comes again with the members of its records
/// in another order is not known as a copy.
///
/// Keeps simdjson's buffers for each thread that has used it, 20 times the largest page of up to
/// 1 MiB; for larger ones they are made anew.
class simdjson_parser {
public:
    /// @throws as `json_parser`
    parsed_page parse(const std::string& body, const nlohmann::json::json_pointer& pointer) const
    {
        thread_local detail::simdjson_reader reader;
        if (std::optional<parsed_page> page = reader.read(body, pointer))
            return *std::move(page);
        parsed_page page = json_parser{}.parse(body, pointer);
        // The same as if simdjson had read it: other pages of the list may be for it.
        for (record_slice& each : page.records)
            each.digest = detail::simdjson_reader::digest_of(
                std::string_view{body}.substr(each.begin, each.size));
        return page;
    }
};

static_assert(page_parser<simdjson_parser>);

} // namespace HEADGATE_NAMESPACE

#endif
