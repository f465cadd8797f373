#include <headgate/paging/next_request.hpp>

#include "support/catch.hpp"
#include "support/paged.hpp"

#include <cstddef>
#include <optional>
#include <stdexcept>
#include <string>

using headgate::outcome_code;
namespace http = headgate::http;
namespace paging = headgate::paging;

namespace {

const http::request list{"http://h/list"};

/// The pager of the doc comment.
auto by_token = [](const paging::page_content& page) -> std::optional<http::request> {
    const auto& token = page.document().at("page").at("token");
    if (token.is_null())
        return std::nullopt; // the end
    http::url url{list.url()};
    url.set_query("token", token.get<std::string>());
    return http::request{list}.url(std::move(url));
};

std::string body(int id, const std::string& token)
{
    return R"({"results":[{"id":)" + std::to_string(id) + R"(}],"page":{"token":)" + token + "}}";
}

} // namespace

TEST_CASE("a style of paging in ten lines")
{
    paging::next_request pager{list, by_token};
    support::paged<paging::next_request> reader{
        pager, [](const http::request& asked) {
            const std::string token = support::parameter(asked, "token");
            return http::response{200,
                                  {},
                                  token.empty()  ? body(1, "\"a\"")
                                  : token == "a" ? body(2, "\"b\"")
                                                 : body(3, "null")};
        }};
    const auto end = reader.run();
    CHECK(end->code() == outcome_code::complete);
    CHECK(reader.got.size() == 3);
}

TEST_CASE("a total may stand anywhere in a page of one's own style")
{
    const std::string total = GENERATE("1", "2");
    auto pager = paging::next_request{list, by_token}.total("/page/of");
    support::paged<paging::next_request> reader{
        pager, [&total](const http::request&) {
            return http::response{
                200, {}, R"({"results":[{"id":1}],"page":{"token":null,"of":)" + total + "}}"};
        }};
    const auto end = reader.run();
    CHECK(end->code() == (total == "1" ? outcome_code::complete : outcome_code::count_mismatch));
    CHECK_THROWS_AS(pager.total("page/of"), std::invalid_argument);
}

TEST_CASE("a body may be longer than the name that a server gives a page")
{
    http::request search{list};
    search.method("POST").body(R"({"query":")" + std::string(20'000, 'q') + R"("})");
    const auto ask = [&search](const paging::page_content& page) -> std::optional<http::request> {
        const auto& token = page.document().at("page").at("token");
        if (token.is_null())
            return std::nullopt;
        return http::request{search}.body(*search.body() + token.get<std::string>());
    };
    const auto read = [&](const std::string& last) {
        paging::next_request pager{search, ask};
        support::paged<paging::next_request> reader{
            pager, [&last, n = std::size_t{0}](const http::request&) mutable {
                ++n;
                return http::response{
                    200,
                    {},
                    body(static_cast<int>(n), n < 3 ? '"' + std::string(n, 'a') + '"' : last)};
            }};
        return reader.run()->code();
    };
    CHECK(read("null") == outcome_code::complete);
    CHECK(read("\"aa\"") == outcome_code::loop);
    CHECK(read("\"a\"") == outcome_code::loop);

    paging::next_request long_url{list, by_token};
    support::paged<paging::next_request> refused{
        long_url, [](const http::request&) {
            return http::response{200, {}, body(1, '"' + std::string(20'000, 'a') + '"')};
        }};
    CHECK_THROWS_WITH(refused.run(), Catch::Contains("a name of"));
}

TEST_CASE("a style of one's own is kept from loops and from other origins")
{
    paging::next_request loops{list, by_token};
    support::paged<paging::next_request> reader{
        loops, [n = 0](const http::request&) mutable {
            return http::response{200, {}, body(++n, "\"a\"")};
        }};
    CHECK(reader.run()->code() == outcome_code::loop);
    CHECK(reader.got.size() == 2);

    const auto away = [](const paging::page_content&) -> std::optional<http::request> {
        return http::request{"http://elsewhere/"}.header("Authorization", "secret");
    };
    paging::next_request refused{list, away};
    support::paged<paging::next_request> one{refused, [](const http::request&) {
                                                 return http::response{200, {}, body(1, "1")};
                                             }};
    CHECK(one.run()->code() == outcome_code::foreign_origin);
    CHECK(one.got.size() == 1);
    paging::next_request allowed{list, away};
    allowed.allow_origin("http://elsewhere");
    support::paged<paging::next_request> two{allowed, [n = 0](const http::request& asked) mutable {
                                                 CHECK(asked.headers().empty());
                                                 return http::response{200, {}, body(++n, "1")};
                                             }};
    CHECK(two.run()->code() == outcome_code::loop);
    CHECK(two.got.size() == 2);
}
