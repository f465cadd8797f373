// A pager, and a page as nlohmann/json reads it.
#include <headgate/json_parser.hpp>
#include <headgate/paging/offset.hpp>

#include <exception>
#include <iostream>

int main()
try {
    const headgate::paging::offset pages{headgate::http::request{"http://127.0.0.1:1/items"}};
    const auto page = headgate::json_parser{}.parse(
        R"({"results":[{"id":1},{"id":2}]})", nlohmann::json::json_pointer{"/results"});
    const bool right = !pages.expected() && page.records.size() == 2;
    std::cout << "extract: " << page.records.size() << " records\n";
    return right ? 0 : 1;
} catch (const std::exception& e) {
    std::cerr << e.what() << '\n';
    return 1;
}
