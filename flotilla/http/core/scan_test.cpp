#include "flotilla/http/core/scan.hpp"

#include <array>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"
#include "flotilla/http/core/field_id.hpp"

namespace flotilla::http {
namespace {

TEST(Scan, TokenCharactersAreThoseOfRfc9110) {
  const std::string_view marks = "!#$%&'*+-.^_`|~";
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    const bool alnum =
        (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
    EXPECT_EQ(is_token_char(byte), alnum || marks.find(byte) != std::string_view::npos) << c;
  }
}

// Every byte value at every place of a block, against the definition.
TEST(Scan, BothClassifiersAgreeWithTheDefinition) {
  for (const ClassifyFunction classify : {portable_classifier(), best_classifier()}) {
    for (int c = 0; c < 256; ++c) {
      for (std::size_t at = 0; at < 64; ++at) {
        std::array<char, 64> block{};
        block.fill('a');
        block[at] = static_cast<char>(c);
        ByteClasses classes;
        classify(block.data(), 1, &classes);
        const bool control = (c < 0x20 && c != '\t') || c == 0x7f;
        ASSERT_EQ(classes.control, control ? std::uint64_t{1} << at : 0) << c << " at " << at;
        ASSERT_EQ(classes.not_token, is_token_char(static_cast<char>(c)) ? 0 : std::uint64_t{1} << at) << c;
      }
    }
  }
}

TEST(FieldId, RoundTripsEveryName) {
  for (std::size_t i = 1; i < kFieldIdCount; ++i) {
    const auto id = static_cast<FieldId>(i);
    std::string name{field_name(id)};
    if (name.empty()) {
      EXPECT_GE(id, FieldId::x_forwarded_other);
      continue;
    }
    EXPECT_EQ(field_id(name), id) << name;
    for (char& c : name) {
      c = (c >= 'a' && c <= 'z') ? static_cast<char>(c - 32) : c;
    }
    EXPECT_EQ(field_id(name), id) << name;
    // One wrong character, or one more or less, is another name.
    for (char& c : name) {
      const char kept = c;
      c = '~';
      EXPECT_NE(field_id(name), id) << name;
      c = kept;
    }
    EXPECT_NE(field_id(name + "x"), id);
    EXPECT_NE(field_id(name.substr(1)), id);
    if (const std::size_t dash = name.find('-'); dash != std::string::npos) {
      name[dash] = '_';
      EXPECT_EQ(field_id(name), FieldId::underscore_alias) << name;
    }
  }
}

TEST(FieldId, Families) {
  EXPECT_EQ(field_id("X-Forwarded-Tls"), FieldId::x_forwarded_other);
  EXPECT_EQ(field_id("x-consumer-id"), FieldId::identity);
  EXPECT_EQ(field_id("X-Credential-Identifier"), FieldId::identity);
  EXPECT_EQ(field_id("X-Anonymous-Consumer"), FieldId::identity);
  EXPECT_EQ(field_id("Saga-Id"), FieldId::reserved);
  EXPECT_EQ(field_id("EVENT-TYPE"), FieldId::reserved);
  EXPECT_EQ(field_id("Flotilla-Anything"), FieldId::reserved);
  EXPECT_EQ(field_id("Flotilla-Error"), FieldId::flotilla_error);
  EXPECT_EQ(field_id("X_Consumer_Custom_Id"), FieldId::underscore_alias);
  EXPECT_EQ(field_id("Saga_Id"), FieldId::underscore_alias);
  EXPECT_EQ(field_id("X_Trace"), FieldId::other);
  EXPECT_EQ(field_id("Sagas"), FieldId::other);
  EXPECT_EQ(field_id("x"), FieldId::other);
  EXPECT_EQ(field_id(""), FieldId::other);
}

}  // namespace
}  // namespace flotilla::http
