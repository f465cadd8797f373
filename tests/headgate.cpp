// What the README promises of <headgate/headgate.hpp>.
#include <headgate/headgate.hpp>

#include "support/catch.hpp"
#include "support/paged.hpp"

#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

namespace {

// The README shows what stands between these two lines.
// README: begin
namespace http = headgate::http;
namespace paging = headgate::paging;

auto by_token(const http::request& list)
{
    auto next = [list](const paging::page_content& page) -> std::optional<http::request> {
        const auto& token = page.document().at("page").at("token");
        if (token.is_null())
            return std::nullopt; // the end
        http::url url{list.url()};
        url.set_query("token", token.get<std::string>());
        return http::request{list}.url(url);
    };
    return paging::next_request{list, next};
}

auto by_day(const std::string& list, const std::vector<std::string>& days)
{
    paging::partitions<paging::cursor> result;
    for (const std::string& day : days) {
        http::url url{list};
        url.set_query("day", day);
        result.add(day, paging::cursor{http::request{url}});
    }
    return result;
}
// README: end

std::string read(const std::string& file)
{
    std::ifstream in{HEADGATE_SOURCE_DIR "/" + file};
    REQUIRE(in);
    return {std::istreambuf_iterator<char>{in}, {}};
}

} // namespace

TEST_CASE("the README shows the first program as it is compiled, and the two commands")
{
    const std::string program = read("examples/first_program.cpp");
    const std::string readme = read("README.md");
    const std::string shown = program.substr(program.find("#include"));
    CHECK(readme.find("```cpp\n" + shown + "```") != std::string::npos);
    CHECK(readme.find("./cmake/quickstart.sh demo\n") != std::string::npos);
    CHECK(readme.find("./cmake/quickstart.sh test\n") != std::string::npos);
}

TEST_CASE(
    "the README shows a pager of one's own and many lists as they are compiled, and they work")
{
    const std::string source = read("tests/headgate.cpp");
    const std::string first = "// README: begin\n";
    const auto begin = source.find(first) + first.size();
    const std::string shown = source.substr(begin, source.find("// README: end\n") - begin);
    CHECK(read("README.md").find("```cpp\n" + shown + "```") != std::string::npos);

    auto own = by_token(http::request{"http://h/list"});
    support::paged<decltype(own)> tokens{
        own, [](const http::request& asked) {
            const bool last = support::parameter(asked, "token") == "a";
            return http::response{
                200,
                {},
                std::string{R"({"results":[{"id":)"} +
                    (last ? R"(2}],"page":{"token":null}})" : R"(1}],"page":{"token":"a"}})")};
        }};
    CHECK(tokens.run()->code() == headgate::outcome_code::complete);
    CHECK(tokens.got.size() == 2);

    auto lists = by_day("http://h/list", {"monday", "tuesday"});
    support::paged<decltype(lists)> days{
        lists, [](const http::request& asked) {
            return http::response{200,
                                  {},
                                  R"({"results":[{"day":")" + support::parameter(asked, "day") +
                                      R"("}],"next":null})"};
        }};
    CHECK(days.run()->reason() == "all 2 lists complete");
    CHECK(days.got.size() == 2);
}

TEST_CASE("one header brings every layer that needs no opt-in")
{
    const headgate::paging::offset pages{http::request{"http://h/list"}};
    CHECK(pages.expected() == std::nullopt);
    CHECK(headgate::limit::paced(100, std::chrono::seconds{61}).count() == 100);
    CHECK(headgate::outcome{}.code() == headgate::outcome_code::in_progress);
}
