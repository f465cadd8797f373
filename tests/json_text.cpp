#include <headgate/detail/json_text.hpp>

#include "support/catch.hpp"

#include <stdexcept>
#include <string>

using headgate::detail::text_at;
using headgate::detail::with_value;
using nlohmann::json;

namespace {

std::string at(const std::string& text, const char* pointer)
{
    return std::string{text_at(text, json::json_pointer{pointer})};
}

/// Checks that every value in a tree is found in the text that it was read from.
void check_all(const std::string& text, const json& tree, const json::json_pointer& here)
{
    CAPTURE(here.to_string());
    CHECK(json::parse(text_at(text, here), nullptr, false) == tree);
    if (tree.is_object())
        for (const auto& [name, value] : tree.items())
            check_all(text, value, here / name);
    if (tree.is_array())
        for (std::size_t i = 0; i < tree.size(); ++i)
            check_all(text, tree[i], here / i);
}

} // namespace

TEST_CASE("a value is found in JSON text as it was written")
{
    const std::string text =
        R"( { "a" : 1.500, "b":[ 1e2 ,{"c" : "]}\"\\"}, [],-0.0 ] ,"" : {} } )";
    CHECK(at(text, "/a") == "1.500");
    CHECK(at(text, "/b/0") == "1e2");
    CHECK(at(text, "/b/1/c") == R"("]}\"\\")");
    CHECK(at(text, "/b/2") == "[]");
    CHECK(at(text, "/b/3") == "-0.0");
    CHECK(at(text, "/") == "{}");
    CHECK(at(text, "/b") == R"([ 1e2 ,{"c" : "]}\"\\"}, [],-0.0 ])");
    CHECK(at(text, "") == text.substr(1, text.size() - 2));
    CHECK(at("\xEF\xBB\xBF 12345678901234567890123", "") == "12345678901234567890123");
}

TEST_CASE("what does not stand in JSON text is not found")
{
    const std::string text = R"({"a":[1,{"b":2}],"c":"d"})";
    for (const char* pointer : {"/b", "/a/2", "/a/01", "/a/-", "/a/", "/a/1/c", "/c/0", "/c/d",
                                "/a/99999999999999999999", "/a/0/0", "/\"a\""})
        CHECK(at(text, pointer) == "");
}

TEST_CASE("of members with the same name the last is found, also where it is written with escapes")
{
    CHECK(at(R"({"a":1,"a":2.50})", "/a") == "2.50");
    CHECK(at(R"({"a":1,"\u0061":2.50,"b":3})", "/a") == "2.50");
    CHECK(at(R"({"a\/\"b":7.0})", "/a~1\"b") == "7.0");
}

TEST_CASE("every value of a tree is found in its text")
{
    const std::string text = R"({"a":[[[]],[{}],{"x":[1,2,{"y":"\\\"]"}]}],"b":{"a":null,"":true},
        "\t\u00e4":{"~/":[false,"",-1.25e-3,"}"]},"c":0})";
    check_all(text, json::parse(text), json::json_pointer{});
}

TEST_CASE("text that is no JSON is searched without harm")
{
    const std::string text = R"({"a":[1,{"b":"\"}],"c":{"d":[[2]]}},"e":"\)";
    for (std::size_t begin = 0; begin < text.size(); ++begin)
        for (std::size_t size = 0; size <= text.size() - begin; ++size)
            for (const char* pointer : {"", "/a", "/a/1/b", "/c/d/0/0", "/e", "/0/0"})
                CHECK(at(text.substr(begin, size), pointer).size() <= size);
}

TEST_CASE("a value is put into JSON text, and all else stays as it was")
{
    const auto put = [](const char* text, const char* pointer) {
        return with_value(text, json::json_pointer{pointer}, "5");
    };
    CHECK(put("{}", "/a") == R"({"a":5})");
    CHECK(put("\xEF\xBB\xBF { } ", "/a") == "\xEF\xBB\xBF {\"a\":5 } ");
    CHECK(put(R"( {"b" : 1.10, "a":[1, 2 ] , "c":2e400} )", "/a") ==
          R"( {"b" : 1.10, "a":5 , "c":2e400} )");
    CHECK(put(R"({"b":1.10 })", "/a/b~1c/d") == R"({"b":1.10,"a":{"b/c":{"d":5}} })");
    CHECK(put(R"({"a":{"\u0062":12345678901234567890}})", "/a/b") == R"({"a":{"\u0062":5}})");
    CHECK(put(R"({"a":1,"a":2})", "/a") == R"({"a":1,"a":5})");
    CHECK(put(R"({"a":null,"b":0})", "/a/b") == R"({"a":{"b":5},"b":0})");
    CHECK(put(R"({"a":[{"b":1}, 2 ]})", "/a/0/b") == R"({"a":[{"b":5}, 2 ]})");
    CHECK(put(R"({"a":[1]})", "/a/-") == R"({"a":[1,5]})");
    CHECK(put(R"({"a":[1 ]})", "/a/1/b") == R"({"a":[1,{"b":5} ]})");
    CHECK(put(R"({"a":[]})", "/a/0/0") == R"({"a":[[5]]})");
    CHECK_THROWS_AS(put(R"({"a":[]})", "/a/1"), std::runtime_error);
    CHECK_THROWS_AS(put(R"({"a":[]})", "/a/b"), std::runtime_error);
    CHECK_THROWS_AS(put(R"({"a":"b"})", "/a/b"), std::runtime_error);
}
