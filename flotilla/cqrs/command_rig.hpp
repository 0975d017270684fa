// Commands over a journal in memory, on the test's own loop, with checks that answer what the test says.
//
// Ownership: the rig owns all of it. Threads: the test's. Limits: only tests include it.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "flotilla/cqrs/aggregate_config_reader.hpp"
#include "flotilla/cqrs/command_api.hpp"
#include "flotilla/cqrs/command_runner.hpp"
#include "flotilla/cqrs/core/command_record.hpp"
#include "flotilla/journal/memory_journal.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::cqrs::test {

inline std::vector<AggregatePtr> aggregates(const std::string& yaml) {
  const config::Sources none{.environment = [](const std::string&) { return std::nullopt; },
                             .file = [](const std::string&) { return std::nullopt; }};
  config::Problems problems;
  const auto node = config::parse_document(yaml, none, problems);
  auto all = node ? read_aggregates(*node, none, problems) : std::vector<AggregatePtr>();
  for (const std::string& line : problems.lines("f")) {
    ADD_FAILURE() << line;
  }
  return all;
}

class FakeChecks final : public CheckCarrier {
 public:
  [[nodiscard]] net::Task<std::optional<CommandRefusal>> check(const Check& check, const CommandAsk& ask,
                                                               std::string key) override {
    asked.push_back(check.call.text() + " " + json::write(ask.command));
    keys.push_back(std::move(key));
    if (release != nullptr) {
      co_await release->wait();
    }
    co_return refusal;
  }
  std::optional<CommandRefusal> refusal;
  net::Event* release = nullptr;  // they wait for it
  std::vector<std::string> asked;
  std::vector<std::string> keys;
};

inline constexpr const char* kAccounts = R"(
account:
  evolve: '{sum: ((.sum // 0) + $data.by)}'
  snapshot_every: 3
  commands:
    add:
      schema: { type: object, required: [id, by] }
      id: .id
      decide: 'if (.sum // 0) + $command.by > 100 then {error: {code: "full", message: "too much"}} else [{type: "added", data: {by: $command.by}}] end'
    look:
      id: .id
      decide: '[]'
    careful:
      id: .id
      check: ["POST bank/check", { call: "GET bank/limits/{.id}", timeout: 1s }]
      decide: '[{type: "added", data: {by: $command.by}}, {type: "noted", data: null}]'
    odd:
      id: .id
      decide: .sum
)";

struct CommandRig {
  explicit CommandRig(std::uint32_t shards = 1) : journal(vocabulary(), shards) {}

  static journal::Vocabulary vocabulary() {
    journal::Vocabulary known{{journal::RecordClass::topic, journal::kEventRecord, 1, "event"}};
    known.add(command_record_types());
    return known;
  }

  // Runs `body`, a coroutine over this loop, to its end, with the commands of that file.
  template <class Body>
  void run(const std::string& yaml, Body body) {
    net::Scope scope;
    loop->post([&] {
      start(yaml);
      scope.spawn([](Body& what, CommandRig& rig) -> net::Task<> {
        co_await what();
        rig.runner->stop();
        rig.loop->stop();
      }(body, *this));
    });
    loop->run();
  }

  // What a process is: it may end and begin again over the same journal.
  void start(const std::string& yaml) {
    if (runner) {
      runner->stop();
      journal.begin_epoch();
    }
    runner = std::make_unique<CommandRunner>(journal, 1, "");
    runner->start(make_command_table(aggregates(yaml), rules), {{.loop = loop.get(), .checks = checks}});
  }

  [[nodiscard]] net::Task<http::Response> post(std::string command, std::string body,
                                               http::Fields fields = {}) {
    CommandApi api(*runner);
    co_return co_await api.handle({.method = "POST",
                                   .target = "/v1/commands/" + command,
                                   .headers = std::move(fields),
                                   .body = std::move(body)},
                                  net::SocketAddress());
  }

  // Bodies of a category's records, or of all of a class.
  [[nodiscard]] net::Task<std::vector<journal::RecordPtr>> records(journal::RecordClass record_class,
                                                                   std::string category) {
    const auto page = co_await journal.read(
        journal::CategoryQuery{.record_class = record_class, .category = std::move(category)});
    co_return page ? page->records : std::vector<journal::RecordPtr>();
  }

  std::unique_ptr<net::Loop> loop = std::move(*net::Loop::create());
  journal::MemoryJournal journal;
  std::shared_ptr<FakeChecks> checks = std::make_shared<FakeChecks>();
  EventRules rules;
  std::unique_ptr<CommandRunner> runner;
};

}  // namespace flotilla::cqrs::test
