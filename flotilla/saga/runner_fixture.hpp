// A runner on two workers, over a memory journal and the services of runner_rig.hpp, for tests.
//
// Ownership: the fixture owns all of it. Threads: the test's; it waits for the workers' loops. Limits:
// kPatience for whatever should happen.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "flotilla/journal/memory_journal.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/saga/core/builder.hpp"
#include "flotilla/saga/runner.hpp"
#include "flotilla/saga/runner_rig.hpp"

namespace flotilla::saga::test {

using namespace std::chrono_literals;

inline json::Value parsed(std::string_view text) { return json::parse(text).value(); }

inline constexpr RetryDraft kQuick{.attempts = 6, .within = {}, .first = 2ms, .cap = 20ms, .factor = {}};

inline SagaBuilder order() {
  return std::move(SagaBuilder("order")
                       .step(StepBuilder("reserve")
                                 .action("POST shop/reservations", "{order: .input.id}")
                                 .undo("DELETE shop/reservations/{.input.id}")
                                 .retry(kQuick))
                       .step(StepBuilder("charge")
                                 .action("POST shop/charges", "{order: .input.id, total: .input.total}")
                                 .undo("POST shop/refunds", "{order: .input.id}")
                                 .retry(kQuick))
                       .step(StepBuilder("ship").pivot().action("POST shop/shipments").retry(kQuick))
                       .result("{shipment: .steps.ship.id}"));
}

inline constexpr std::uint32_t kSlots = 16;

class RunnerTest : public testing::Test {
 protected:
  explicit RunnerTest(std::uint32_t workers = 2) {
    call::ServiceConfig config;
    config.name = ServiceName("shop");
    config.urls = {{"127.0.0.1", services.port(), ""}};
    config.circuit_breaker.emplace();
    config.bulkhead = resilience::BulkheadConfig{.concurrent = kSlots, .queue = 100, .wait = kPatience};
    service = std::move(*call::Service::create(config, workers, net::monotonic_now(), 1, nullptr));
    for (std::uint32_t i = 0; i < workers; ++i) {
      workers_.push_back(std::make_unique<Worker>(i, service));
    }
  }
  ~RunnerTest() override { runner.reset(); }

  static DefinitionPtr built(const SagaBuilder& builder) {
    auto definition = builder.build();
    EXPECT_TRUE(definition) << definition.error().message;
    return *definition;
  }
  void open(std::vector<DefinitionPtr> definitions) {
    auto opened = Runner::open(journal, {.definitions = std::move(definitions),
                                         .callback_base = "http://cb/",
                                         .recovery_rate = recovery_rate,
                                         .seed = static_cast<std::uint64_t>(net::wall_now().ns_since_epoch)});
    ASSERT_TRUE(opened) << opened.error().message;
    runner = std::move(*opened);
    std::vector<ShardHost> hosts;
    for (const auto& worker : workers_) {
      hosts.push_back(worker->host());
    }
    runner->start(std::move(hosts));
  }
  Asked<StartResult> start(std::string key = "", std::string_view input = R"({"id":7,"total":1.10})",
                           Duration wait = kPatience, std::string name = "order") {
    return client.ask<Asked<StartResult>>([&] {
      return runner->start(StartRequest{.name = name,
                                        .principal = "test",
                                        .key = key,
                                        .input = parsed(input),
                                        .trace = {},
                                        .correlation = "c-1",
                                        .wait = wait});
    });
  }
  Asked<SagaView> show(SagaId saga, bool timeline = false) {
    return client.ask<Asked<SagaView>>([&] { return runner->show(saga, timeline); });
  }
  void wait_for_state(SagaId saga, std::string_view state) {
    for (const auto until = net::monotonic_now() + kPatience;;) {
      const auto view = show(saga);
      ASSERT_TRUE(view) << view.error().detail;
      if (view->state == state) {
        return;
      }
      ASSERT_LT(net::monotonic_now(), until) << json::write(view->body);
    }
  }

  // Until all workers together have counted that much.
  void wait_for_count(std::uint64_t least, std::uint64_t (*count)(const call::ServiceCounters&)) {
    const auto sum = [&] {
      std::uint64_t all = 0;
      for (const call::ServiceCounters& each : service->metrics().shards()) {
        all += count(each);
      }
      return all;
    };
    for (const auto until = net::monotonic_now() + kPatience; sum() < least;) {
      ASSERT_LT(net::monotonic_now(), until);
      std::this_thread::yield();
    }
  }

  std::uint32_t recovery_rate = 200;
  journal::MemoryJournal journal{saga_vocabulary()};
  Services services;
  std::shared_ptr<call::Service> service;
  LoopThread client;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::unique_ptr<Runner> runner;
};

inline std::string steps_of(const SagaView& view) {
  std::string all;
  for (const json::Value& step : view.body["steps"].items()) {
    all += std::string(step["name"].as_string()) + ":" + std::string(step["state"].as_string()) + " ";
  }
  return all;
}

}  // namespace flotilla::saga::test
