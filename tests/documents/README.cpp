// What the snippets of README.md are compiled in.
#include <headgate/headgate.hpp>

#include "api.hpp"
#include "support/catch.hpp"
#include "support/paged.hpp"

#include <optional>
#include <string>
#include <vector>

namespace first_program {
// snippet: first_program
} // namespace first_program

namespace pagers {
// snippet: pagers
} // namespace pagers

TEST_CASE("the first program prints the names of a list, and fails without a list")
{
    const documents::api api;
    std::string name = "first_program", url = api.url();
    char* good[] = {name.data(), url.data(), nullptr};
    CHECK(first_program::main(2, good) == 0);
    CHECK(api.requests() >= 4);
    CHECK(first_program::main(1, good) == 2);
    std::string away = "http://127.0.0.1:1/";
    char* bad[] = {name.data(), away.data(), nullptr};
    CHECK(first_program::main(2, bad) == 1);
}

TEST_CASE("a pager of one's own and many lists are read to the end")
{
    using pagers::http::request;
    using pagers::http::response;
    auto own = pagers::by_token(request{"http://h/list"});
    support::paged<decltype(own)> tokens{
        own, [](const request& asked) {
            const bool last = support::parameter(asked, "token") == "a";
            return response{
                200,
                {},
                std::string{R"({"results":[{"id":)"} +
                    (last ? R"(2}],"page":{"token":null}})" : R"(1}],"page":{"token":"a"}})")};
        }};
    CHECK(tokens.run()->code() == headgate::outcome_code::complete);
    CHECK(tokens.got.size() == 2);

    auto lists = pagers::by_day("http://h/list", {"monday", "tuesday"});
    support::paged<decltype(lists)> days{lists, [](const request& asked) {
                                             return response{200,
                                                             {},
                                                             R"({"results":[{"day":")" +
                                                                 support::parameter(asked, "day") +
                                                                 R"("}],"next":null})"};
                                         }};
    CHECK(days.run()->reason() == "all 2 lists complete");
    CHECK(days.got.size() == 2);
}
