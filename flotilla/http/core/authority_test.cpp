#include "flotilla/http/core/authority.hpp"

#include <string>

#include <gtest/gtest.h>

namespace flotilla::http {
namespace {

TEST(ParseAuthority, HostAndPort) {
  const auto parsed = [](std::string_view text) -> std::string {
    const auto authority = parse_authority(text);
    if (!authority) {
      return "refused";
    }
    return std::string{authority->host} + "|" + (authority->port ? std::to_string(*authority->port) : "");
  };
  EXPECT_EQ(parsed("a.example:80"), "a.example|80");
  EXPECT_EQ(parsed("a.example."), "a.example|");
  EXPECT_EQ(parsed("a.example.:0"), "a.example|0");
  EXPECT_EQ(parsed("[::1]:443"), "[::1]|443");
  EXPECT_EQ(parsed(""), "|");
  EXPECT_EQ(parsed("."), "refused");
  EXPECT_EQ(parsed("a:65536"), "refused");
  EXPECT_EQ(parsed("a@b"), "refused");
}

TEST(IsIpv6, Table) {
  for (const char* good : {"::", "::1", "1::", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::2:3:4:5:6:7:8",
                           "fe80::1:2", "::ffff:192.0.2.1", "1:2:3:4:5:6:192.0.2.1", "ABCD::ef01"}) {
    EXPECT_TRUE(is_ipv6(good)) << good;
  }
  for (const char* bad : {"", ":", ":::", "1", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3",
                          "12345::", "g::", "1:2:3:4:5:6:7:8::", "::1.2.3", "::1.2.3.256", "::01.2.3.4",
                          "1.2.3.4::", "1.2.3.4", ":1::2", "1::2:", "1:2:3:4:5:6:7:1.2.3.4", "::%1"}) {
    EXPECT_FALSE(is_ipv6(bad)) << bad;
  }
}

}  // namespace
}  // namespace flotilla::http
