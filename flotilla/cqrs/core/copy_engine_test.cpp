// Copies of a view, step by step. What happens in any order is copy_simulation_test.cpp's.
#include "flotilla/cqrs/core/copy_engine.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

namespace flotilla::cqrs {
namespace {

using copying::Claimed;
using copying::Loaded;
using copying::Lost;
using copying::Offered;
using copying::Outcome;
using copying::Scanned;
using copying::Served;
using copying::Tick;
using copying::Walked;
using copying::Written;

AnswerBody text(std::string body) {
  return std::make_shared<const Answer>(Answer{.json = std::move(body), .etag = {}});
}

struct Rig {
  explicit Rig(CopyLimits limits = {}) : engine(std::chrono::hours(1), limits, counters, 1) {}

  CopyEffects give(CopyInput in) { return engine.step(std::move(in)); }
  // Answers every load with what `view` says, and gives the batch that follows.
  std::optional<copying::Write> answer(CopyEffects effects) {
    std::optional<copying::Write> last;
    while (!effects.empty()) {
      CopyEffects next;
      for (CopyEffect& effect : effects) {
        if (const auto* const load = std::get_if<copying::Load>(&effect)) {
          const auto found = view.find(load->key);
          for (CopyEffect& more : give(Loaded{.load = load->load,
                                              .generation = load->generation,
                                              .key = load->key,
                                              .body = found == view.end() ? nullptr : text(found->second)})) {
            next.push_back(std::move(more));
          }
        } else if (auto* const write = std::get_if<copying::Write>(&effect)) {
          last = *write;
          writes.push_back(std::move(*write));
        }
      }
      effects = std::move(next);
    }
    return last;
  }
  // A first claim on a Redis that is complete up to where the view is.
  void begin() {
    (void)give(Served{.generation = 1, .position = 5});
    const auto write = answer(give(Claimed{
        .claim = "c1", .same_journal = true, .before = {.journal = "j", .generation = 1, .position = 5}}));
    ASSERT_TRUE(write);
    writes.clear();
    EXPECT_TRUE(write->items.empty());  // it says again that it is complete, for a claim takes that back
    EXPECT_EQ(write->position, 5U);
    EXPECT_TRUE(give(Written{.batch = write->batch}).empty());
    EXPECT_TRUE(engine.is_complete());
  }

  CopyCounters counters;
  CopyEngine engine;
  std::map<std::string, std::string> view;
  std::vector<copying::Write> writes;  // all, in their order
};

TEST(CopyEngine, WritesWhatChangedAndRemovesWhatIsGone) {
  Rig rig;
  rig.begin();
  rig.view["a"] = "1";
  const auto first = rig.answer(rig.give(Served{.generation = 1, .position = 6, .keys = {"a"}}));
  ASSERT_TRUE(first);
  ASSERT_EQ(first->items.size(), 1U);
  EXPECT_EQ(first->items[0].body->json, "1");
  EXPECT_LE(first->items[0].ttl_ms, 3'600'000);
  EXPECT_GE(first->items[0].ttl_ms, 3'240'000);
  EXPECT_EQ(first->position, 6U);
  (void)rig.give(Written{.batch = first->batch});
  rig.view.clear();
  const auto second = rig.answer(rig.give(Served{.generation = 1, .position = 7, .keys = {"a"}}));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->items[0].body, nullptr);
  (void)rig.give(Written{.batch = second->batch});
  EXPECT_EQ(rig.counters.written.read(), 1U);
  EXPECT_EQ(rig.counters.removed.read(), 1U);
}

TEST(CopyEngine, AKeyThatChangesMeanwhileIsReadAgain) {
  Rig rig;
  rig.begin();
  rig.view["a"] = "1";
  const auto first = rig.answer(rig.give(Served{.generation = 1, .position = 6, .keys = {"a"}}));
  ASSERT_TRUE(first);
  rig.view["a"] = "2";
  EXPECT_TRUE(rig.give(Served{.generation = 1, .position = 7, .keys = {"a"}}).empty());  // one at a time
  const auto second = rig.answer(rig.give(Written{.batch = first->batch}));
  ASSERT_TRUE(second);
  EXPECT_EQ(second->items[0].body->json, "2");
  EXPECT_EQ(second->position, 7U);
}

TEST(CopyEngine, ManyKeysShareABatch) {
  Rig rig;
  rig.begin();
  Served served{.generation = 1, .position = 6};
  for (int i = 0; i < 300; ++i) {
    served.keys.push_back("k" + std::to_string(i));
    rig.view[served.keys.back()] = "x";
  }
  rig.answer(rig.give(served));
  std::size_t keys = 0;
  while (!rig.writes.empty()) {
    const copying::Write write = std::move(rig.writes.front());
    rig.writes.erase(rig.writes.begin());
    keys += write.items.size();
    EXPECT_EQ(write.position != 0, keys == 300) << keys;  // it says so with the last of them
    rig.answer(rig.give(Written{.batch = write.batch}));
  }
  EXPECT_EQ(keys, 300U);
  EXPECT_TRUE(rig.engine.is_complete());
  EXPECT_LT(rig.counters.batches.read(), 30U);
  EXPECT_EQ(rig.counters.written.read(), 300U);
}

TEST(CopyEngine, AfterALossWhatWasUnderWayIsWrittenAgainAndNothingElse) {
  Rig rig;
  rig.begin();
  rig.view["a"] = "1";
  const auto first = rig.answer(rig.give(Served{.generation = 1, .position = 6, .keys = {"a"}}));
  ASSERT_TRUE(first);
  const CopyEffects lost = rig.give(Lost{});
  ASSERT_EQ(lost.size(), 1U);
  const auto& claim = std::get<copying::Claim>(lost[0]);
  EXPECT_EQ(claim.last, "c1");
  EXPECT_EQ(claim.batch, first->batch);
  const auto again =
      rig.answer(rig.give(Claimed{.claim = "c2",
                                  .same_journal = true,
                                  .before = {.journal = "j", .claim = "c1", .batch = first->batch}}));
  ASSERT_TRUE(again);
  ASSERT_EQ(again->items.size(), 1U);
  EXPECT_EQ(again->claim, "c2");
  EXPECT_TRUE(rig.give(Written{.batch = first->batch}).empty());  // of the connection before
  (void)rig.give(Written{.batch = again->batch});
  EXPECT_TRUE(rig.engine.is_complete());
  EXPECT_EQ(rig.counters.resyncs.read(), 0U);
}

TEST(CopyEngine, ARedisThatHasForgottenIsCopiedAnewStrangersFirst) {
  Rig rig;
  rig.begin();
  (void)rig.give(Lost{});
  CopyEffects effects = rig.give(Claimed{.claim = "c2", .same_journal = false, .before = {}});
  ASSERT_EQ(effects.size(), 1U);
  const auto scan = std::get<copying::Scan>(effects[0]);
  EXPECT_EQ(scan.cursor, "0");
  rig.view["a"] = "1";
  // A copy of a key that is gone, and the keys that there are.
  effects = rig.give(Scanned{.sweep = scan.sweep, .keys = {"stranger"}, .next = "0"});
  const auto walk = std::ranges::find_if(
      effects, [](const CopyEffect& each) { return std::holds_alternative<copying::Walk>(each); });
  ASSERT_NE(walk, effects.end());
  const std::uint64_t sweep = std::get<copying::Walk>(*walk).sweep;
  auto write = rig.answer(std::move(effects));
  ASSERT_TRUE(write);
  EXPECT_EQ(write->items[0].key, "stranger");
  EXPECT_EQ(write->items[0].body, nullptr);
  EXPECT_EQ(write->position, 0U);  // not complete yet
  (void)rig.give(Written{.batch = write->batch});
  write = rig.answer(rig.give(Walked{.sweep = sweep, .keys = {"a"}, .next = {}}));
  ASSERT_TRUE(write);
  EXPECT_EQ(write->items[0].key, "a");
  EXPECT_EQ(write->position, 5U);
}

TEST(CopyEngine, RemembersOnlySoManyKeysAndCopiesAnewBeyond) {
  Rig rig({.keys = 4});
  rig.begin();
  (void)rig.give(Lost{});
  (void)rig.give(Served{.generation = 1, .position = 6, .keys = {"a", "b", "c", "d"}});
  EXPECT_EQ(rig.counters.overflows.read(), 0U);
  (void)rig.give(Served{.generation = 1, .position = 7, .keys = {"e", "f"}});
  EXPECT_EQ(rig.counters.overflows.read(), 1U);
  EXPECT_EQ(rig.engine.pending(), 4U);
  EXPECT_TRUE(rig.engine.is_sweeping());
}

TEST(CopyEngine, AQuietOneFindsThatRedisWasEmptied) {
  Rig rig;
  rig.begin();
  const CopyEffects asked = rig.give(Tick{});
  ASSERT_EQ(asked.size(), 1U);
  const auto& write = std::get<copying::Write>(asked[0]);
  EXPECT_TRUE(write.items.empty());
  const CopyEffects effects = rig.give(Written{.batch = write.batch, .outcome = Outcome::unmarked});
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<copying::Claim>(effects[0]));
}

TEST(CopyEngine, ARefusedOneWritesNoMoreUntilItHasClaimed) {
  Rig rig;
  rig.begin();
  rig.view["a"] = "1";
  const auto first = rig.answer(rig.give(Served{.generation = 1, .position = 6, .keys = {"a"}}));
  ASSERT_TRUE(first);
  CopyEffects effects = rig.give(Written{.batch = first->batch, .outcome = Outcome::refused});
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<copying::Claim>(effects[0]));
  EXPECT_TRUE(rig.give(Served{.generation = 1, .position = 7, .keys = {"b"}}).empty());
  effects = rig.give(copying::Outdated{"later"});
  ASSERT_EQ(effects.size(), 1U);
  EXPECT_TRUE(std::holds_alternative<copying::Superseded>(effects[0]));
  EXPECT_TRUE(rig.give(Served{.generation = 1, .position = 8, .keys = {"c"}}).empty());
  EXPECT_EQ(rig.engine.pending(), 0U);
}

TEST(CopyEngine, WhatIsReadIsCopiedUnlessItWaitsAlready) {
  Rig rig;
  rig.begin();
  rig.view["a"] = "1";
  const auto write = rig.answer(rig.give(Offered{"a"}));
  ASSERT_TRUE(write);
  EXPECT_TRUE(rig.give(Offered{"a"}).empty());
  EXPECT_EQ(rig.counters.offered.read(), 1U);
}

TEST(CopyEngine, WhatIsTooLargeHasNoCopy) {
  Rig rig;
  rig.begin();
  const CopyEffects effects = rig.give(Served{.generation = 1, .position = 6, .keys = {"a"}});
  ASSERT_EQ(effects.size(), 1U);
  const auto load = std::get<copying::Load>(effects[0]);
  const CopyEffects after =
      rig.give(Loaded{.load = load.load, .generation = 1, .key = "a", .body = nullptr, .too_large = true});
  ASSERT_EQ(after.size(), 1U);
  EXPECT_EQ(std::get<copying::Write>(after[0]).items[0].body, nullptr);
  EXPECT_EQ(rig.counters.too_large.read(), 1U);
}

}  // namespace
}  // namespace flotilla::cqrs
