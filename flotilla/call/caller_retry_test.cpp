// When a retry asks the budget, seen with a budget that always refuses.
#include <gtest/gtest.h>

#include "flotilla/call/caller.hpp"
#include "flotilla/net/listener.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::call {
namespace {

class Get final : public Outgoing {
 public:
  void append_head(std::string& out, const AttemptInfo& attempt) override {
    out.append("GET / HTTP/1.1\r\nHost: ").append(attempt.authority).append("\r\n\r\n");
  }
  net::Task<bool> stream_body(net::Channel&) override { co_return true; }
  std::string stale_key() const override { return {}; }
};

class RetryBudgetOfACall : public testing::Test {
 protected:
  RetryBudgetOfACall() {
    config_.name = ServiceName("s");
    config_.balance = resilience::Balance::round_robin;
    config_.retry.first = config_.retry.cap = Duration::zero();
    config_.retry_budget = {.ratio = 0, .reserve_per_second = 0, .most_saved = 0, .concurrent_floor = 0};
  }

  // An instance whose connections `behave` takes; without one, an instance that refuses connections.
  void add_instance(std::function<void(net::Channel)> behave) {
    auto listener =
        net::Listener::open(*loop_, *net::SocketAddress::parse("127.0.0.1:0"), 16, std::move(behave));
    ASSERT_TRUE(listener.has_value());
    config_.urls.push_back({"127.0.0.1", (*listener)->address().port(), ""});
    listeners_.push_back(std::move(*listener));
  }
  void add_refusing_instance() {
    add_instance([](net::Channel) {});
    listeners_.pop_back();
  }

  // One GET; the attempts it took, negative if there was no answer.
  int attempts_of_get() {
    if (!service_) {
      service_ = *Service::create(config_, 1, loop_->now(), 1, nullptr);
      instances_ = std::make_shared<InstanceSet>(*loop_, directory_, answers_, 0, 1);
      instances_->follow(*service_);
    }
    WorkerService service{service_, instances_, &counters()};
    int attempts = 0;
    net::Scope scope;
    loop_->post([&] { scope.spawn(get(service, attempts)); });
    loop_->run();
    return attempts;
  }
  ServiceCounters& counters() { return service_->metrics().of(0); }
  std::uint64_t refused_by_budget() {
    return counters().retries_suppressed[static_cast<std::size_t>(resilience::GiveUp::budget)].read();
  }

  ServiceConfig config_;

 private:
  net::Task<> get(WorkerService& service, int& attempts) {
    Get outgoing;
    Answer answer;
    co_await caller_.call(services_, service, outgoing, loop_->now() + std::chrono::seconds(10), answer);
    attempts = static_cast<int>(answer.attempts);
    if (LiveAnswer* const live = answer.live()) {
      live->finish(loop_->now());
    } else {
      attempts = -attempts;
    }
    loop_->stop();
  }

  std::unique_ptr<net::Loop> loop_ = std::move(*net::Loop::create());
  std::unique_ptr<net::Resolver> resolver_ = std::move(*net::Resolver::create(*loop_));
  std::vector<std::unique_ptr<net::Listener>> listeners_;
  discovery::Directory directory_;
  http::ObjectPool<http::detail::Answer> answers_;
  ServiceTable services_;
  std::shared_ptr<Service> service_;
  std::shared_ptr<InstanceSet> instances_;
  Caller caller_{*loop_, *resolver_, 0, 1};
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
