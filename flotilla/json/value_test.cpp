#include "flotilla/json/value.hpp"

#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "flotilla/json/number.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::json {
namespace {

TEST(JsonValue, BuildsLikeItReads) {
  const Value v = Value::object({{"id", 7},
                                 {"name", "Ada"},
                                 {"ok", true},
                                 {"none", nullptr},
                                 {"tags", Value::array({"a", 2U, Value::number(0.5)})}});
  EXPECT_EQ(write(v), R"({"id":7,"name":"Ada","ok":true,"none":null,"tags":["a",2,0.5]})");
  EXPECT_EQ(v["tags"][0].as_string(), "a");
  EXPECT_TRUE(v["nope"]["deeper"][3].is_null());
  EXPECT_EQ(v.find("nope"), nullptr);
  EXPECT_EQ(v.size(), 5U);
}

TEST(JsonValue, ACopyNeverSeesAChange) {
  Value a = Value::object({{"list", Value::array({1})}});
  const Value b = a;
  a.set("list", 2);
  a.set("more", 3);
  EXPECT_EQ(write(b), R"({"list":[1]})");
  EXPECT_EQ(write(a), R"({"list":2,"more":3})");
  Value c = Value::array({1, 2, 3});
  const Value d = c;
  c.push_back(4);
  c.set(0, "first");
  EXPECT_EQ(write(d), "[1,2,3]");
  EXPECT_EQ(write(c), R"(["first",2,3,4])");
}

TEST(JsonValue, MayBeAssignedItsOwnPart) {
  Value v = Value::array({Value::array({"an element that is longer than fourteen bytes"})});
  v = Value(v[0]);
  v = v[0];
  EXPECT_EQ(v.as_string(), "an element that is longer than fourteen bytes");
}

TEST(JsonValue, LargeObjectsKeepOrderAndFind) {
  Value v = Value::object();
  for (int i = 0; i < 200; ++i) {
    v.set("k" + std::to_string((i * 37) % 200), i);
  }
  EXPECT_EQ(v.size(), 200U);
  EXPECT_EQ(v.members()[1].key(), "k37");
  EXPECT_EQ(v["k74"], Value(2));
  EXPECT_TRUE(v.erase("k37"));
  EXPECT_FALSE(v.erase("k37"));
  EXPECT_EQ(v.members()[1].key(), "k74");
  for (int i = 2; i < 200; ++i) {
    EXPECT_EQ(v["k" + std::to_string((i * 37) % 200)], Value(i));
  }
  const std::uint64_t size = v.text_size();
  EXPECT_EQ(size, write(v).size());
  while (v.size() > 0) {
    v.erase(std::string(v.members()[v.size() / 2].key()));
    EXPECT_EQ(v.text_size(), write(v).size());
  }
}

TEST(JsonValue, CountsItsTextAndDepth) {
  EXPECT_EQ(Value().depth(), 0U);
  EXPECT_EQ(Value::array().depth(), 1U);
  const Value v = *parse(R"({"a":[1,[2,{}]],"bc":"d"})");
  EXPECT_EQ(v.depth(), 4U);
  EXPECT_EQ(v.text_size(), write(v).size());
}

TEST(JsonValue, ReadsNumbers) {
  EXPECT_EQ(Value(INT64_MIN).as_int(), INT64_MIN);
  EXPECT_EQ(Value(UINT64_MAX).number_text(), "18446744073709551615");
  EXPECT_EQ(Value(UINT64_MAX).as_int(), std::nullopt);
  EXPECT_EQ(Value("7").as_int(), std::nullopt);
  EXPECT_EQ(Value::number("1.50e1").as_int(), 15);
  EXPECT_EQ(Value::number("1.55e1").as_int(), std::nullopt);
  EXPECT_EQ(Value::number("-9223372036854775808.0").as_int(), INT64_MIN);
  EXPECT_EQ(Value::number("9223372036854775808").as_int(), std::nullopt);
  EXPECT_EQ(Value::number("1.5").as_double(), 1.5);
  EXPECT_EQ(Value::number("-1e400").as_double(), -HUGE_VAL);
  EXPECT_EQ(Value::number("1e-400").as_double(), 0.0);
  EXPECT_TRUE(Value::number(std::nan("")).is_null());
  EXPECT_EQ(Value::number(1e300).as_double(), 1e300);
}

TEST(JsonNumber, ComparesExactly) {
  const char* ascending[] = {"-1e400",
                             "-9007199254740993",
                             "-9007199254740992",
                             "-1.5",
                             "-1",
                             "-1e-9",
                             "0",
                             "1e-400",
                             "0.1",
                             "0.10000000000000000000000000000000000001",
                             "1",
                             "1.5",
                             "10",
                             "9007199254740992",
                             "9007199254740993",
                             "12345678901234567890",
                             "12345678901234567890.5",
                             "1e400"};
  for (std::size_t i = 0; i < std::size(ascending); ++i) {
    for (std::size_t j = 0; j < std::size(ascending); ++j) {
      EXPECT_EQ(compare_numbers(ascending[i], ascending[j]), i <=> j) << ascending[i] << " " << ascending[j];
    }
  }
  for (const char* one : {"1.0", "1e0", "0.1e1", "100e-2", "1.000000000000000000000000000000"}) {
    EXPECT_EQ(compare_numbers(one, "1"), std::strong_ordering::equal) << one;
  }
  EXPECT_EQ(compare_numbers("-0", "0e5"), std::strong_ordering::equal);
}

TEST(JsonValue, OrdersAsJqDoes) {
  const char* ascending[] = {"null",
                             "false",
                             "true",
                             "-1",
                             "0",
                             "1.5",
                             R"("")",
                             R"("a")",
                             R"("aa")",
                             R"("b")",
                             "\"\u00e9\"",
                             "[]",
                             "[null]",
                             "[1]",
                             "[1,0]",
                             "[2]",
                             "{}",
                             R"({"a":2})",
                             R"({"a":1,"b":0})",
                             R"({"b":1,"a":1})",
                             R"({"b":0})"};
  for (std::size_t i = 0; i < std::size(ascending); ++i) {
    for (std::size_t j = 0; j < std::size(ascending); ++j) {
      EXPECT_EQ(compare(*parse(ascending[i]), *parse(ascending[j])), i <=> j)
          << ascending[i] << " " << ascending[j];
      EXPECT_EQ(*parse(ascending[i]) == *parse(ascending[j]), i == j);
    }
  }
  EXPECT_EQ(*parse(R"({"a":1,"b":[1.0]})"), *parse(R"({"b":[1],"a":1e0})"));
}

}  // namespace
}  // namespace flotilla::json
