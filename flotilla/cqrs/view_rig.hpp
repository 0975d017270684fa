// Views over a journal in memory, on the test's own loop, with events that are appended as publishers do.
//
// Ownership: the rig owns all of it. Threads: the test's. Limits: kPatience for whatever should happen; only
// tests include it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "flotilla/cqrs/api.hpp"
#include "flotilla/cqrs/operator_api.hpp"
#include "flotilla/cqrs/view_config_reader.hpp"
#include "flotilla/cqrs/view_reader.hpp"
#include "flotilla/cqrs/view_runner.hpp"
#include "flotilla/journal/core/topic.hpp"
#include "flotilla/journal/memory_journal.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::cqrs::test {

inline constexpr Duration kPatience = std::chrono::seconds(30);

inline std::vector<ViewDefinitionPtr> views(const std::string& yaml) {
  const config::Sources none{.environment = [](const std::string&) { return std::nullopt; },
                             .file = [](const std::string&) { return std::nullopt; }};
  config::Problems problems;
  const auto node = config::parse_document(yaml, none, problems);
  auto all = node ? read_views(*node, problems) : std::vector<ViewDefinitionPtr>();
  for (const std::string& line : problems.lines("f")) {
    ADD_FAILURE() << line;
  }
  return all;
}

struct Rig {
  explicit Rig(std::uint32_t shards = 1)
      : journal({{journal::RecordClass::topic, journal::kEventRecord, 1, "event"},
                 {journal::RecordClass::saga, 1, 1, "accepted"}},
                shards) {}

  // Runs `body`, a coroutine over this loop, to its end.
  template <class Body>
  void run(Body body) {
    net::Scope scope;
    loop->post([&] {
      if (!to_start.empty()) {
        start(std::exchange(to_start, {}));
      }
      scope.spawn([](Body& what, Rig& rig) -> net::Task<> {
        co_await what();
        rig.runner->stop();
        rig.loop->stop();
      }(body, *this));
    });
    loop->run();
  }

  // What a process is: it may end and begin again over the same journal. Outside of run(): when that begins.
  void start(const std::string& yaml) {
    if (net::Loop::current() != loop.get()) {
      to_start = yaml;
      return;
    }
    runner = std::make_unique<ViewRunner>(journal);
    reader = std::make_unique<ViewReader>(*runner);
    runner->start(views(yaml), {loop.get()});
  }
  void crash() {
    runner->stop();
    journal.begin_epoch();
  }

  // The Position that whoever publishes is given.
  journal::Position publish(const std::string& topic, const std::string& data, std::uint32_t shard = 0) {
    journal::Batch batch;
    batch.shard = shard;
    batch.epoch = journal.epoch(shard);
    batch.time = journal::UtcMillis(++time);
    const std::string place = journal::topic_key(topic, shard, journal.shards());
    const auto known = streams.find(place);
    const auto stream = journal::topic_stream(
        batch, topic, journal.shards(), known == streams.end() ? std::nullopt : std::optional(known->second));
    journal::NewRecord record{.type = journal::kEventRecord, .category = topic};
    record.body = encode(journal::Event{
        .attributes = {{"id", std::to_string(time)}, {"source", "/test"}, {"type", topic}}, .data = data});
    batch.appends.push_back(
        {.record_class = journal::RecordClass::topic, .stream = stream, .records = {record}});
    journal::Position position;
    journal.append(std::move(batch), [&](journal::AppendResult done) {
      if (!done) {
        ADD_FAILURE() << describe(done.error());
        return;
      }
      position = done->position;
      if (!done->created.empty()) {
        streams.emplace(place, done->created.front());
      }
    });
    return position;
  }

  [[nodiscard]] net::Task<http::Response> get(std::string target, http::Fields fields = {}) {
    Api api(*reader);
    co_return co_await api.handle(
        {.method = "GET", .target = "/v1/views/" + target, .headers = std::move(fields), .body = {}},
        net::SocketAddress());
  }
  // Waits until the view has seen all there is.
  [[nodiscard]] net::Task<http::Response> fresh(std::string target) {
    co_return co_await get(target + (target.contains('?') ? "&" : "?") + "wait=10s",
                           {{"Read-After", end().text()}});
  }
  [[nodiscard]] journal::ReadToken end() const {
    journal::ReadToken token(journal.shards());
    for (std::uint32_t shard = 0; shard < token.shards(); ++shard) {
      token.move_to(journal.position(shard));
    }
    return token;
  }
  [[nodiscard]] net::Task<http::Response> operate(std::string method, std::string target,
                                                  std::string body = {}) {
    OperatorApi api(*runner);
    co_return co_await api.handle({.method = std::move(method),
                                   .target = "/api/v1/views" + target,
                                   .headers = {},
                                   .body = std::move(body)},
                                  net::SocketAddress());
  }
  template <class Condition>
  net::Task<> until(Condition condition) {
    const Instant deadline = loop->now() + kPatience;
    while (!condition() && loop->now() < deadline) {
      co_await net::sleep_for(*loop, std::chrono::milliseconds(1));
    }
    EXPECT_TRUE(condition());
  }

  std::unique_ptr<net::Loop> loop = std::move(*net::Loop::create());
  journal::MemoryJournal journal;
  std::map<std::string, journal::StreamId> streams;
  std::int64_t time = 1'000;
  std::string to_start;
  std::unique_ptr<ViewRunner> runner;
  std::unique_ptr<ViewReader> reader;
};

inline json::Value json_of(const http::Response& response) {
  auto value = json::parse(response.body);
  EXPECT_TRUE(value) << response.body;
  return value.value_or(json::Value());
}

}  // namespace flotilla::cqrs::test
