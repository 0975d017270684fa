#include "flotilla/cqrs/core/answer_cache.hpp"

#include <gtest/gtest.h>

namespace flotilla::cqrs {
namespace {

AnswerBody body(std::string text) {
  return std::make_shared<const Answer>(Answer{.json = std::move(text), .etag = {}});
}

TEST(AnswerCache, KeepsWhatWasPutUntilItChanges) {
  AnswerCache cache(10'000);
  EXPECT_FALSE(cache.find("a").has_value());
  cache.put("a", body("1"), 5);
  cache.put("b", nullptr, 5);
  EXPECT_EQ((*cache.find("a"))->json, "1");
  EXPECT_EQ(cache.find("b"), std::optional(AnswerBody()));
  cache.changed("a", 6);
  EXPECT_FALSE(cache.find("a").has_value());
  EXPECT_TRUE(cache.find("b").has_value());
}

TEST(AnswerCache, ACopyOfAnAnswerIsDueOnceInAWhile) {
  constexpr Duration kEvery = std::chrono::minutes(1);
  const Instant now = Instant{} + std::chrono::hours(1);
  AnswerCache cache(10'000);
  EXPECT_FALSE(cache.is_copy_due("a", now, kEvery));
  cache.put("a", body("1"), 5);
  cache.put("b", nullptr, 5);
  EXPECT_TRUE(cache.is_copy_due("a", now, kEvery));
  EXPECT_FALSE(cache.is_copy_due("a", now + kEvery / 2, kEvery));
  EXPECT_TRUE(cache.is_copy_due("a", now + kEvery, kEvery));
  EXPECT_FALSE(cache.is_copy_due("b", now, kEvery));  // there is nothing to copy
}

TEST(AnswerCache, WhatWasReadBeforeAChangeDoesNotStay) {
  AnswerCache cache(10'000);
  cache.changed("a", 6);  // nobody knew it here
  cache.put("a", body("old"), 5);
  EXPECT_FALSE(cache.find("a").has_value());
  cache.put("a", body("new"), 6);
  EXPECT_EQ((*cache.find("a"))->json, "new");
  cache.put("a", body("newer"), 7);
  EXPECT_EQ((*cache.find("a"))->json, "newer");
  EXPECT_EQ(cache.entries(), 1U);
}

TEST(AnswerCache, TheOldestGoAtTheBound) {
  constexpr std::size_t kEach = AnswerCache::kEntryCost + 1 + 39;
  AnswerCache cache(10 * kEach);
  for (char key = 'a'; key < 'k'; ++key) {
    cache.put(std::string(1, key), body(std::string(39, 'x')), 1);
  }
  EXPECT_EQ(cache.entries(), 10U);
  EXPECT_TRUE(cache.find("a").has_value());  // it is the youngest now
  cache.put("z", body(std::string(39, 'x')), 1);
  EXPECT_TRUE(cache.find("a").has_value());
  EXPECT_FALSE(cache.find("b").has_value());
  EXPECT_EQ(cache.entries(), 10U);
  EXPECT_EQ(cache.bytes(), 10 * kEach);
  cache.put("y", body(std::string(10 * kEach, 'x')), 1);  // too long
  EXPECT_FALSE(cache.find("y").has_value());
  EXPECT_EQ(cache.entries(), 10U);
}

}  // namespace
}  // namespace flotilla::cqrs
