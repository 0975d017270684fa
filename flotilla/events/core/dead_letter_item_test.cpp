#include "flotilla/events/core/dead_letter_item.hpp"

#include <gtest/gtest.h>

#include "flotilla/events/core/dead_letter.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::events {
namespace {

journal::Event order() {
  return {.attributes = {{"id", "e1"}, {"source", "/s"}, {"type", "order"}, {"partitionkey", "k"}},
          .data = R"({"n":1})"};
}

journal::Event buried(const journal::Event& original) {
  return dead_letter_of(original,
                        {.subscription = "charge", .topic = "orders", .position = journal::Position(42)},
                        {.reason = DeadReason::refused,
                         .code = "422",
                         .body = "no",
                         .attempts = 2,
                         .first = 1000,
                         .last = 2000});
}

// Takes one record after another into a letter.
struct Kept {
  DeadLetter letter;
  std::int64_t time = 1'700'000'000'000;

  Kept() : Kept(buried(order())) {}
  explicit Kept(const journal::Event& event) { EXPECT_TRUE(take(kLetterRecord, encode(event))); }
  Result<> take(std::uint16_t type, std::string body) {
    return fold(letter, {.record_class = journal::RecordClass::queue,
                         .stream = journal::StreamId(7),
                         .version = letter.version + 1,
                         .type = type,
                         .time = journal::UtcMillis(time++),
                         .body = std::move(body)});
  }
  void take(const LetterStep& step) { EXPECT_TRUE(take(kLetterStepRecord, encode(step))); }
};

LetterStep by_ann(LetterVerb verb, std::string data = {}) {
  return {.verb = verb, .who = "ann", .why = "fixed", .data = std::move(data), .code = {}, .body = {}};
}
LetterStep returned(std::string code, std::uint64_t attempts) {
  return {.verb = LetterVerb::returned,
          .who = {},
          .why = {},
          .data = {},
          .code = std::move(code),
          .body = "again",
          .attempts = attempts};
}

TEST(DeadLetterItem, StepsAreReadAsTheyWereWritten) {
  for (const LetterStep& step :
       {by_ann(LetterVerb::edit, "{}"), by_ann(LetterVerb::replay), by_ann(LetterVerb::drop),
        returned("500", 3),
        LetterStep{
            .verb = LetterVerb::delivered, .who = {}, .why = {}, .data = {}, .code = {}, .body = {}}}) {
    const auto read = decode_letter_step(encode(step));
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, step);
  }
  EXPECT_EQ(decode_letter_step("\x02\x09").error().code, Errc::unsupported);  // verb 9
  EXPECT_EQ(decode_letter_step("\x40\x01").error().code, Errc::unsupported);  // tag 32
  EXPECT_EQ(decode_letter_step("\x02").error().code, Errc::invalid);
}

TEST(DeadLetterItem, TellsHowItStands) {
  Kept kept;
  EXPECT_EQ(kept.letter.state, LetterState::open);
  EXPECT_EQ(kept.letter.code(), "422");
  EXPECT_EQ(kept.letter.attempts(), 2U);
  EXPECT_EQ(kept.letter.position(), "0-42");
  kept.take(by_ann(LetterVerb::replay));
  EXPECT_EQ(kept.letter.state, LetterState::replaying);
  kept.take(returned("500", 16));
  EXPECT_EQ(kept.letter.state, LetterState::open);
  EXPECT_EQ(kept.letter.code(), "500");
  EXPECT_EQ(kept.letter.body(), "again");
  EXPECT_EQ(kept.letter.attempts(), 18U);
  kept.take(by_ann(LetterVerb::edit, R"({"n":2})"));
  EXPECT_TRUE(kept.letter.edited);
  journal::Event expected = order();
  expected.data = R"({"n":2})";
  EXPECT_EQ(encode(original_of(kept.letter)), encode(expected));
  EXPECT_EQ(kept.letter.version, 4U);
  EXPECT_EQ(kept.letter.steps.size(), 3U);
}

TEST(DeadLetterItem, SaysWhatSpeaksAgainstAVerb) {
  Kept kept;
  EXPECT_EQ(objection(kept.letter, LetterVerb::edit), "");
  EXPECT_EQ(objection(kept.letter, LetterVerb::replay), "");
  kept.take(by_ann(LetterVerb::replay));
  for (const LetterVerb verb : {LetterVerb::edit, LetterVerb::replay, LetterVerb::drop}) {
    EXPECT_EQ(objection(kept.letter, verb), "it is being sent again; wait for what comes of that");
  }
  kept.take(returned("500", 1));
  while (kept.letter.steps.size() + 2 <= kMaxLetterSteps) {
    kept.take(by_ann(LetterVerb::edit, "1"));
  }
  EXPECT_NE(objection(kept.letter, LetterVerb::edit), "");
  EXPECT_NE(objection(kept.letter, LetterVerb::replay), "");
  EXPECT_EQ(objection(kept.letter, LetterVerb::drop), "");
  kept.take(by_ann(LetterVerb::drop));
  EXPECT_EQ(objection(kept.letter, LetterVerb::drop), "it is dropped already");
}

TEST(DeadLetterItem, WhatWasLeftOutMustBeEditedFirst) {
  journal::Event large = order();
  large.data = std::string(journal::kMaxBody - 200, 'x');
  Kept kept(buried(large));
  EXPECT_TRUE(objection(kept.letter, LetterVerb::replay).contains("0-42 of topic orders"));
  kept.take(by_ann(LetterVerb::edit, "{}"));
  EXPECT_EQ(objection(kept.letter, LetterVerb::replay), "");
}

TEST(DeadLetterItem, TheRowFitsWhateverTheEventSays) {
  journal::Event wild = order();
  for (auto& [name, value] : wild.attributes) {
    value = std::string(5000, '"');
  }
  const std::string row = letter_row(Kept(buried(wild)).letter);
  EXPECT_LT(row.size(), 4096U);
  EXPECT_TRUE(json::parse(row)) << row;
  const auto plain = json::parse(letter_row(Kept().letter));
  EXPECT_EQ((*plain)["search"]["key"], json::Value("k"));
  EXPECT_EQ((*plain)["search"]["reason"], json::Value("refused"));
  EXPECT_EQ((*plain)["search"]["code"], json::Value("422"));
  EXPECT_EQ(subscription_of_row(letter_row_name("charge")), "charge");
  EXPECT_EQ(subscription_of_row("charge"), std::nullopt);
}

TEST(DeadLetterItem, DamagedRecordsAreRefused) {
  Kept kept;
  EXPECT_EQ(kept.take(kLetterRecord, encode(order())).error().code, Errc::invalid);
  DeadLetter empty;
  EXPECT_FALSE(fold(empty, {.record_class = journal::RecordClass::queue,
                            .stream = journal::StreamId(7),
                            .version = 1,
                            .type = kLetterStepRecord,
                            .time = {},
                            .body = encode(by_ann(LetterVerb::drop))}));
}

}  // namespace
}  // namespace flotilla::events
