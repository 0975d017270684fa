// When a retry asks the budget, seen with a budget that always refuses.
#include <gtest/gtest.h>

#include "flotilla/call/caller_fixture.hpp"

namespace flotilla::call {
namespace {

class RetryBudgetOfACall : public CallerTest {
 protected:
  RetryBudgetOfACall() {
    config_.retry_budget = {.ratio = 0, .reserve_per_second = 0, .most_saved = 0, .concurrent_floor = 0};
  }
  std::uint64_t refused_by_budget() {
    return counters().retries_suppressed[static_cast<std::size_t>(resilience::GiveUp::budget)].read();
  }
};

// What reads the request and answers it.
net::Task<> serve(net::Channel channel) {
  (void)co_await channel.recv();
  channel.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
  (void)co_await channel.flush();
}

TEST_F(RetryBudgetOfACall, IsNotAskedForTheFirstRetryAfterAFailedConnect) {
  net::Scope serving;
  add_refusing_instance();
  add_instance([&](net::Channel channel) { serving.spawn(serve(std::move(channel))); });
  int most = 0;
  for (int i = 0; i < 4; ++i) {
    const int attempts = attempts_of_get();
    EXPECT_GT(attempts, 0) << "GET " << i << " had no answer";
    most = std::max(most, attempts);
  }
  EXPECT_EQ(most, 2) << "no GET met the instance that refuses";
  EXPECT_EQ(refused_by_budget(), 0U);
}

TEST_F(RetryBudgetOfACall, IsAskedFromTheSecondFailedConnectOn) {
  config_.retry.attempts = 5;
  add_refusing_instance();
  add_refusing_instance();
  add_refusing_instance();
  EXPECT_EQ(attempts_of_get(), -2);
  EXPECT_EQ(refused_by_budget(), 1U);
}

TEST_F(RetryBudgetOfACall, IsAskedForEveryRetryOfWhatWasSent) {
  add_instance([](net::Channel) {});  // closes what it accepts
  EXPECT_EQ(attempts_of_get(), -1);
  EXPECT_EQ(refused_by_budget(), 1U);
}

}  // namespace
}  // namespace flotilla::call
