// Small crowds; the large ones are those of tests/simulation.
#include "flotilla/saga/core/simulation/crowd.hpp"

#include <iostream>

#include <gtest/gtest.h>

namespace flotilla::saga::simulation {
namespace {

CrowdOutcome of(std::size_t crowd, EngineFault fault = EngineFault::none) {
  return live({.crowd = crowd, .others = 200, .faults = {.planted = fault}});
}

TEST(SagaCrowd, ThoseBesideItDoNotNotice) {
  const CrowdOutcome none = of(0);
  ASSERT_EQ(none.beside.size(), 200U);
  EXPECT_EQ(none.taken_up, 0U);
  EXPECT_LT(none.beside.back(), std::chrono::milliseconds(20));
  const CrowdOutcome some = of(300);
  const CrowdOutcome many = of(3000);
  EXPECT_EQ(some.taken_up, 300U) << "none of it could end before";
  EXPECT_EQ(many.taken_up, 3000U);
  EXPECT_EQ(compare(none, some), "");
  EXPECT_EQ(compare(none, many), "");
  EXPECT_EQ(compare(some, many), "");
}

TEST(SagaCrowd, TheSameSeedIsTheSameCrowd) {
  const CrowdOutcome one = of(300);
  const CrowdOutcome two = of(300);
  EXPECT_EQ(one.inputs, two.inputs);
  EXPECT_EQ(one.beside, two.beside);
  EXPECT_EQ(one.meanwhile, two.meanwhile);
}

TEST(SagaCrowd, FindsWhatStarvesOthers) {
  const std::string found = compare(of(0), of(15000, EngineFault::hasty_when_held_back));
  EXPECT_EQ(found.substr(0, 3), "L3:") << found;
  std::cout << found << "\n";
}

TEST(SagaCrowd, FindsWhatTakesUpMoreThanItsShare) {
  constexpr auto kFault = EngineFault::recount_on_load;
  CrowdOutcome some = of(300, kFault);
  CrowdOutcome many = of(3000, kFault);
  some.meanwhile = many.meanwhile;  // those notice as well
  const std::string found = compare(some, many);
  EXPECT_EQ(found.substr(0, 3), "L4:") << found;
  std::cout << found << "\n";
}

TEST(SagaCrowd, FindsWhatNeverEnds) {
  const std::string found = of(300, EngineFault::lose_exposed_on_load).violation;
  EXPECT_EQ(found.substr(0, 3), "L1:") << found;
}

}  // namespace
}  // namespace flotilla::saga::simulation
