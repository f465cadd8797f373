#include <headgate/http/link.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <string>
#include <vector>

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
    CHECK(next_of("<a>; rel='next'") == "a");
    CHECK(next_of("<a>; REL='prev next', <b>; rel=last") == "a");
    CHECK(next_of("nonsense, <a>; rel=next") == "a");
    CHECK(next_of(R"(/x; rel="first", <a>; rel="next")") == "a");
    CHECK(next_of(R"(<x; rel="first", <a>; rel="next")") == "a");
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
    CHECK(next_of("<a>; title='x, <b>; rel=prev, <c>; rel=next") == "c"); // no quotation mark
    CHECK(next_of(R"(<a>; rel="http://x/next")") == "none");
    CHECK(next_of(R"(<a>; rel="next)") == "a"); // a quotation mark that is missing at the end
}

TEST_CASE("what is malformed is told, and the rest is read")
{
    const auto malformed = [](const std::string& value) {
        return http::malformed_links(http::response{200, {{"Link", value}}});
    };
    using texts = std::vector<std::string>;
    for (const std::string all :
         {"/i?c=1; rel=\"next\"", "<a; rel=next", "</i?c=1; rel=\"next\"", "&lt;a&gt;; rel=next",
          "\"<a>\"; rel=\"next\"", "<a>; rel=\"first\"; <b>; rel=\"next\"",
          "<a>; rel=first; /b; rel=next", "<a>; rel=first <b>; rel=next", "<a>; rel=\"next",
          "<a>; rel=\"first, <b>; rel=\"next\"", "<a>; rel=\"first, <b>; rel=\"next\", <c>",
          "<a>; rel=&quot;next&quot;", "<a>; rel=\\\"next\\\"",
          "<a>; rel=\xe2\x80\x9cnext\xe2\x80\x9d", "<a>; rel=\"prev,next\"", "<a>; rel='next",
          "<a>; \"next\"", "<a>; =next"}) {
        CAPTURE(all);
        CHECK(malformed(all) == texts{all});
    }
    CHECK(malformed("x; rel=next,<a>; rel=prev, <b> y, <c>") == texts{"x; rel=next", "<b> y"});
    CHECK(malformed("/i?c=1,2; rel=next") == texts{"/i?c=1", "2; rel=next"});
    for (const std::string sound :
         {"", " , ,", "<a>; rel=next", "<a>;", "<a>; ;rel=next ; ", "<>",
          "< /a >; rel=\"prev next\"", R"(<a>; title="<b>; rel=\"next\", <c>"; rel=prev)",
          "<a>; rel=http://x/next", R"(<a>; rel="http://x/next?a='b'&c")",
          "<a>; rel=prev; rel=next", "<a>; rev=next", "<a>; rel*=UTF-8''next",
          "<a>; rel='next'; crossorigin", "<a>; type=text/html", R"(<a>; rel=next; anchor="#x")",
          "<a>; rel=next-archive"}) {
        CAPTURE(sound);
        CHECK(malformed(sound).empty());
    }
    const http::response two{200, {{"Link", "x"}, {"Other", "y"}, {"LINK", "<a>, z"}}};
    CHECK(http::malformed_links(two) == texts{"x", "z"});
}

TEST_CASE("a field of any length is read in linear time")
{
    constexpr std::size_t count = 300'000;
    const auto repeated = [](std::string text, const std::string& part) {
        for (std::size_t i = 0; i < count; ++i)
            text += part;
        return text;
    };
    const http::response no_links{200, {{"Link", repeated("", "a,")}}};
    CHECK_FALSE(http::find_link(no_links, "next"));
    CHECK(http::malformed_links(no_links).size() == count);
    CHECK(next_of(repeated("<x>", ";a=b") + ";rel=next") == "x");
    CHECK(next_of(repeated("<x>;rel=next", ";a='b")) == "x");
    CHECK(next_of(repeated("<x>;rel=next", ";rel='b")) == "x");
    CHECK(next_of(repeated("", "<x,") + "<y>;rel=next") == "y");
    CHECK(next_of(repeated("<", "x,") + "<y>;rel=next") == "y");
}
