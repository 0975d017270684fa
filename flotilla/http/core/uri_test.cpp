#include "flotilla/http/core/uri.hpp"

#include <gtest/gtest.h>

namespace flotilla::http {
namespace {

struct PathCase {
  const char* path;
  const char* normal;  // null: refused
};

TEST(NormalizePath, Table) {
  const PathCase cases[] = {
      {"/", "/"},
      {"/a/b", "/a/b"},
      {"/a/", "/a/"},
      {"/a%41", "/aA"},
      {"/%7euser", "/~user"},
      {"/%2e%2E/x", "/x"},
      {"/a/./b", "/a/b"},
      {"/a/.", "/a/"},
      {"/a/..", "/"},
      {"/a/b/..", "/a/"},
      {"/a/b/../c", "/a/c"},
      {"/a/../../../b", "/b"},
      {"/..", "/"},
      {"/.", "/"},
      {"/...", "/..."},
      {"/.hidden", "/.hidden"},
      {"/a/.well-known/x", "/a/.well-known/x"},
      {"/a..", "/a.."},
      {"//", "/"},
      {"//a", "/a"},
      {"/a//b///c", "/a/b/c"},
      {"/a//../b", "/a/b"},  // the empty segment goes first, then the slashes merge
      {"/a/..//b", "/b"},
      {"/a%2Fb", "/a%2Fb"},
      {"/a%2fb", "/a%2Fb"},
      {"/a/..%2fb", "/a/..%2Fb"},
      {"/a%5cb", "/a%5Cb"},
      {"/a\\b", "/a%5Cb"},
      {"/%25", "/%25"},
      {"/%252e%252e", "/%252e%252e"},  // decoded once only
      {"/a b", "/a%20b"},
      {"/a%20b", "/a%20b"},
      {"/caf\xc3\xa9", "/caf%C3%A9"},
      {"/caf%c3%a9", "/caf%C3%A9"},
      {"/a;p=1/b", "/a;p=1/b"},
      {"/a%3bp", "/a%3Bp"},
      {"/!$&'()*+,;=:@", "/!$&'()*+,;=:@"},
      {"/[x]", "/[x]"},
      {"/\"<>^`{|}", "/%22%3C%3E%5E%60%7B%7C%7D"},
      {"/a%3F%23", "/a%3F%23"},
      {"", nullptr},
      {"a", nullptr},
      {"*", nullptr},
      {"/a?b", nullptr},
      {"/a#b", nullptr},
      {"/%", nullptr},
      {"/%2", nullptr},
      {"/%g0", nullptr},
      {"/%0g", nullptr},
      {"/%00", nullptr},
      {"/a\nb", nullptr},
      {"/a\x7f", nullptr},
  };
  std::string scratch;
  for (const PathCase& c : cases) {
    const auto normal = normalize_path(c.path, scratch);
    ASSERT_EQ(normal.has_value(), c.normal != nullptr) << c.path;
    if (normal) {
      EXPECT_EQ(normal->path, c.normal) << c.path;
      std::string again;
      EXPECT_EQ(normalize_path(c.normal, again)->path, c.normal) << "not idempotent: " << c.path;
    }
  }
}

TEST(NormalizePath, NormalPathIsReturnedInPlace) {
  std::string scratch;
  for (const std::string_view path : {"/", "/orders/15/items", "/a.b/c-d_e~f", "/a;b=c"}) {
    EXPECT_EQ(normalize_path(path, scratch)->path.data(), path.data());
  }
  EXPECT_EQ(scratch.capacity(), std::string{}.capacity());
}

TEST(NormalizePath, TellsWhatServersBehindMightReadDifferently) {
  std::string scratch;
  EXPECT_TRUE(normalize_path("/a%2fb", scratch)->encoded_slash);
  EXPECT_TRUE(normalize_path("/a%5Cb", scratch)->encoded_slash);
  EXPECT_TRUE(normalize_path("/a\\b", scratch)->encoded_slash);
  EXPECT_FALSE(normalize_path("/a/b%20", scratch)->encoded_slash);
  EXPECT_TRUE(normalize_path("/a;b", scratch)->semicolon);
  EXPECT_TRUE(normalize_path("/a%20;b", scratch)->semicolon);
  EXPECT_FALSE(normalize_path("/a%3Bb", scratch)->semicolon);
}

TEST(PercentEncode, RoundTripsEveryByte) {
  std::string all;
  for (int c = 0; c < 256; ++c) {
    all += static_cast<char>(c);
  }
  std::string encoded;
  percent_encode_segment(encoded, all);
  EXPECT_EQ(encoded.find_first_of("/?#&=+ "), std::string::npos);
  EXPECT_EQ(percent_decode(encoded), all);
  EXPECT_EQ(percent_decode("a+b"), "a+b");
  EXPECT_EQ(percent_decode("a+b%2B", true), "a b+");
  for (const char* bad : {"%", "%1", "%x1", "%1x", "a%"}) {
    EXPECT_FALSE(percent_decode(bad).has_value()) << bad;
  }
}

TEST(QueryParameters, Iterates) {
  QueryParameters parameters{"&a=1&&b&c==2&=x&"};
  std::string seen;
  while (const auto parameter = parameters.next()) {
    seen += std::string{parameter->name} + (parameter->has_value ? "=" : "") + std::string{parameter->value} +
            "|";
  }
  EXPECT_EQ(seen, "a=1|b|c==2|=x|");
  EXPECT_EQ(query_value("x=1&na%6De=a+b%21", "name"), "a b!");
  EXPECT_EQ(query_value("x", "x"), "");
  EXPECT_FALSE(query_value("x=1", "y").has_value());
  EXPECT_FALSE(query_value("x=%", "x").has_value());
}

}  // namespace
}  // namespace flotilla::http
