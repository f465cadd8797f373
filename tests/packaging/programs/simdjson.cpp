// A page as simdjson reads it, which takes its library to link.
#include <headgate/simdjson/simdjson_parser.hpp>

#include <exception>
#include <iostream>

int main()
try {
    const auto page = headgate::simdjson_parser{}.parse(
        R"({"results":[{"id":1},{"id":2}]})", nlohmann::json::json_pointer{"/results"});
    std::cout << "simdjson: " << page.records.size() << " records\n";
    return page.records.size() == 2 ? 0 : 1;
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
