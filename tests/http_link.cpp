#include <headgate/http/link.hpp>

#include "support/catch.hpp"

#include <string>

namespace http = headgate::http;

namespace {

std::string next_of(const std::string& value, const std::string& second = {})
{
    http::response::fields fields{{"link", value}};
    if (!second.empty())
        fields.emplace_back("LINK", second);
    return http::find_link(http::response{200, fields}, "next").value_or("none");
}

} // namespace

TEST_CASE("the next link is found however it is written")
{
    CHECK(next_of(R"(<http://h/?page=2>; rel="next")") == "http://h/?page=2");
    CHECK(next_of("<a>; rel=next") == "a");
    CHECK(next_of("<a>;rel=next,<b>;rel=last") == "a");
    CHECK(next_of("<a>; rel=prev, <b>; rel=next") == "b");
    CHECK(next_of(R"(<a>; rel="prev next last")") == "a");
    CHECK(next_of(R"(<a>; title="x, <b>; rel=next"; rel=prev, <c>; rel=next)") == "c");
    CHECK(next_of(R"(<a>; title="say \"next\""; REL=NEXT)") == "a");
    CHECK(next_of("<http://h/?a=1,2;3>; rel=next") == "http://h/?a=1,2;3");
    CHECK(next_of("<a>; rel=prev", "<b>; rel=next") == "b");
    CHECK(next_of(" , ,<a> ; rel = next") == "a");
    CHECK(next_of("<a>; rel=next; rel=prev") == "a");
    CHECK(next_of("<>; rel=next").empty());
}

TEST_CASE("what is not a next link is not taken for one")
{
    CHECK(next_of("") == "none");
    CHECK(next_of("<a>; rel=nextpage") == "none");
    CHECK(next_of("<a>; rel=prev; rel=next") == "none"); // only the first rel counts
    CHECK(next_of("<a>; rev=next") == "none");
    CHECK(next_of(R"(<a>; rel=next; anchor="#x")") == "none");
    CHECK(next_of(R"(<a>; rel=next; anchor="#x", <b>; rel=next)") == "b");
    CHECK(next_of("a; rel=next") == "none");
    CHECK(next_of("<a; rel=next") == "none");
    CHECK(next_of("<a> rel=next, <b>; rel=next") == "b");
    CHECK(next_of(R"(<a>; rel="next)") == "a"); // a quotation mark that is missing at the end
}
