#include "flotilla/journal/core/batch.hpp"

#include <gtest/gtest.h>

namespace flotilla::journal {
namespace {

const Vocabulary kVocabulary{{RecordClass::saga, 1, 1, "accepted"}};

TEST(Batch, ErrorsSayWhatHappenedAndHaveAReason) {
  struct Case {
    AppendError error;
    Reason reason;
    std::string_view text;
  };
  const Case cases[] = {
      {VersionConflict{RecordClass::saga, StreamId(3), 1, 2}, Reason::conflict,
       "the saga stream 3 is at version 2, not 1: somebody else was quicker"},
      {KeyTaken{"alice/pay", "k", {.stream = StreamId(3)}}, Reason::conflict,
       "the key \"k\" of \"alice/pay\" is taken by stream 3"},
      {TooLarge{"too large"}, Reason::too_large, "too large"},
      {StaleEpoch{1, 2}, Reason::store_unavailable,
       "the journal has a new owner (epoch 2, this one had 1): nothing more is written here"},
      {Overloaded{"full"}, Reason::overloaded, "full"},
      {StoreUnavailable{"the disk is full"}, Reason::store_unavailable, "the disk is full"},
      {StoreUnavailable{"the sync failed", Effect::unknown}, Reason::store_unavailable,
       "the sync failed; whether this append was kept shows after a restart"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(describe(c.error), c.text);
    EXPECT_EQ(reason_of(c.error), c.reason) << c.text;
  }
}

TEST(Batch, EveryTextHasItsLimit) {
  struct Case {
    std::string_view text;
    void (*make)(Batch&);
  };
  static const std::string big(kMaxSnapshot + 1, 'x');
  static const std::string name(kMaxName + 1, 'x');
  const Case cases[] = {
      {"the body of a record has 1048577 bytes, the limit is 1048576",
       [](Batch& b) {
         b.appends.push_back(
             {RecordClass::saga, StreamId(1), {}, {{.type = 1, .body = std::string(kMaxBody + 1, 'x')}}});
       }},
      {"a category has 513 bytes, the limit is 512",
       [](Batch& b) {
         b.appends.push_back({RecordClass::saga, StreamId(1), {}, {{.type = 1, .category = name}}});
       }},
      {"the scope of a key has 513 bytes, the limit is 512",
       [](Batch& b) { b.claims.push_back({name, "k", StreamId(1), {}, {}}); }},
      {"a key has 513 bytes, the limit is 512",
       [](Batch& b) { b.claims.push_back({"s", name, StreamId(1), {}, {}}); }},
      {"a name has 513 bytes, the limit is 512",
       [](Batch& b) { b.summaries.push_back({RecordClass::saga, StreamId(1), name, "s"}); }},
      {"a state has 513 bytes, the limit is 512",
       [](Batch& b) { b.summaries.push_back({RecordClass::saga, StreamId(1), "n", name}); }},
      {"the JSON of a row has 4097 bytes, the limit is 4096",
       [](Batch& b) {
         b.summaries.push_back({RecordClass::saga, StreamId(1), "n", "s", std::string(4097, ' ')});
       }},
      {"a snapshot has 8388609 bytes, the limit is 8388608",
       [](Batch& b) { b.snapshots.push_back({StreamId(1), 1, 1, big}); }},
      {"the name of a cursor has 513 bytes, the limit is 512",
       [](Batch& b) { b.cursors.push_back({name, RecordClass::topic, "", {}, ""}); }},
      {"the state of a cursor has 262145 bytes, the limit is 262144",
       [](Batch& b) { b.cursors.push_back({"c", RecordClass::topic, "", {}, std::string(262'145, 'x')}); }},
  };
  EXPECT_FALSE(check(Batch{}, kVocabulary).has_value());
  for (const Case& c : cases) {
    Batch batch;
    c.make(batch);
    const auto fault = check(batch, kVocabulary);
    ASSERT_TRUE(fault.has_value()) << c.text;
    EXPECT_EQ(fault->what, c.text);
  }
  Batch batch;
  batch.snapshots.assign(3, {StreamId(1), 1, 1, std::string(kMaxSnapshot, 'x')});
  EXPECT_EQ(check(batch, kVocabulary)->what, "a batch has 25166080 bytes, the limit is 16777216");
}

}  // namespace
}  // namespace flotilla::journal
