// What the README promises of <headgate/headgate.hpp>.
#include <headgate/headgate.hpp>

#include "support/catch.hpp"

#include <fstream>
#include <iterator>
#include <string>

namespace {

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

TEST_CASE("one header brings every layer that needs no opt-in")
{
    const headgate::paging::offset pages{headgate::http::request{"http://h/list"}};
    CHECK(pages.expected() == std::nullopt);
    CHECK(headgate::limit::paced(100, std::chrono::seconds{61}).count() == 100);
    CHECK(headgate::outcome{}.code() == headgate::outcome_code::in_progress);
}
