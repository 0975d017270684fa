#include "flotilla/json/schema/format.hpp"

#include <string>

#include <gtest/gtest.h>

namespace flotilla::json::schema {
namespace {

struct Case {
  const char* format;
  std::string text;
};

bool accepts(const Case& c) {
  const Format* format = find_format(c.format);
  EXPECT_NE(format, nullptr) << c.format;
  return format != nullptr && format->check(c.text);
}

TEST(SchemaFormat, Accepts) {
  const Case cases[] = {
      {"date", "2024-02-29"},
      {"date", "2000-02-29"},
      {"date", "0000-01-01"},
      {"time", "23:59:60Z"},
      {"time", "15:59:60.5-08:00"},
      {"time", "00:29:60+00:30"},
      {"time", "08:30:06.283185z"},
      {"date-time", "1998-12-31t23:59:60Z"},
      {"email", "a.b+c@example.com"},
      {"email", "\"a b\\\"c\"@example.com"},
      {"email", "a@[127.0.0.1]"},
      {"email", "a@[IPv6:::1]"},
      {"hostname", "a"},
      {"hostname", "1.example.COM"},
      {"hostname", std::string(63, 'a') + ".b"},
      {"ipv4", "0.0.0.0"},
      {"ipv4", "255.255.255.255"},
      {"ipv6", "::"},
      {"ipv6", "1::"},
      {"ipv6", "::ffff:192.168.0.1"},
      {"ipv6", "1:2:3:4:5:6:7:8"},
      {"ipv6", "1:2:3:4:5:6:1.2.3.4"},
      {"ipv6", "1:2:3:4::6:7:8"},
      {"uri", "http://user:pw@[::1]:8080/a%20b?c=d/?#e"},
      {"uri", "urn:a:b"},
      {"uri", "mailto:a@b"},
      {"uri-reference", ""},
      {"uri-reference", "a/b:c"},
      {"uri-reference", "//host/a?b#c"},
      {"uri-reference", "?q"},
      {"uuid", "123e4567-E89B-12d3-a456-426614174000"},
      {"json-pointer", ""},
      {"json-pointer", "/a~0b~1c//"},
      {"relative-json-pointer", "0#"},
      {"relative-json-pointer", "12/a"},
  };
  for (const Case& c : cases) {
    EXPECT_TRUE(accepts(c)) << c.format << ' ' << c.text;
  }
}

TEST(SchemaFormat, Refuses) {
  const Case cases[] = {
      {"date", "2023-02-29"},
      {"date", "1900-02-29"},
      {"date", "2024-00-01"},
      {"date", "2024-13-01"},
      {"date", "2024-01-00"},
      {"date", "2024-04-31"},
      {"date", "2024-1-1"},
      {"date", "2024-01-01 "},
      {"date", ""},
      {"time", "08:30:06"},
      {"time", "24:00:00Z"},
      {"time", "08:60:00Z"},
      {"time", "08:30:61Z"},
      {"time", "22:59:60Z"},
      {"time", "08:30:06.Z"},
      {"time", "08:30:06+24:00"},
      {"time", "08:30:06+0100"},
      {"time", "08:30:06Zx"},
      {"date-time", "2024-01-01 08:30:06Z"},
      {"date-time", "2024-01-01"},
      {"email", "@example.com"},
      {"email", "a@"},
      {"email", ".a@example.com"},
      {"email", "a..b@example.com"},
      {"email", "a b@example.com"},
      {"email", "\"a\"b\"@example.com"},
      {"email", "\"a\\\"@example.com"},
      {"email", "a@[300.0.0.1]"},
      {"email", "a@-b"},
      {"email", std::string(65, 'a') + "@example.com"},
      {"hostname", ""},
      {"hostname", "a..b"},
      {"hostname", "a."},
      {"hostname", "-a"},
      {"hostname", "a-.b"},
      {"hostname", std::string(64, 'a')},
      {"hostname", "\xc3\xa4.example"},
      {"ipv4", "1.2.3"},
      {"ipv4", "1.2.3.4."},
      {"ipv4", "01.2.3.4"},
      {"ipv4", "1.2.3.256"},
      {"ipv4", "1.2.3.0004"},
      {"ipv6", ""},
      {"ipv6", ":"},
      {"ipv6", ":::"},
      {"ipv6", "1:"},
      {"ipv6", ":1"},
      {"ipv6", "1::2::3"},
      {"ipv6", "1:2:3:4:5:6:7"},
      {"ipv6", "1:2:3:4:5:6:7:8:9"},
      {"ipv6", "1:2:3:4::5:6:7:8"},
      {"ipv6", "12345::"},
      {"ipv6", "::1.2.3.4:5"},
      {"ipv6", "1.2.3.4::"},
      {"ipv6", "fe80::1%eth0"},
      {"uri", "/a"},
      {"uri", ":a"},
      {"uri", "1a:b"},
      {"uri", "http://a b"},
      {"uri", "http://a/%2"},
      {"uri", "http://a/%zz"},
      {"uri", "http://[::1/"},
      {"uri", "http://[::g]/"},
      {"uri", "http://[::1]x/"},
      {"uri", "http://a:b/"},
      {"uri", "http://a\\b"},
      {"uri", "http://a/#b#c"},
      {"uri-reference", "a,b:c"},
      {"uri-reference", "\xc3\xa4"},
      {"uuid", "123e4567e89b12d3a456426614174000"},
      {"uuid", "123e4567-e89b-12d3-a456-42661417400g"},
      {"uuid", "123e4567-e89b-12d3-a456_426614174000"},
      {"json-pointer", "a"},
      {"json-pointer", "/~"},
      {"json-pointer", "/~2"},
      {"relative-json-pointer", ""},
      {"relative-json-pointer", "01"},
      {"relative-json-pointer", "/a"},
      {"relative-json-pointer", "0##"},
  };
  for (const Case& c : cases) {
    EXPECT_FALSE(accepts(c)) << c.format << ' ' << c.text;
  }
}

TEST(SchemaFormat, OtherNamesAssertNothing) {
  for (const char* name :
       {"", "regex", "iri", "idn-email", "idn-hostname", "uri-template", "Date", "colour"}) {
    EXPECT_EQ(find_format(name), nullptr) << name;
  }
}

}  // namespace
}  // namespace flotilla::json::schema
