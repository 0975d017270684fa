#include "flotilla/journal/core/line.hpp"

#include <gtest/gtest.h>

#include "flotilla/journal/core/body.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::journal {
namespace {

TEST(Line, BodiesReadBackByteForByte) {
  std::string body;
  BodyWriter(body)
      .number(1, 0)
      .number(1, ~std::uint64_t{0})
      .bytes(2, "ü \"x\"\n")
      .bytes(3, "\xc3")
      .bytes(3, std::string_view("\0", 1));
  const json::Value line = json::Value::object({{"body", body_to_json(body)}});
  EXPECT_EQ(json::write(line),
            R"({"body":[[1,0],[1,18446744073709551615],[2,"ü \"x\"\n"],[3,{"hex":"c3"}],[3,"\u0000"]]})");
  const json::Value parsed = json::parse(json::write(line)).value();
  MemberReader in(parsed, {"body"});
  EXPECT_EQ(in.body("body"), body);
  EXPECT_TRUE(in.finish().has_value());
}

TEST(Line, TextAndHashesReadBack) {
  Hash hash{};
  hash[0] = 0xab;
  const json::Value line = json::Value::object(
      {{"a", text_to_json("plain")}, {"b", text_to_json("\xff\xfe")}, {"h", hash_to_json(hash)}});
  MemberReader in(line, {"a", "b", "h"});
  EXPECT_EQ(in.text("a"), "plain");
  EXPECT_EQ(in.text("b"), "\xff\xfe");
  EXPECT_EQ(in.hash("h"), hash);
  EXPECT_TRUE(in.finish().has_value());
}

TEST(Line, TheFirstFaultIsTold) {
  struct Case {
    std::string_view json;
    void (*read)(MemberReader&);
    std::string_view message;
  };
  const Case cases[] = {
      {R"([])", [](MemberReader&) {}, "no object"},
      {R"({"b":1})", [](MemberReader&) {}, "\"b\" is not known"},
      {R"({"a":-1})", [](MemberReader& in) { (void)in.number("a", 0, 9); },
       "\"a\" is no whole number from 0 to 9"},
      {R"({"a":10})", [](MemberReader& in) { (void)in.number("a", 0, 9); },
       "\"a\" is no whole number from 0 to 9"},
      {R"({})", [](MemberReader& in) { (void)in.number("a", 0, 9); }, "\"a\" is no whole number from 0 to 9"},
      {R"({"a":{"hex":"0g"}})", [](MemberReader& in) { (void)in.text("a"); },
       "\"a\" is neither a string nor {\"hex\": \"...\"}"},
      {R"({"a":"view"})", [](MemberReader& in) { (void)in.record_class("a"); },
       "\"a\" is no class of records"},
      {R"({"a":"00"})", [](MemberReader& in) { (void)in.hash("a"); },
       "\"a\" is no hash of 64 hexadecimal digits"},
      {R"({"a":{}})", [](MemberReader& in) { (void)in.body("a"); }, "\"a\" is no list of fields"},
      {R"({"a":[[0,1]]})", [](MemberReader& in) { (void)in.body("a"); },
       "\"a\" has a field that is no [tag, value] with ascending tags"},
      {R"({"a":[[1,1,1]]})", [](MemberReader& in) { (void)in.body("a"); },
       "\"a\" has a field that is no [tag, value] with ascending tags"},
      {R"({"a":[[1,-1]]})", [](MemberReader& in) { (void)in.body("a"); },
       "\"a\" has a number that is no whole 64-bit number"},
      {R"({"a":[[1,null]]})", [](MemberReader& in) { (void)in.body("a"); },
       "\"a\" is neither a string nor {\"hex\": \"...\"}"},
  };
  for (const Case& c : cases) {
    const json::Value value = json::parse(c.json).value();
    MemberReader in(value, {"a"});
    c.read(in);
    (void)in.text("never");  // a later fault changes nothing
    ASSERT_FALSE(in.finish().has_value()) << c.json;
    EXPECT_EQ(in.finish().error().message, c.message) << c.json;
  }
}

}  // namespace
}  // namespace flotilla::journal
