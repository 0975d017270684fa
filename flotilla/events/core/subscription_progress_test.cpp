#include "flotilla/events/core/subscription_progress.hpp"

#include <iostream>

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/subscription_policy.hpp"
#include "flotilla/journal/core/batch.hpp"

namespace flotilla::events {
namespace {

TEST(SubscriptionProgress, OfNothingTheStateIsEmpty) {
  EXPECT_EQ(encode_state({.mark = 7}), "");
  EXPECT_EQ(decode_progress(7, "").value(), SubscriptionProgress{.mark = 7});
}

TEST(SubscriptionProgress, ComesBackAsItWas) {
  constexpr std::uint64_t kSeed = 71;
  std::cout << "seed " << kSeed << "\n";
  Random random(kSeed);
  for (int round = 0; round < 200; ++round) {
    SubscriptionProgress progress{.mark = random.below(1'000'000)};
    std::uint64_t at = progress.mark;
    for (std::uint64_t i = random.below(50); i > 0; --i) {
      progress.settled.insert(at += 1 + random.below(300));
    }
    if (random.below(2) == 0) {
      progress.pause = {.reason = static_cast<PauseReason>(1 + random.below(kPauseReasons - 1)),
                        .detail = "ann: nightly work",
                        .since = 1'700'000'000'123};
    }
    if (random.below(2) == 0) {
      progress.replay_until = progress.mark + 1 + random.below(100);
    }
    if (random.below(2) == 0) {
      progress.skip_after = progress.mark + random.below(100);
      progress.skip_until = progress.skip_after + 1 + random.below(100'000);
    }
    for (std::uint64_t i = random.below(4); i > 0; --i) {
      progress.held_keys.insert("key-" + std::to_string(random.below(100)));
    }
    const std::string state = encode_state(progress);
    const auto read = decode_progress(progress.mark, state);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(*read, progress);
    EXPECT_EQ(encode_state(*read), state);
  }
}

TEST(SubscriptionProgress, AtItsBoundsItFitsACursor) {
  SubscriptionProgress progress{.mark = 1};
  for (std::uint64_t i = 0; i < kMaxAhead; ++i) {
    progress.settled.insert(1 + (i + 1) * 1'000'000);
  }
  for (std::size_t i = 0; i < kMaxHeldKeys; ++i) {
    std::string key = std::to_string(i);
    key.resize(kMaxKeyBytes, 'k');
    progress.held_keys.insert(std::move(key));
  }
  progress.pause = {.reason = PauseReason::gone, .detail = std::string(1024, 'x'), .since = INT64_MAX};
  const std::string state = encode_state(progress);
  EXPECT_LT(state.size(), journal::kMaxCursorState / 2);
  EXPECT_EQ(decode_progress(1, state).value(), progress);
}

TEST(SubscriptionProgress, WhatIsDamagedOrNewerIsRefused) {
  SubscriptionProgress progress{.mark = 1, .settled = {3, 9}};
  progress.held_keys = {"a"};
  const std::string good = encode_state(progress);
  EXPECT_EQ(decode_progress(1, good.substr(0, good.size() - 1)).error().code, Errc::invalid);
  EXPECT_EQ(decode_progress(1, std::string_view("\x02\x00", 2)).error().code, Errc::invalid);  // no distance
  EXPECT_EQ(decode_progress(1, "\x0e\x05\x10\x05").error().code, Errc::invalid);  // skips nothing
  EXPECT_EQ(decode_progress(1, "\x04\x09").error().code, Errc::unsupported);  // a reason of a newer version
  EXPECT_EQ(decode_progress(1, "\x12\x01").error().code, Errc::unsupported);  // tag 9
  EXPECT_EQ(decode_progress(1, std::string_view("\x13\x00", 2)).error().code, Errc::unsupported);
}

}  // namespace
}  // namespace flotilla::events
