#include "flotilla/json/writer.hpp"

#include <string>

#include <gtest/gtest.h>

namespace flotilla::json {
namespace {

TEST(JsonWriter, EscapesWhatMustBe) {
  std::string out;
  append_quoted(out, std::string_view("a\"b\\c\n\t\x01\x7f/\u00e9\0", 13));
  EXPECT_EQ(out, "\"a\\\"b\\\\c\\n\\t\\u0001\\u007f/\u00e9\\u0000\"");
}

TEST(JsonWriter, PrettyPrints) {
  const Value v = Value::object({{"a", Value::array({1, Value::array(), Value::object()})}, {"b", nullptr}});
  EXPECT_EQ(write(v, Style::pretty), "{\n  \"a\": [\n    1,\n    [],\n    {}\n  ],\n  \"b\": null\n}");
  EXPECT_EQ(write(v), R"({"a":[1,[],{}],"b":null})");
}

TEST(JsonWriter, StreamsWithCommasWhereTheyBelong) {
  std::string out = "x=";
  Writer w(out);
  w.begin_object()
      .key("id")
      .value(7)
      .key("ok")
      .value(true)
      .key("none")
      .value(nullptr)
      .key("tags")
      .begin_array();
  w.value("a").value(2.5).raw("{\"raw\":1}").begin_object().end().value(Value::array({1})).end();
  w.key("last").begin_array().end().key("big").value(UINT64_MAX).end();
  EXPECT_EQ(
      out,
      R"(x={"id":7,"ok":true,"none":null,"tags":["a",2.5,{"raw":1},{},[1]],"last":[],"big":18446744073709551615})");
}

}  // namespace
}  // namespace flotilla::json
