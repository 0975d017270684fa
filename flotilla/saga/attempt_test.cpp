#include "flotilla/saga/attempt.hpp"

#include <gtest/gtest.h>

namespace flotilla::saga {
namespace {

TEST(PollTarget, StaysWithTheService) {
  EXPECT_EQ(poll_target("/charges/1?full=1", ""), "/charges/1?full=1");
  EXPECT_EQ(poll_target("http://10.0.0.1:80/charges/1#part", ""), "/charges/1");
  EXPECT_EQ(poll_target("/v2/charges/1", "/v2"), "/charges/1");
  EXPECT_EQ(poll_target("charges/1", ""), "");
  EXPECT_EQ(poll_target("http://10.0.0.1", ""), "");
  EXPECT_EQ(poll_target("/a b", ""), "");
  EXPECT_EQ(poll_target("/" + std::string(10'000, 'a'), ""), "");
}

}  // namespace
}  // namespace flotilla::saga
