// Calls that share a connection: what the policies see of it.
#include <gtest/gtest.h>

#include "flotilla/call/caller_fixture.hpp"

namespace flotilla::call {
namespace {

class PipeliningOfCalls : public CallerTest {
 protected:
  PipeliningOfCalls() {
    config_.pipelining = 8;
    config_.circuit_breaker = resilience::BreakerConfig{};
    config_.circuit_breaker->consecutive = 1;
  }

  // A service that answers everything, or only the first request of each read, and then closes; it counts
  // connections and requests.
  net::Task<> serve(net::Channel channel) {
    ++connections_;
    for (;;) {
      const auto bytes = co_await channel.recv();
      if (!bytes || bytes->empty()) {
        co_return;
      }
      for (std::size_t at = 0; (at = bytes->find("\r\n\r\n", at)) != std::string_view::npos; at += 4) {
        ++requests_;
        if (closes_) {
          channel.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
          (void)co_await channel.flush();
          co_return;
        }
        channel.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
      }
    }
  }
  void add_service() {
    add_instance([this](net::Channel channel) { serving_.spawn(serve(std::move(channel))); });
  }

  int connections_ = 0;
  int requests_ = 0;
  bool closes_ = false;

 private:
  net::Scope serving_;
};

TEST_F(PipeliningOfCalls, CallsOfOneTurnShareAConnectionThatStands) {
  add_service();
  EXPECT_EQ(attempts_of_get(), 1);
  EXPECT_EQ(attempts_of_gets(5), (std::vector<int>{1, 1, 1, 1, 1}));
  EXPECT_EQ(connections_, 1);
  EXPECT_EQ(requests_, 6);
  EXPECT_EQ(counters().pipelined.read(), 6U);
  EXPECT_EQ(counters().displaced.read(), 0U);
}

TEST_F(PipeliningOfCalls, WithoutItEachHasAConnection) {
  config_.pipelining = 1;
  add_service();
  EXPECT_EQ(attempts_of_get(), 1);
  EXPECT_EQ(attempts_of_gets(3), (std::vector<int>{1, 1, 1}));
  EXPECT_EQ(connections_, 3);
}

// Whatever `retry` says, and without a word to the breaker, which one failure would open.
TEST_F(PipeliningOfCalls, ADisplacedCallIsSentOnceMoreAlone) {
  config_.retry.attempts = 1;
  add_service();
  EXPECT_EQ(attempts_of_get(), 1);
  closes_ = true;
  EXPECT_EQ(attempts_of_gets(3), (std::vector<int>{1, 2, 2}));
  EXPECT_EQ(connections_, 3);
  EXPECT_EQ(counters().displaced.read(), 2U);
  EXPECT_EQ(counters().retries.read(), 0U);
}

TEST_F(PipeliningOfCalls, ACallThatMayHaveAnEffectGoesAlone) {
  method_ = http::Method::post;
  add_service();
  EXPECT_EQ(attempts_of_get(), 1);
  EXPECT_EQ(attempts_of_gets(3), (std::vector<int>{1, 1, 1}));
  EXPECT_EQ(connections_, 3);
  EXPECT_EQ(counters().pipelined.read(), 0U);
}

}  // namespace
}  // namespace flotilla::call
