#include <headgate/simdjson/simdjson_parser.hpp>

#include "support/catch.hpp"

#include <exception>
#include <random>
#include <string>
#include <vector>

namespace {

using nlohmann::json;

/// What a parser makes of a body, or that it refuses it.
template <class Parser>
std::string outcome(const std::string& body, const std::string& pointer)
{
    try {
        const auto page = Parser{}.parse(body, json::json_pointer{pointer});
        std::string result = page.document.dump();
        for (const auto each : headgate::record_range{body, page.records})
            result += '\n' + std::string{each.text()};
        return result;
    } catch (const std::exception& e) {
        return e.what();
    }
}

void check_same(const std::string& body, const std::string& pointer)
{
    INFO(body << " at " << pointer);
    CHECK(outcome<headgate::simdjson_parser>(body, pointer) ==
          outcome<headgate::json_parser>(body, pointer));
}

/// Any JSON at all.
json any(std::mt19937& random, unsigned depth)
{
    const std::vector<json> leaves{
        nullptr, true, 0, -7, 1.5, 18446744073709551615U, "", "a\"b\\", "\xc3\xa4,[]{}\n", 1e300};
    const auto kind = random() % (depth == 0 ? 8 : 14);
    if (kind < 8)
        return leaves[random() % leaves.size()];
    json result = kind < 11 ? json::array() : json::object();
    for (auto left = random() % 5; left > 0; --left) {
        json value = any(random, depth - 1);
        if (result.is_array())
            result.push_back(std::move(value));
        else
            result[std::string(1, static_cast<char>('a' + random() % 3))] = std::move(value);
    }
    return result;
}

} // namespace

TEST_CASE("simdjson finds what nlohmann/json finds")
{
    std::mt19937 random{7};
    for (int i = 0; i < 2000; ++i) {
        const json value = any(random, 4);
        const std::string body = value.dump(static_cast<int>(random() % 3) - 1);
        for (const char* pointer : {"", "/a", "/a/b", "/0", "/a/0/c"})
            check_same(body, pointer);
        // Cut, or with one byte another.
        check_same(body.substr(0, random() % (body.size() + 1)), "/a");
        std::string broken = body;
        broken[random() % broken.size()] = "{}[],:\"0 x"[random() % 10];
        check_same(broken, "/a");
    }
}

TEST_CASE("what simdjson cannot read is read all the same")
{
    for (const char* body :
         {"{\"a\":[18446744073709551617,1.10000000000000000000001,-0.0]}",
          "{\"a\":[1],\"a\":[2,3]}", "{\"a\":[1],\"a\":null}", "\xef\xbb\xbf{\"a\":[1]}",
          "{\"\\u0061\":[1 ]}", "", " ", "{\"a\":{}}", "{\"a\":[]}", "{\"a\":null}",
          "{\"a\":[\"\xff\"]}", "{\"a\":[\"\\ud800\"]}", "{\"a\":[nul]}"})
        check_same(body, "/a");
    check_same(std::string(600, '[') + std::string(600, ']'), "");
    check_same("{\"a\":[" + std::string(600, '[') + std::string(600, ']') + "]}", "/a");
}

TEST_CASE("a large page after a small one, and a body without room behind it")
{
    std::string large = "{\"a\":[0";
    for (int i = 1; i < 50'000; ++i)
        large += ',' + std::to_string(i);
    large += "]}";
    check_same("{\"a\":[1]}", "/a");
    large.shrink_to_fit();
    check_same(large, "/a");
    check_same("[1]", "");
}

TEST_CASE("a record has the same digest whoever has read its page")
{
    const json::json_pointer pointer{"/a"};
    const auto digest = [&](const std::string& body) {
        return headgate::simdjson_parser{}.parse(body, pointer).records.front().digest;
    };
    CHECK(digest(R"({"a":[{"id":1}]})") ==
          digest(R"({"a":[{"id":1},{"id":18446744073709551617}]})"));
    CHECK(digest(R"({"a":[{"id":1}]})") != digest(R"({"a":[{"id":2}]})"));
}
