#include "flotilla/net/signals.hpp"

#include <csignal>

#include <gtest/gtest.h>

namespace flotilla::net {
namespace {

TEST(Signals, ArriveOnTheLoop) {
  block_signals({SIGUSR1});
  auto loop = Loop::create();
  ASSERT_TRUE(loop.has_value());
  int seen = 0;
  auto source = SignalSource::open(**loop, {SIGUSR1}, [&](int signal) {
    seen = signal;
    (*loop)->stop();
  });
  ASSERT_TRUE(source.has_value());
  (*loop)->post([] { ::raise(SIGUSR1); });
  (*loop)->run();
  EXPECT_EQ(seen, SIGUSR1);
}

}  // namespace
}  // namespace flotilla::net
