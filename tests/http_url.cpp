#include <headgate/http/url.hpp>

#include "support/catch.hpp"

using headgate::http::url;

TEST_CASE("a URL is taken apart by libcurl")
{
    const url one{"HTTPS://user:secret@Example.com/a?b=c#d"};
    CHECK(one.scheme() == "https");
    CHECK(one.port() == "443");
    CHECK(one.query() == "b=c");
    CHECK(one.without_credentials().find("secret") == std::string::npos);
    CHECK(one.same_origin(url{"https://example.COM:443/z"}));
    CHECK_FALSE(one.same_origin(url{"http://example.com/"}));
    CHECK_FALSE(one.same_origin(url{"https://example.com:8443/"}));
    CHECK_FALSE(one.same_origin(url{"https://user:secret@evil.com/"}));
}

TEST_CASE("a link-local address is another host in another zone")
{
    const url one{"http://[fe80::1%25eth0]/a"};
    CHECK(one.same_origin(url{"http://[FE80::1%25eth0]:80/b"}));
    CHECK_FALSE(one.same_origin(url{"http://[fe80::1%25eth1]/a"}));
    CHECK_FALSE(one.same_origin(url{"http://[fe80::1]/a"}));
    CHECK_FALSE(url{"http://[fe80::1]/a"}.same_origin(one));
    CHECK(url{one}.str() == one.str());
    CHECK(one.same_origin(one.resolved("/b")));
    CHECK(url{one}.set_query("a", "%").str() == "http://[fe80::1%25eth0]/a?a=%25");
    CHECK(one.without_credentials() == one.str());
    CHECK_THROWS_WITH(url{"http://me:secret@[fe80::1%25a%7Fb]/"},
                      Catch::Contains("zone") && !Catch::Contains("secret"));
    CHECK_THROWS_AS(one.resolved("//[fe80::1%25a%2525b]/"), std::invalid_argument);
}

TEST_CASE("setting a query parameter leaves the others as they are")
{
    const auto with = [](const char* before, const char* name, const char* value) {
        return url{before}.set_query(name, value).str();
    };
    CHECK(with("http://h/x", "offset", "0") == "http://h/x?offset=0");
    CHECK(with("http://h/x?a=%2F+b&c", "offset", "5") == "http://h/x?a=%2F+b&c&offset=5");
    CHECK(with("http://h/x?a=1&offset=2&b=3&offset=4", "offset", "9") ==
          "http://h/x?a=1&offset=9&b=3");
    CHECK(with("http://h/x", "cursor", "a+b/c=&#%\xc3\xa4") ==
          "http://h/x?cursor=a%2Bb%2Fc%3D%26%23%25%C3%A4");
    CHECK(with("http://h/x?page%5Bsize%5D=1", "page[size]", "2") == "http://h/x?page%5Bsize%5D=2");
    CHECK(with("http://h/x#part", "a", "") == "http://h/x?a=#part");
}

TEST_CASE("credentials are passed on with their very bytes")
{
    const url list{"http://me:a%7Db%2f\xf4@api/"};
    url next{"http://api/list?a#b"};
    next.set_credentials(list);
    CHECK(next.str() == "http://me:a%7Db%2f\xf4@api/list?a#b");
    next.set_credentials(url{"http://other@api/"});
    CHECK(next.credentials() == list.credentials());
}

TEST_CASE("what is no http URL is refused without showing credentials")
{
    const std::string bad =
        GENERATE(as<std::string>{}, "", "example.com/x", "ftp://u:secret@h/x", "file:///etc/passwd",
                 "http://", "http://u:secret@h:99999/", "//h/x", "http://u:secret@h\n/",
                 "http://u:secret@h%7F/", "http://u:secret@h%2541/");
    try {
        url{bad};
        FAIL("accepted " << bad);
    } catch (const std::invalid_argument& e) {
        CHECK(std::string{e.what()}.find("URL") != std::string::npos);
        CHECK(std::string{e.what()}.find("secret") == std::string::npos);
    }
}
