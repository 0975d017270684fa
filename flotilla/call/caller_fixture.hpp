// A Caller on a loop, instances of a service that behave as a test says, and requests. Tests only.
//
// Ownership: the fixture owns all. Threads: the test's. Limits: none.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flotilla/call/caller.hpp"
#include "flotilla/net/listener.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::call {

class Bodiless final : public Outgoing {
 public:
  void append_head(std::string& out, const AttemptInfo& attempt) override {
    out.append(http::to_string(method)).append(" / HTTP/1.1\r\nHost: ").append(attempt.authority);
    out.append("\r\n\r\n");
  }
  net::Task<bool> stream_body(net::Channel&) override { co_return true; }
  std::string stale_key() const override { return {}; }
};

class CallerTest : public testing::Test {
 protected:
  CallerTest() {
    config_.name = ServiceName("s");
    config_.balance = resilience::Balance::round_robin;
    config_.retry.first = config_.retry.cap = Duration::zero();
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

  // So many GETs (or requests of `method_`) at once; the attempts each took, negative if there was no answer.
  std::vector<int> attempts_of_gets(std::size_t count) {
    if (!service_) {
      service_ = *Service::create(config_, 1, loop_->now(), 1, nullptr);
      instances_ = std::make_shared<InstanceSet>(*loop_, directory_, answers_, 0, 1);
      instances_->follow(*service_);
    }
    WorkerService service{service_, instances_, &counters()};
    std::vector<int> attempts(count);
    net::Scope scope;
    const auto all = [](CallerTest& self, WorkerService& called, std::vector<int>& taken) -> net::Task<> {
      net::Scope gets;
      for (int& one : taken) {
        gets.spawn(self.get(called, one));
      }
      co_await gets.join();
      self.loop_->stop();
    };
    loop_->post([&] { scope.spawn(all(*this, service, attempts)); });
    loop_->run();
    return attempts;
  }
  int attempts_of_get() { return attempts_of_gets(1)[0]; }
  ServiceCounters& counters() { return service_->metrics().of(0); }

  ServiceConfig config_;
  http::Method method_ = http::Method::get;

 private:
  net::Task<> get(WorkerService& service, int& attempts) {
    Bodiless outgoing;
    outgoing.method = method_;
    Answer answer;
    co_await caller_.call(services_, service, outgoing, loop_->now() + std::chrono::seconds(10), answer);
    attempts = static_cast<int>(answer.attempts);
    if (LiveAnswer* const live = answer.live()) {
      live->finish(loop_->now());
    } else {
      attempts = -attempts;
    }
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

}  // namespace flotilla::call
