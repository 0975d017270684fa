#include "flotilla/journal/core/personal.hpp"

#include <gtest/gtest.h>

namespace flotilla::journal {
namespace {

PersonalFields fields(std::string_view subject, std::initializer_list<std::string_view> paths) {
  PersonalFields personal{.subject = parse_field_path(subject).value(), .fields = {}};
  for (const std::string_view path : paths) {
    personal.fields.push_back(parse_field_path(path).value());
  }
  return personal;
}

TEST(Personal, PathsAreMembers) {
  EXPECT_EQ(parse_field_path(".a.b_2").value(), (FieldPath{"a", "b_2"}));
  EXPECT_EQ(to_string(FieldPath{"a", "b"}), ".a.b");
  for (const char* const wrong : {"", ".", "a", ".a.", ".a..b", ".a[0]", ".a | .b", ".1.2.3.4.5.6.7.8.9"}) {
    EXPECT_FALSE(parse_field_path(wrong)) << wrong;
  }
}

TEST(Personal, WhatIsPersonalIsNullInTheRest) {
  const auto parted = part(fields(".user.id", {".email", ".user.name", ".none"}),
                           R"({"n":1.10,"email":"a@b.c","user":{"id":7,"name":{"first":"Ann"}}})");
  ASSERT_TRUE(parted);
  EXPECT_EQ(parted->subject, "7");
  EXPECT_EQ(parted->rest, R"({"n":1.10,"email":null,"user":{"id":7,"name":null}})");
}

TEST(Personal, WithoutAnyOfTheFieldsThereIsNothing) {
  const PersonalFields personal = fields(".user_id", {".email", ".address.street"});
  for (const char* const data : {"", "{}", R"({"user_id":"7"})", R"({"user_id":"7","email":null})",
                                 R"({"address":"x"})", "[1]", "7"}) {
    EXPECT_FALSE(part(personal, data)) << data;
  }
}

// Nobody's: it is kept without, never as it is.
TEST(Personal, WhereNobodyCanBeToldNothingIsKept) {
  const PersonalFields personal = fields(".user_id", {".email"});
  for (const char* const data : {R"({"email":"x"})", R"({"user_id":null,"email":"x"})",
                                 R"({"user_id":1.5,"email":"x"})", R"({"user_id":{},"email":"x"})"}) {
    const auto parted = part(personal, data);
    ASSERT_TRUE(parted) << data;
    EXPECT_EQ(parted->subject, "") << data;
    EXPECT_EQ(parted->rest.find("\"x\""), std::string::npos) << parted->rest;
  }
  const auto no_json = part(personal, "email: x");
  ASSERT_TRUE(no_json);
  EXPECT_EQ(no_json->subject, "");
  EXPECT_EQ(no_json->rest, "");
  const auto long_one =
      part(personal, R"({"email":"x","user_id":")" + std::string(kMaxSubject + 1, 'u') + "\"}");
  EXPECT_EQ(long_one.value().subject, "");
}

TEST(Personal, DataAboutASubjectSaysNothingElse) {
  const PersonalFields personal = fields(".user.id", {".email"});
  EXPECT_EQ(data_about(personal, "7"), R"({"user":{"id":"7"}})");
  EXPECT_EQ(subject_of(personal, data_about(personal, "7")), "7");
  EXPECT_FALSE(part(personal, data_about(personal, "7")));
}

}  // namespace
}  // namespace flotilla::journal
