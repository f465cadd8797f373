#include <headgate/detail/bounds.hpp>
#include <headgate/json_parser.hpp>

#include "support/catch.hpp"

#include <string>
#include <vector>

namespace {

using nlohmann::json;

headgate::parsed_page parse(const std::string& body, const std::string& pointer = "/results")
{
    return headgate::json_parser{}.parse(body, json::json_pointer{pointer});
}

std::vector<std::string> texts(const std::string& body, const std::string& pointer = "/results")
{
    const auto page = parse(body, pointer);
    std::vector<std::string> result;
    for (const auto each : headgate::record_range{body, page.records})
        result.emplace_back(each.text());
    return result;
}

std::vector<std::size_t> digests(const std::string& body)
{
    std::vector<std::size_t> result;
    for (const auto& each : parse(body, "").records)
        result.push_back(each.digest);
    return result;
}

using list = std::vector<std::string>;

} // namespace

TEST_CASE("records are found in the text, whatever they are and stand between")
{
    CHECK(texts(R"({"results":[{"a":1},{"b":[2,{}]}],"next":3})") ==
          list{R"({"a":1})", R"({"b":[2,{}]})"});
    CHECK(texts("[ 1 ,2,\n-3.50e+1\t, true ,null,\"a,b\" ,[ ] ,18446744073709551617 ]", "") ==
          list{"1", "2", "-3.50e+1", "true", "null", "\"a,b\"", "[ ]", "18446744073709551617"});
    CHECK(texts("[12]", "") == list{"12"});
    CHECK(texts("[]", "").empty());
    CHECK(texts(R"({"a":{"b/c":[0,{"~":["x"]}]}})", "/a/b~1c/1/~0") == list{"\"x\""});
    CHECK(texts("\xef\xbb\xbf[\"after a byte order mark\"]", "") ==
          list{"\"after a byte order mark\""});
    CHECK(texts("{\"other\":{\"results\":[1]},\"results\":[2]}") == list{"2"});
    CHECK(texts("[[1,2]]", "/0") == list{"1", "2"});
}

TEST_CASE("what is around the records is a document")
{
    const auto page = parse(R"({"count":2,"results":[{"a":1},2],"page":{"next":[1,{"x":null}]}})");
    CHECK(page.document ==
          json::parse(R"({"count":2,"results":[],"page":{"next":[1,{"x":null}]}})"));
    CHECK(parse("3").document == 3);
    CHECK(parse(R"({"results":null})").document == json::parse(R"({"results":null})"));
    CHECK(parse(R"({"results":{"a":[1]}})").document == json::parse(R"({"results":{"a":[1]}})"));
}

TEST_CASE("a body with its records in two places is refused")
{
    const auto [body, pointer, member] = GENERATE(table<std::string, std::string, std::string>({
        {R"({"results":[1,2],"results":[3]})", "/results", "/results"},
        {R"({"results":[],"results":[3]})", "/results", "/results"},
        {R"({"results":[1],"next":2,"results":null})", "/results", "/results"},
        {R"({"results":null,"\u0072esults":[1]})", "/results", "/results"},
        {R"({"a":{"results":[1]},"a":{}})", "/a/results", "/a"},
        {R"({"a":{},"a":{"results":[1]}})", "/a/results", "/a"},
        {R"([0,{"b/c":{"d":[1],"d":[2]}}])", "/1/b~1c/d", "/1/b~1c/d"},
    }));
    CAPTURE(body);
    CHECK_THROWS_MATCHES(parse(body, pointer), headgate::unreadable_body,
                         Catch::Matchers::Message("the body has " + member + " more than once"));
}

TEST_CASE("of other members that stand there twice the last counts, as in any document")
{
    const auto page =
        parse(R"({"next":1,"a":{"results":1,"results":2},"results":[{"id":1,"id":2}],"next":3})");
    CHECK(page.document == json::parse(R"({"next":3,"a":{"results":2},"results":[]})"));
    CHECK(page.records.size() == 1);
    CHECK(texts(R"({"a":[1],"a":[2],"b":{"c":[3]}})", "/b/c") == list{"3"});
}

TEST_CASE("records that are the same have the same digest, and others have not")
{
    const auto same = digests(R"([{"a":1,"b":[1,"x"]},{ "b":[1,"\u0078"], "a":1 }])");
    CHECK(same[0] == same[1]);
    const auto all = digests(
        R"([{"a":1,"b":2},{"a":2,"b":1},{"a":{"b":1}},{"a":{"b":"1"}},[1,2],[2,1],[[1],2],[1,[2]],)"
        R"([[]],[{}],[],{},null,true,false,0,"",-1,18446744073709551615,0.1,)"
        R"(0.10000000000000000001,36893488147419103232,36893488147419103233,{"a":null},{"b":null}])");
    for (std::size_t i = 0; i < all.size(); ++i)
        for (std::size_t j = i + 1; j < all.size(); ++j)
            CHECK(all[i] != all[j]);
}

TEST_CASE("a body that is not JSON, or not whole, is refused in whatever place")
{
    const std::string whole = R"({"results":[{"a":"\u00e4 b"},12],"next":"x"})";
    CHECK(texts(whole).size() == 2);
    for (std::size_t size = 0; size < whole.size(); ++size)
        CHECK_THROWS_AS(parse(whole.substr(0, size)), headgate::unreadable_body);
    CHECK_THROWS_AS(parse(whole + "x"), headgate::unreadable_body);
    CHECK_THROWS_AS(parse(R"({"results":[{"a":tru}]})"), headgate::unreadable_body);
    CHECK_THROWS_AS(parse("{\"results\":[{\"a\":\"\xff\"}]}"), headgate::unreadable_body);
    CHECK_THROWS_AS(parse(R"({"results":[{"a":01}]})"), headgate::unreadable_body);
    CHECK_THROWS_AS(parse(R"({"results":[1 2]})"), headgate::unreadable_body);
}

TEST_CASE("depth is bounded within a record and around it")
{
    const auto nested = [](std::size_t depth) {
        return std::string(depth, '[') + std::string(depth, ']');
    };
    using headgate::detail::bound_exceeded;
    using headgate::detail::most_json_depth;
    CHECK(texts(nested(most_json_depth), "").size() == 1);
    CHECK_THROWS_AS(parse(nested(most_json_depth + 1), ""), bound_exceeded);
    CHECK_THROWS_AS(parse(nested(1'000'000), ""), bound_exceeded);
    CHECK_THROWS_AS(parse("{\"a\":" + nested(most_json_depth) + "}"), bound_exceeded);
}
