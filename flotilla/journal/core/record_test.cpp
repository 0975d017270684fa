#include "flotilla/journal/core/record.hpp"

#include <cstdio>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"
#include "flotilla/journal/core/body.hpp"
#include "flotilla/journal/core/record_fuzz.hpp"

namespace flotilla::journal {
namespace {

std::string hex(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    out.push_back(kDigits[static_cast<std::uint8_t>(c) >> 4]);
    out.push_back(kDigits[static_cast<std::uint8_t>(c) & 15]);
  }
  return out;
}

std::string unhex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    out.push_back(static_cast<char>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return out;
}

// What is on disk must stay readable for ever: these bytes may only be added to.
TEST(Record, GoldenBytes) {
  Record smallest{
      .record_class = RecordClass::saga, .stream = StreamId(1), .version = 1, .epoch = 0, .type = 1};
  std::string bytes;
  encode(bytes, smallest);
  EXPECT_EQ(hex(bytes), "0101010100010100");

  Record usual{.record_class = RecordClass::topic,
               .stream = StreamId(300),
               .version = 129,
               .epoch = 7,
               .type = 2,
               .schema = 3,
               .time = UtcMillis(1'764'000'000'123)};
  BodyWriter(usual.body).number(1, 0).number(1, 200).bytes(2, "order").bytes(17, "");
  bytes.clear();
  encode(bytes, usual);
  EXPECT_EQ(hex(bytes),
            "0102ac028101070203fbd0dfb4ab33"
            "020002c801"
            "05056f72646572"
            "2300");

  Record greatest{.record_class = RecordClass::aggregate,
                  .stream = StreamId(kMaxNumber),
                  .version = kMaxNumber,
                  .epoch = kMaxNumber,
                  .type = 0xffff,
                  .schema = 0xffff,
                  .time = UtcMillis(static_cast<std::int64_t>(kMaxNumber))};
  bytes.clear();
  encode(bytes, greatest);
  EXPECT_EQ(hex(bytes),
            "0104"
            "ffffffffffffffff7f"
            "ffffffffffffffff7f"
            "ffffffffffffffff7f"
            "ffff03"
            "ffff03"
            "ffffffffffffffff7f");
  for (const Record& record : {smallest, usual, greatest}) {
    bytes.clear();
    encode(bytes, record);
    const auto back = decode(bytes);
    ASSERT_TRUE(back.has_value()) << back.error().message;
    EXPECT_EQ(*back, record);
  }
}

struct Refusal {
  std::string_view bytes;
  Errc code;
  std::string_view message;
};

TEST(Record, RefusesWithAReason) {
  constexpr Refusal kRefusals[] = {
      {"", Errc::invalid, "a record of 0 bytes is cut"},
      {"0201010100010100", Errc::unsupported, "a record has format 2, this version of Flotilla reads 1"},
      {"0105010100010100", Errc::unsupported, "a record has class 5"},
      {"0100010100010100", Errc::unsupported, "a record has class 0"},
      {"0101", Errc::invalid, "the stream at byte 2 of a record is cut or overlong"},
      {"0101000100010100", Errc::invalid, "the stream at byte 3 of a record is 0"},
      {"0101810001", Errc::invalid, "the stream at byte 2 of a record is cut or overlong"},
      {"0101ffffffffffffffffff01", Errc::invalid,
       "the stream at byte 12 of a record is 18446744073709551615"},
      {"0101010000010100", Errc::invalid, "the version at byte 4 of a record is 0"},
      {"01010101008080040100", Errc::invalid, "the type at byte 8 of a record is 65536"},
      {"010101010001", Errc::invalid, "the schema at byte 6 of a record is cut"},
      {"010101010001010001", Errc::invalid, "the body of a record is damaged at byte 1: no tag"},
      {"010101010001010002", Errc::invalid, "the body of a record is damaged at byte 1: no number"},
      {"01010101000101000305", Errc::invalid, "the body of a record is damaged at byte 2: a field is longer"},
      {"0101010100010100"
       "0400"
       "0200",
       Errc::invalid, "the body of a record is damaged at byte 3: tags are out"},
  };
  for (const Refusal& refusal : kRefusals) {
    const auto record = decode(unhex(refusal.bytes));
    ASSERT_FALSE(record.has_value()) << refusal.bytes;
    EXPECT_EQ(record.error().code, refusal.code) << refusal.bytes;
    EXPECT_TRUE(record.error().message.starts_with(refusal.message))
        << refusal.bytes << ": " << record.error().message;
  }
}

TEST(Record, EveryCutOfARecordIsSeenOrShortensItsBodyByWholeFields) {
  Record record{.record_class = RecordClass::queue, .stream = StreamId(70'000), .version = 3, .type = 1};
  BodyWriter(record.body).number(1, 1'000'000).bytes(2, "abc");
  std::string bytes;
  encode(bytes, record);
  std::size_t accepted = 0;
  for (std::size_t length = 0; length < bytes.size(); ++length) {
    accepted += decode(std::string_view(bytes).substr(0, length)).has_value() ? 1U : 0U;
  }
  EXPECT_EQ(accepted, 2U);  // without a field, and without the last
}

TEST(Record, WhatIsAcceptedIsWrittenBackByteForByte) {
  constexpr std::uint64_t kSeed = 20'261'124;
  std::printf("seed %llu\n", static_cast<unsigned long long>(kSeed));
  Random random(kSeed);
  for (int round = 0; round < 20'000; ++round) {
    Record record{.record_class = kRecordClasses[random.below(4)],
                  .stream = StreamId(1 + (random.next() >> (1 + random.below(62)))),
                  .version = 1 + (random.next() >> (1 + random.below(62))),
                  .type = 1};
    BodyWriter(record.body).number(static_cast<std::uint32_t>(1 + random.below(1000)), random.next());
    std::string bytes;
    encode(bytes, record);
    bytes[random.below(bytes.size())] = static_cast<char>(random.next());
    fuzz::record(std::as_bytes(std::span(bytes)));
  }
}

TEST(Vocabulary, KnowsItsTypesAndSchemasAlone) {
  const Vocabulary vocabulary{{RecordClass::saga, 1, 2, "accepted"}};
  EXPECT_TRUE(vocabulary.check(RecordClass::saga, 1, 1).has_value());
  EXPECT_TRUE(vocabulary.check(RecordClass::saga, 1, 2).has_value());
  EXPECT_EQ(
      vocabulary.check(RecordClass::saga, 1, 3).error().message,
      "saga record \"accepted\" has schema 3, this version of Flotilla reads 1..2: a newer version wrote it");
  EXPECT_EQ(vocabulary.check(RecordClass::topic, 1, 1).error().message,
            "topic records have no type 1 in this version of Flotilla: a newer version wrote it");
  EXPECT_EQ(vocabulary.name(RecordClass::saga, 1), "accepted");
  EXPECT_EQ(vocabulary.name(RecordClass::saga, 2), "");
}

TEST(RecordClass, NamesReadBack) {
  for (const RecordClass record_class : kRecordClasses) {
    EXPECT_EQ(parse_record_class(to_string(record_class)).value(), record_class);
  }
  EXPECT_EQ(parse_record_class("view").error().message,
            "\"view\" is no class of records: saga, topic, queue or aggregate");
}

}  // namespace
}  // namespace flotilla::journal
