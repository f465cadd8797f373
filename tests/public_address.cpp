#include <headgate/detail/public_address.hpp>

#include "support/catch.hpp"

#include <string>

using headgate::detail::is_public;

TEST_CASE("addresses of the internet are public, all special ones are not")
{
    for (const std::string address :
         {"1.1.1.1", "93.184.216.34", "172.15.255.255", "172.32.0.1", "100.63.255.255",
          "100.128.0.0", "192.0.1.0", "198.17.255.255", "223.255.255.255", "2606:4700::1111",
          "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"})
        CHECK(is_public(address));
    for (const std::string address : {"0.0.0.0",
                                      "10.0.0.1",
                                      "100.64.0.1",
                                      "127.0.0.1",
                                      "127.255.255.255",
                                      "169.254.169.254",
                                      "172.16.0.1",
                                      "172.31.255.255",
                                      "192.0.0.1",
                                      "192.0.2.1",
                                      "192.168.1.1",
                                      "198.18.0.1",
                                      "198.51.100.1",
                                      "203.0.113.1",
                                      "224.0.0.1",
                                      "255.255.255.255",
                                      "::",
                                      "::1",
                                      "fe80::1",
                                      "fe80::1%lo",
                                      "fc00::1",
                                      "fd00::1",
                                      "ff02::1",
                                      "::ffff:127.0.0.1",
                                      "::ffff:169.254.169.254",
                                      "64:ff9b::7f00:1",
                                      "2002:7f00:1::1",
                                      "2001:db8::1",
                                      "",
                                      "localhost",
                                      "1.1.1"})
        CHECK_FALSE(is_public(address));
}
