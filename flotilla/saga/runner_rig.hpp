// Workers and services for tests of the runner: real loops, a real Caller, HTTP services that are told what
// to say.
//
// Ownership: each owns its thread and ends it. Threads: made, asked and destroyed by the test's.
#pragma once

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "flotilla/http/api_server.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/scope.hpp"
#include "flotilla/saga/attempt.hpp"
#include "flotilla/saga/shard.hpp"

namespace flotilla::saga::test {

inline constexpr Duration kPatience = std::chrono::seconds(10);

// A loop on a thread of its own.
class LoopThread {
 public:
  LoopThread() : loop_(std::move(*net::Loop::create())), thread_([this] { loop_->run(); }) {}
  ~LoopThread() {
    loop_->stop();
    thread_.join();
  }
  [[nodiscard]] net::Loop& loop() { return *loop_; }

  void run(std::move_only_function<void()> function) {
    std::promise<void> done;
    loop_->post([&] {
      function();
      done.set_value();
    });
    done.get_future().wait();
  }
  // What the task that `make` gives answers on the loop.
  template <class T>
  T ask(std::move_only_function<net::Task<T>()> make) {
    std::promise<T> answer;
    net::Scope scope;
    run([&] {
      scope.spawn([](auto* make_task, auto* to) -> net::Task<> {
        auto value = co_await (*make_task)();
        to->set_value(std::move(value));
      }(&make, &answer));
    });
    auto got = answer.get_future().get();
    run([&] { scope.cancel_all(); });
    return got;
  }

 private:
  std::unique_ptr<net::Loop> loop_;
  std::thread thread_;
};

// Every service of the test: answers what `say` says, 201 by itself, and remembers what came.
class Services {
 public:
  using Say = std::function<http::Response(const http::Request&, int nth)>;

  Services() {
    thread_.run([this] {
      server_ = std::make_unique<http::ApiServer>(
          thread_.loop(), http::ServerLimits{},
          [this](http::Request request, net::SocketAddress) -> net::Task<http::Response> {
            co_return answer(std::move(request));
          });
      port_ = server_->listen(*net::SocketAddress::parse("127.0.0.1:0"))->port();
    });
  }
  ~Services() {
    thread_.run([this] { server_.reset(); });
  }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  void when(std::string line, Say say) {
    const std::lock_guard lock(mutex_);
    says_[std::move(line)] = std::move(say);
  }
  // Those for "POST /charges", in order.
  [[nodiscard]] std::vector<http::Request> got(std::string_view line) {
    const std::lock_guard lock(mutex_);
    std::vector<http::Request> some;
    for (const http::Request& request : got_) {
      if (request.method + " " + request.target == line) {
        some.push_back(request);
      }
    }
    return some;
  }
  void wait_for(std::string_view line, std::size_t count) {
    for (const auto until = net::monotonic_now() + kPatience; got(line).size() < count;) {
      ASSERT_LT(net::monotonic_now(), until) << line;
      std::this_thread::yield();
    }
  }

 private:
  http::Response answer(http::Request request) {
    const std::lock_guard lock(mutex_);
    const std::string line = request.method + " " + request.target;
    const auto say = says_.find(line);
    http::Response response = say != says_.end()
                                  ? say->second(request, ++nth_[line])
                                  : http::Response{.status = 201, .headers = {}, .body = R"({"id":"x"})"};
    got_.push_back(std::move(request));
    return response;
  }

  LoopThread thread_;
  std::unique_ptr<http::ApiServer> server_;
  std::uint16_t port_ = 0;
  std::mutex mutex_;
  std::map<std::string, Say> says_;
  std::map<std::string, int> nth_;
  std::vector<http::Request> got_;
};

inline Services::Say always(std::uint16_t status, std::string body = "") {
  return [=](const http::Request&, int) { return http::Response{status, {}, body}; };
}

// A worker as `app` has them, without gateways.
class Worker {
 public:
  Worker(std::uint32_t index, const std::shared_ptr<call::Service>& service) {
    thread_.run([&] {
      resolver_ = std::move(*net::Resolver::create(thread_.loop()));
      caller_ = std::make_unique<call::Caller>(thread_.loop(), *resolver_, index, index + 1);
      auto instances = std::make_shared<call::InstanceSet>(thread_.loop(), directory_, answers_, index, 1);
      instances->follow(*service);
      auto table = std::make_shared<call::ServiceTable>();
      table->add({service, instances, &service->metrics().of(index)});
      table_ = std::move(table);
    });
  }
  ~Worker() {
    thread_.run([this] {
      table_.reset();
      caller_.reset();
      resolver_.reset();
    });
  }
  [[nodiscard]] ShardHost host() {
    return {.loop = &thread_.loop(),
            .carrier = std::make_shared<CallCarrier>(thread_.loop(), *caller_, [this] { return table_; })};
  }
  [[nodiscard]] LoopThread& thread() { return thread_; }

 private:
  discovery::Directory directory_;
  http::ObjectPool<http::detail::Answer> answers_;
  LoopThread thread_;
  std::unique_ptr<net::Resolver> resolver_;
  std::unique_ptr<call::Caller> caller_;
  std::shared_ptr<const call::ServiceTable> table_;
};

}  // namespace flotilla::saga::test
