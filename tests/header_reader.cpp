#include <headgate/detail/header_reader.hpp>

#include "support/catch.hpp"

#include <initializer_list>
#include <string>

using headgate::detail::header_reader;
using fields = headgate::http::response::fields;

namespace {

void feed(header_reader& reader, std::initializer_list<const char*> lines)
{
    for (const char* line : lines)
        reader.line(line);
}

} // namespace

TEST_CASE("lines become fields, without the blanks around their values")
{
    header_reader reader;
    feed(reader, {"HTTP/1.1 200 OK\r\n", "A: 1\r\n", "b:\t two words \t\r\n", "Empty:\r\n",
                  "Blank: \r\n", "C:x:y\n", "A: again\r\n", "no colon\r\n", "\r\n"});
    CHECK(reader.take() == fields{{"A", "1"},
                                  {"b", "two words"},
                                  {"Empty", ""},
                                  {"Blank", ""},
                                  {"C", "x:y"},
                                  {"A", "again"},
                                  {"no colon", ""}});
    CHECK(reader.take().empty());
}

TEST_CASE("a folded line goes on with the field before it")
{
    header_reader reader;
    feed(reader, {"HTTP/1.1 200 OK\r\n", " nothing before\r\n", "A: 1\r\n", " \t two\r\n",
                  "   \r\n", "\tthree \r\n", "B: 2\r\n", "\r\n"});
    CHECK(reader.take() == fields{{"A", "1 two\tthree"}, {"B", "2"}});
}

TEST_CASE("only the final answer's fields are kept, and no trailers")
{
    header_reader reader;
    feed(reader, {"HTTP/1.1 103 Early Hints\r\n", "Early: 1\r\n", "\r\n", "HTTP/2 200 \r\n",
                  "A: 1\r\n", "\r\n", "Trailer: 1\r\n"});
    reader.body();
    feed(reader, {"HTTP/1.1 200 OK: a trailer\r\n", "Another: 1\r\n", "\r\n"});
    CHECK(reader.take() == fields{{"A", "1"}});
    feed(reader, {"B: before any answer\r\n", "HTTP/1.1 200 OK\r\n", "C: 1\r\n"});
    CHECK(reader.take() == fields{{"C", "1"}}); // the connection was lost there
    feed(reader, {"HTTP/1.1 204 No Content\r\n", "\r\n"});
    CHECK(reader.take().empty());
}
