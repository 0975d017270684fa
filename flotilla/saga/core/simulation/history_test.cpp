// Which histories have an order and which have none; and that the simulator finds mistakes that show in no
// record, but in what clients are told.
#include "flotilla/saga/core/simulation/history.hpp"

#include <iostream>

#include <gtest/gtest.h>

#include "flotilla/saga/core/simulation/world.hpp"

namespace flotilla::saga::simulation {
namespace {

using enum Asking;
using History = std::vector<Exchange>;
using Signals = std::vector<std::string>;

Exchange said(Asking asking, std::uint64_t asked, std::uint64_t answered, Told told, std::string text = "") {
  return {.asking = asking, .text = std::move(text), .asked = asked, .answered = answered, .told = told};
}
Exchange seen(std::uint64_t asked, std::uint64_t answered, std::string state, std::uint64_t seq,
              std::optional<Signals> signals = std::nullopt, bool cancelled = false) {
  return {
      .asking = show,
      .text = {},
      .asked = asked,
      .answered = answered,
      .told = Told::seen,
      .view = {.state = std::move(state), .seq = seq, .cancelled = cancelled, .signals = std::move(signals)}};
}
Exchange unanswered(Asking asking, std::uint64_t asked, std::string text = "") {
  return {.asking = asking, .text = std::move(text), .asked = asked};
}
const Exchange kStarted = said(start, 1, 2, Told::accepted, "x");

bool has_order(History history) {
  history.push_back(kStarted);
  const Order order = find_order(history);
  EXPECT_NE(order.is, Order::Is::undecided);
  EXPECT_EQ(order.is == Order::Is::missing, !order.history.empty());
  return order.is == Order::Is::there;
}

TEST(SagaHistory, WhatComesOneAfterTheOther) {
  EXPECT_TRUE(has_order({}));
  EXPECT_TRUE(
      has_order({seen(3, 4, "running", 1), said(signal, 5, 6, Told::accepted, "s"),
                 seen(7, 8, "running", 2, Signals{"s"}), said(signal, 9, 10, Told::duplicate, "s"),
                 said(cancel, 11, 12, Told::accepted), seen(13, 14, "compensated", 6, Signals{"s"}, true),
                 said(cancel, 15, 16, Told::refused)}));
  EXPECT_TRUE(has_order({seen(3, 4, "scheduled", 1), seen(5, 6, "running", 1), seen(7, 8, "suspended", 2)}));
  EXPECT_TRUE(has_order({said(start, 3, 4, Told::existing, "x"), said(start, 5, 6, Told::key_reused, "y")}));
}

TEST(SagaHistory, NobodySeesLessOrGoesBack) {
  EXPECT_FALSE(has_order({seen(3, 4, "running", 3), seen(5, 6, "running", 2)}));
  EXPECT_FALSE(has_order({seen(3, 4, "running", 3), seen(5, 6, "suspended", 3)}));
  EXPECT_FALSE(has_order({seen(3, 4, "completed", 5), seen(5, 6, "completed", 6), seen(7, 8, "running", 7)}));
  EXPECT_FALSE(has_order({seen(3, 4, "committed", 3), seen(5, 6, "compensating", 4)}));
  EXPECT_FALSE(has_order({seen(3, 4, "running", 1), seen(5, 6, "scheduled", 1)}));
  // At the same time, both are well.
  EXPECT_TRUE(has_order({seen(3, 6, "running", 3), seen(4, 5, "running", 2)}));
}

TEST(SagaHistory, WhatWasAcknowledgedIsThere) {
  const Exchange signalled = said(signal, 3, 4, Told::accepted, "s");
  EXPECT_FALSE(has_order({signalled, seen(5, 6, "running", 2, Signals{})}));
  EXPECT_FALSE(has_order({seen(1, 2, "running", 3), signalled, seen(5, 6, "running", 3)}));
  EXPECT_FALSE(has_order({signalled, said(signal, 5, 6, Told::accepted, "s")}));
  EXPECT_FALSE(has_order({said(signal, 5, 6, Told::duplicate, "s")}));
  EXPECT_FALSE(has_order({said(cancel, 3, 4, Told::accepted), seen(5, 6, "completed", 9)}));
  EXPECT_FALSE(has_order({said(cancel, 3, 4, Told::accepted), said(cancel, 5, 6, Told::accepted)}));
  EXPECT_FALSE(has_order({said(start, 3, 4, Told::accepted, "x")}));
  EXPECT_FALSE(has_order({said(start, 3, 4, Told::locked, "x")}));
  EXPECT_FALSE(has_order({said(start, 3, 4, Told::existing, "y")}));
  EXPECT_FALSE(has_order({said(show, 3, 4, Told::absent)}));
  EXPECT_TRUE(
      find_order(History{said(show, 3, 4, Told::absent), said(start, 5, 6, Told::accepted)}).history.empty());
}

TEST(SagaHistory, WhatWasRefusedIsNotThere) {
  EXPECT_FALSE(
      has_order({said(signal, 3, 4, Told::refused, "s"), seen(5, 6, "compensating", 4, Signals{"s"})}));
  EXPECT_FALSE(has_order({said(signal, 3, 4, Told::refused, "s"), seen(5, 6, "running", 4)}));
  EXPECT_FALSE(has_order({said(cancel, 3, 4, Told::refused), seen(5, 6, "compensating", 4, {}, true)}));
  EXPECT_FALSE(has_order({seen(3, 4, "compensated", 4, {}, true)})) << "nobody cancelled it";
  EXPECT_FALSE(has_order({seen(3, 4, "running", 4, Signals{"t"})})) << "nobody sent it";
}

TEST(SagaHistory, WhatHasNoAnswerMayBeDoneLateOrNever) {
  EXPECT_TRUE(has_order({unanswered(signal, 3, "s"), seen(5, 6, "running", 4, Signals{}),
                         seen(7, 8, "running", 5, Signals{"s"})}));
  EXPECT_TRUE(has_order({unanswered(signal, 3, "s"), seen(5, 6, "completed", 4, Signals{})}));
  EXPECT_TRUE(has_order({unanswered(cancel, 3), seen(5, 6, "compensating", 4, Signals{}, true)}));
  EXPECT_FALSE(has_order({seen(5, 6, "running", 5, Signals{"s"}), unanswered(signal, 7, "s")}));
  EXPECT_FALSE(has_order({unanswered(signal, 3, "s"), seen(5, 6, "running", 5, Signals{"s"}),
                          seen(7, 8, "running", 6, Signals{})}));
  EXPECT_EQ(find_order(History{unanswered(start, 1, "x"), said(start, 2, 3, Told::existing, "x")}).is,
            Order::Is::there);
}

TEST(SagaHistory, SaysWhereItsOrderEnds) {
  const Order order = find_order(
      History{kStarted, seen(3, 4, "running", 3), seen(5, 6, "running", 2), seen(7, 8, "running", 9)});
  EXPECT_EQ(order.history,
            "1..2 start x: accepted\n3..4 show: seen running at 3\n5..6 show: seen running at 2\n");
}

TEST(SagaHistory, LooksAtSoManyAndTriesSoOften) {
  History history{kStarted};
  for (std::uint64_t i = 0; i < 2 * kMaxOrdered; ++i) {
    history.push_back(seen(10 * i + 3, 10 * i + 4, "running", i + 1));
  }
  EXPECT_EQ(find_order(history).is, Order::Is::there);
  history.push_back(seen(5000, 5001, "running", 1));  // behind what is looked at
  EXPECT_EQ(find_order(history).is, Order::Is::there);
  history.resize(10);
  history.push_back(seen(5000, 5001, "running", 1));
  EXPECT_EQ(find_order(history).is, Order::Is::missing);
  // Each may have been before or after each other, and the last answer fits none of it.
  history = {kStarted};
  for (std::uint64_t i = 0; i < 40; ++i) {
    history.push_back(unanswered(signal, 3 + i, "s" + std::to_string(i)));
  }
  history.push_back(seen(100, 101, "no such state", 1));
  EXPECT_EQ(find_order(history).is, Order::Is::undecided);
}

// No other check of the simulator can find these.
class PlantedAnswer : public testing::TestWithParam<EngineFault> {};

TEST_P(PlantedAnswer, IsFound) {
  static const Catalogue catalogue;
  constexpr std::uint64_t kSeeds = 400;
  Coverage ignored;
  for (std::uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Outcome outcome =
        World({.seed = seed, .events = 600, .faults = {.planted = GetParam()}}, catalogue, ignored).run();
    if (!outcome.violation.empty()) {
      EXPECT_EQ(outcome.violation.substr(0, 6), "order:") << outcome.violation;
      std::cout << "seed " << seed << ": " << outcome.violation << "\n";
      return;
    }
  }
  FAIL() << "not found in " << kSeeds << " seeds";
}
INSTANTIATE_TEST_SUITE_P(Each, PlantedAnswer,
                         testing::Values(EngineFault::answer_before_durable, EngineFault::refuse_and_do,
                                         EngineFault::forget_duplicates));

}  // namespace
}  // namespace flotilla::saga::simulation
