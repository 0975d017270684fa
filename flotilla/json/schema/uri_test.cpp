#include "flotilla/json/schema/uri.hpp"

#include <gtest/gtest.h>

namespace flotilla::json::schema {
namespace {

TEST(SchemaUri, ResolvesAsRfc3986Shows) {
  struct Case {
    const char* reference;
    const char* target;
  };
  // RFC 3986, 5.4, from http://a/b/c/d;p?q.
  const Case cases[] = {
      {"g:h", "g:h"},
      {"g", "http://a/b/c/g"},
      {"./g", "http://a/b/c/g"},
      {"g/", "http://a/b/c/g/"},
      {"/g", "http://a/g"},
      {"//g", "http://g"},
      {"?y", "http://a/b/c/d;p?y"},
      {"g?y", "http://a/b/c/g?y"},
      {"#s", "http://a/b/c/d;p?q#s"},
      {"g?y#s", "http://a/b/c/g?y#s"},
      {"", "http://a/b/c/d;p?q"},
      {".", "http://a/b/c/"},
      {"..", "http://a/b/"},
      {"../g", "http://a/b/g"},
      {"../../../g", "http://a/g"},
      {"g;x=1/../y", "http://a/b/c/y"},
      {"g?y/../x", "http://a/b/c/g?y/../x"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(resolve_uri("http://a/b/c/d;p?q", c.reference), c.target) << c.reference;
  }
}

TEST(SchemaUri, ResolvesFromBasesWithoutASchemeOrAPath) {
  EXPECT_EQ(resolve_uri("", "#/a"), "#/a");
  EXPECT_EQ(resolve_uri("", "b.json#x"), "b.json#x");
  EXPECT_EQ(resolve_uri("dir/a.json", "b.json"), "dir/b.json");
  EXPECT_EQ(resolve_uri("http://host", "a"), "http://host/a");
  EXPECT_EQ(resolve_uri("urn:a:b", "#c"), "urn:a:b#c");
}

TEST(SchemaUri, TellsEmptyFromAbsentParts) {
  const UriParts p = split_uri("//@:?#");
  EXPECT_FALSE(p.scheme);
  EXPECT_EQ(p.authority, "@:");
  EXPECT_EQ(p.query, "");
  EXPECT_EQ(p.fragment, "");
  EXPECT_FALSE(split_uri("a").query);
  EXPECT_FALSE(split_uri("a/b:c").scheme);
}

}  // namespace
}  // namespace flotilla::json::schema
