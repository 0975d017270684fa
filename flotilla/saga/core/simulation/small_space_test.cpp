// The small space finds what is planted, and reaches what one saga can reach. All of it is run by
// tests/simulation/saga_small_space.cpp.
#include "flotilla/saga/core/simulation/small_space.hpp"

#include <iostream>

#include <gtest/gtest.h>

namespace flotilla::saga::simulation {
namespace {

TEST(SmallSpace, ReachesWhatOneSagaCanReach) {
  SmallSpace space;
  for (std::size_t i = 0; i < space.bases().size(); i += 53) {
    const SmallSpace::Tried tried = space.all_of(i);
    ASSERT_EQ(tried.violation, "");
    EXPECT_GT(tried.runs, 50U);
  }
  using enum Transition;
  for (const Transition each : {s1, s4, s5, s6, s7, s8, s9, s13, s15, s16, s17, s18, s19}) {
    EXPECT_GT(space.coverage().transitions[static_cast<std::size_t>(each)], 0U) << to_string(each);
  }
}

TEST(SmallSpace, IsTheSameEveryTime) {
  SmallSpace first;
  SmallSpace second;
  ASSERT_EQ(first.bases().size(), second.bases().size());
  const std::size_t some = first.bases().size() / 2;
  EXPECT_EQ(to_string(first.bases()[some]), to_string(second.bases()[some]));
  EXPECT_EQ(first.all_of(some).runs, second.all_of(some).runs);
}

class PlantedInSmallSpace : public testing::TestWithParam<EngineFault> {};

TEST_P(PlantedInSmallSpace, IsFound) {
  SmallSpace space({.planted = GetParam()});
  for (std::size_t i = 0; i < space.bases().size(); ++i) {
    const SmallSpace::Tried tried = space.all_of(i);
    if (!tried.violation.empty()) {
      std::cout << tried.violation << "\n";
      return;
    }
  }
  FAIL() << "not found";
}
INSTANTIATE_TEST_SUITE_P(Each, PlantedInSmallSpace,
                         testing::Values(EngineFault::send_before_durable, EngineFault::undo_in_wrong_order,
                                         EngineFault::undo_beside_action, EngineFault::forget_unknown,
                                         EngineFault::retry_refused, EngineFault::new_bytes_on_resend,
                                         EngineFault::lose_exposed_on_load, EngineFault::conflict_is_undone));

}  // namespace
}  // namespace flotilla::saga::simulation
