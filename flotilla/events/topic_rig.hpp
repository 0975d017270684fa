// Topics over a journal in memory, on the test's own loop.
//
// Ownership: the rig owns all of it. Threads: the test's. Limits: kPatience for whatever should happen; only
// tests include it.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "flotilla/events/api.hpp"
#include "flotilla/events/core/dead_letter_item.hpp"
#include "flotilla/events/core/declaration.hpp"
#include "flotilla/events/topic_config_reader.hpp"
#include "flotilla/journal/memory_journal.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::events::test {

inline constexpr Duration kPatience = std::chrono::seconds(30);

inline journal::Vocabulary vocabulary() {
  journal::Vocabulary known{{journal::RecordClass::topic, journal::kEventRecord, 1, "event"}};
  known.add(letter_record_types());
  known.add(declaration_record_types());
  return known;
}

struct Rig {
  explicit Rig(std::uint32_t shards = 1) : journal(vocabulary(), shards) {
    topics.replace({default_topic("orders"), default_topic("audit")});
  }

  // Runs `body`, a coroutine over this loop, to its end.
  template <class Body>
  void run(Body body) {
    net::Scope scope;
    loop->post([&] {
      scope.spawn([](Body& what, net::Loop& on) -> net::Task<> {
        co_await what();
        on.stop();
      }(body, *loop));
    });
    loop->run();
  }

  [[nodiscard]] net::Task<http::Response> post(std::string topic, std::string body,
                                               http::Fields fields = {}) {
    co_return co_await api.handle({.method = "POST",
                                   .target = "/v1/topics/" + topic,
                                   .headers = std::move(fields),
                                   .body = std::move(body)},
                                  net::SocketAddress());
  }
  [[nodiscard]] net::Task<http::Response> get(std::string target) {
    co_return co_await api.handle(
        {.method = "GET", .target = "/v1/topics/" + target, .headers = {}, .body = {}}, net::SocketAddress());
  }

  std::unique_ptr<net::Loop> loop = std::move(*net::Loop::create());
  journal::MemoryJournal journal;
  TopicTable topics;
  EventMetrics metrics;
  Publisher publisher{journal};
  TopicReader reader{journal, metrics};
  Api api{topics, publisher, reader, metrics, 7};
};

inline json::Value json_of(const http::Response& response) {
  auto value = json::parse(response.body);
  EXPECT_TRUE(value) << response.body;
  return value.value_or(json::Value());
}

}  // namespace flotilla::events::test
