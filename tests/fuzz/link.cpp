#include <headgate/http/link.hpp>

#include "support.hpp"

#include <algorithm>

/// Lines of Link field values: what is read of them is in them, and finding agrees with reading.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size)
{
    fuzz::input in{data, size};
    const std::string relation = in.flag() ? "next" : in.line();
    fuzz::http::response::fields fields;
    for (int i = 0; i < 2 && !in.is_empty(); ++i)
        fields.emplace_back(i == 0 ? "Link" : "link", in.line());
    const fuzz::http::response answer{200, std::move(fields)};

    const auto links = fuzz::http::read_links(answer);
    std::size_t brackets = 0;
    for (const auto& [name, value] : answer.headers())
        brackets += static_cast<std::size_t>(std::count(value.begin(), value.end(), '<'));
    fuzz::require(links.size() <= brackets, "each link begins with a bracket");
    for (const auto& each : links) {
        const auto has = [&each](const auto& field) {
            return field.second.find('<' + each.target() + '>') != std::string::npos;
        };
        fuzz::require(std::any_of(answer.headers().begin(), answer.headers().end(), has),
                      "a target stands in a field");
        fuzz::require(each.target().find('>') == std::string::npos, "a target ends at its bracket");
    }

    for (const std::string& each : fuzz::http::malformed_links(answer)) {
        const auto has = [&each](const auto& field) {
            return field.second.find(each) != std::string::npos;
        };
        fuzz::require(!each.empty() &&
                          std::any_of(answer.headers().begin(), answer.headers().end(), has),
                      "what is malformed stands in a field");
    }

    const auto found = fuzz::http::find_link(answer, relation);
    const auto first = std::find_if(links.begin(), links.end(), [&](const auto& each) {
        return each.is(relation) && !each.parameter("anchor");
    });
    fuzz::require(found.has_value() == (first != links.end()), "finding agrees with reading");
    if (found)
        fuzz::require(*found == first->target(), "the first of the relation is found");
    return 0;
}
