#include "flotilla/saga/definition_reader.hpp"

#include <cstdlib>
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "flotilla/saga/core/builder.hpp"
#include "flotilla/saga/core/definition_json.hpp"

namespace flotilla::saga {
namespace {

using namespace std::chrono_literals;

constexpr const char* kBad = FLOTILLA_SOURCE_DIR "/flotilla/saga/testdata/bad_definitions.txt";

std::string content(const char* path) {
  std::ifstream in(path, std::ios::binary);
  EXPECT_TRUE(in.good()) << path;
  std::ostringstream out;
  out << in.rdbuf();
  return std::move(out).str();
}

const config::Sources& sources() {
  static const config::Sources some{
      .environment = [](const std::string&) { return std::nullopt; },
      .file = [](const std::string& path) -> std::optional<std::string> {
        return path == "order.json"    ? std::optional(R"({"type": "object", "required": ["order_id"]})")
               : path == "broken.json" ? std::optional("{")
                                       : std::nullopt;
      }};
  return some;
}

struct Read {
  std::vector<DefinitionPtr> sagas;
  std::string problems;
  std::string warnings;
};

Read read(const std::string& yaml) {
  config::Problems problems;
  config::Problems warnings;
  Read result;
  const auto root = config::parse_document(yaml, sources(), problems);
  if (root && root->find("sagas") != nullptr) {
    result.sagas = read_sagas(*root->find("sagas"), sources(), problems, warnings);
  }
  for (const std::string& line : problems.lines("f")) {
    result.problems += line + "\n";
  }
  for (const std::string& line : warnings.lines("f")) {
    result.warnings += line + "\n";
  }
  return result;
}

// bad_definitions.txt: a file, a line `----`, what is said about it, a line `====`. FLOTILLA_WRITE_GOLDEN=1
// writes what is said anew: read the difference before it is committed.
TEST(DefinitionReader, PointsAtEveryFault) {
  std::istringstream in(content(kBad));
  std::string written;
  std::string yaml;
  std::string says;
  bool in_says = false;
  std::size_t count = 0;
  for (std::string line; std::getline(in, line);) {
    if (line == "----") {
      in_says = true;
    } else if (line != "====") {
      (in_says ? says : yaml) += line + "\n";
    } else {
      const Read result = read(yaml);
      written += yaml + "----\n" + result.problems + "====\n";
      EXPECT_EQ(result.problems, says) << yaml;
      EXPECT_TRUE(result.problems.starts_with("f:")) << yaml;
      EXPECT_TRUE(result.sagas.empty()) << yaml;
      yaml.clear();
      says.clear();
      in_says = false;
      ++count;
    }
  }
  EXPECT_GE(count, 60U);
  if (std::getenv("FLOTILLA_WRITE_GOLDEN") != nullptr) {
    std::ofstream(kBad, std::ios::binary) << written;
  }
}

constexpr const char* kPlaceOrder = R"(
sagas:
  place-order:
    deadline: 15m
    locks: ["order:{.input.order_id}"]
    publish:
      accepted: { topic: order.placed, data: .input }
      done.charge: { topic: order.paid, data: "{order_id: .input.order_id, charge: .steps.charge.id}" }
    steps:
      - reserve:
          action: POST order-service/reservations
          body: "{order: .input.order_id, items: .input.items}"
          undo: DELETE order-service/reservations/{.input.order_id}
      - charge:
          action: POST payment-service/charges
          body: "{order: .input.order_id, amount: .input.total}"
          undo: { call: POST payment-service/refunds, body: "{order: .input.order_id, reason: .saga.cause}" }
          status: GET payment-service/charges/by-order/{.input.order_id}
          retry: { attempts: 6, backoff: 200ms..5s }
          outcomes: { 402: refused }
          idempotent: key
      - ship:   { kind: pivot, action: POST shipping-service/shipments, body: "{order: .input.order_id}", timeout: 3s, idempotent: key }
      - notify: { kind: retriable, action: POST notification-service/notifications, body: "{user: .input.user_id}" }
    result: "{order_id: .input.order_id, tracking: .steps.ship.tracking}"
)";

// The same saga as the builder's in core/definition_test.cpp: one content, one hash.
TEST(DefinitionReader, MakesTheDefinitionThatTheBuilderMakes) {
  const Read result = read(kPlaceOrder);
  ASSERT_EQ(result.problems, "");
  ASSERT_EQ(result.sagas.size(), 1U);
  std::istringstream stored(content(FLOTILLA_SOURCE_DIR "/flotilla/saga/testdata/place_order.json"));
  std::string line;
  ASSERT_TRUE(std::getline(stored, line));
  EXPECT_EQ(result.sagas[0]->canonical, line);
  EXPECT_EQ(result.sagas[0]->hash.value(),
            "a9f75d1984ca2c489e3c81640cf487440620fd6d943c5fa005667519752b5e37");
  EXPECT_EQ(result.warnings, "");
}

TEST(DefinitionReader, ReadsEveryKey) {
  const Read result = read(R"(
sagas:
  whole:
    version: 7
    input: { schema: order.json }
    deadline: 1h
    locks: { keys: ["a:{.input.id}"], when: .input.amount > 1000, if_held: 30s }
    on_failure: drain
    order: independent
    on_blocked: fail
    retention: { completed: 1h, compensated: 2h }
    require_key: true
    search: { order-no: .input.id, kind: .input.kind }
    redact: [.input.card.number, .steps.run.token]
    publish: { compensated: { topic: gone, data: .saga.cause } }
    steps:
      - run:
          action:
            call: PUT a-service/a/{.input.id}
            body: { z: 1, a: [true, "x"] }
            headers: { X-Kind: "k-{.input.kind}" }
            timeout: 2s
            retry: { within: 1m, factor: 1.5 }
          undo: { call: "DELETE a-service/a/{.input.id}", timeout: 4s, retry: { backoff: 1s..10s } }
          undo_404_ok: true
          barrier: true
          on_unknown: suspend
          outcomes: { 500: retry, 409: ok }
          accept_202: true
          output: { schema: order.json }
      - nest: { saga: child, input: "{id: .input.id}", undo: none, because: it does no harm, after: [] }
      - ask:  { wait: { signal: approve, within: 48h, else: abort }, after: [run, nest] }
      - go:   { kind: pivot, action: POST b-service/b, status: "GET b-service/b/{.saga.id}" }
      - sleep: { kind: retriable, wait: { timer: 10m }, when: .input.slow }
      - tell: { kind: retriable, action: POST c-service/c, body: .steps.ask }
    result: .steps
  child:
    steps:
      - a: { kind: pivot, action: POST a-service/a, idempotent: key }
)");
  ASSERT_EQ(result.problems, "");
  ASSERT_EQ(result.sagas.size(), 2U);
  const auto built =
      SagaBuilder("whole")
          .version(7)
          .input_schema(json::Value::object(
              {{"type", "object"}, {"required", json::Value::array({json::Value("order_id")})}}))
          .deadline(1h)
          .lock("a:{.input.id}")
          .lock_when(".input.amount > 1000")
          .wait_for_locks(30s)
          .drain_on_failure()
          .independent_undo()
          .fail_when_blocked()
          .keep_completed(1h)
          .keep_compensated(2h)
          .require_key()
          .search("order-no", ".input.id")
          .search("kind", ".input.kind")
          .redact(".input.card.number")
          .redact(".steps.run.token")
          .publish("compensated", "gone", ".saga.cause")
          .step([] {
            StepBuilder run("run");
            run.action("PUT a-service/a/{.input.id}")
                .header("X-Kind", "k-{.input.kind}")
                .timeout(2s)
                .retry({.within = 1min, .factor = 1.5})
                .undo("DELETE a-service/a/{.input.id}")
                .undo_404_ok()
                .barrier()
                .suspend_when_unknown()
                .outcome(500, Verdict::retry)
                .outcome(409, Verdict::ok)
                .accept_202()
                .output_schema(json::Value::object(
                    {{"type", "object"}, {"required", json::Value::array({json::Value("order_id")})}}))
                .body(json::Value::object({{"z", 1}, {"a", json::Value::array({true, "x"})}}))
                .undo_timeout(4s)
                .undo_retry({.first = 1s, .cap = 10s});
            return run;
          }())
          .step(StepBuilder("nest").saga("child", "{id: .input.id}").no_undo("it does no harm").after({}))
          .step(StepBuilder("ask").signal({.signal = "approve", .within = 48h}).after({"run", "nest"}))
          .step(StepBuilder("go").pivot().action("POST b-service/b").status("GET b-service/b/{.saga.id}"))
          .step(StepBuilder("sleep").retriable().timer(10min).when(".input.slow"))
          .step(StepBuilder("tell").retriable().action("POST c-service/c", ".steps.ask"))
          .result(".steps")
          .build(std::span(&result.sagas[1], 1));
  ASSERT_TRUE(built) << built.error().message;
  EXPECT_EQ(result.sagas[0]->canonical, (*built)->canonical);
  EXPECT_EQ(result.sagas[0]->hash, (*built)->hash);
  ASSERT_TRUE(result.sagas[0]->input);
  EXPECT_TRUE(result.sagas[0]->input->validate(json::Value::object({{"order_id", 1}})));
  EXPECT_FALSE(result.sagas[0]->input->validate(json::Value::object()));
  // What was read from the file is also what is read back from the journal.
  const auto stored = parse_definition(result.sagas[0]->canonical);
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ((*stored)->hash, result.sagas[0]->hash);
}

TEST(DefinitionReader, WarnsOfWhatAPersonShouldLookAt) {
  const Read result = read(R"(
sagas:
  pay:
    steps:
      - bonus: { action: POST s/points, undo: "DELETE s/points/{.steps.bonus.id}", on_unknown: suspend }
      - charge: { kind: pivot, action: POST s/charges }
)");
  EXPECT_EQ(result.problems, "");
  EXPECT_EQ(result.sagas.size(), 1U);
  EXPECT_EQ(
      result.warnings,
      "f:5:9: step 'bonus' seems to give something away, and it may be spent before it is undone; if it "
      "is so, move it after the pivot\n"
      "f:5:47: step 'bonus', undo: reads `.steps.bonus`, the answer to the action it undoes; when a "
      "failure elsewhere undoes the step while that answer is lost, the saga is suspended: read .input "
      "instead\n"
      "f:6:9: step 'charge' is the pivot, and when its answer is lost a person must find out what "
      "happened; give it a `status` request, or `idempotent: key` if the service replays answers\n");
}

TEST(DefinitionReader, BoundsStepsAndNesting) {
  std::string many = "sagas:\n  s:\n    steps:\n";
  for (std::size_t i = 0; i < kMaxSteps; ++i) {
    many += "      - s" + std::to_string(i) + ": { action: POST s/a, undo: DELETE s/a }\n";
  }
  const Read most = read(many);
  EXPECT_EQ(most.problems, "");
  ASSERT_EQ(most.sagas.size(), 1U);
  EXPECT_EQ(most.sagas[0]->steps[63].ancestors.count(), 63U);
  EXPECT_EQ(read(many + "      - more: { action: POST s/a, undo: DELETE s/a }\n").problems,
            "f:2:3: saga 's' has 65 steps; 1 to 64 are taken: move some into a saga of their own\n");

  const auto chain = [](std::size_t length) {
    std::string yaml = "sagas:\n";
    for (std::size_t i = 0; i < length; ++i) {
      yaml += "  s" + std::to_string(i) + ":\n    steps:\n      - a: ";
      yaml += i + 1 < length ? "{ saga: s" + std::to_string(i + 1) + ", input: .input }\n"
                             : "{ action: POST s/a, undo: DELETE s/a }\n";
    }
    return yaml;
  };
  EXPECT_EQ(read(chain(kMaxNesting)).sagas.size(), kMaxNesting);
  EXPECT_EQ(read(chain(kMaxNesting + 1)).problems,
            "f:25:20: step 'a' runs 's8' within itself, or more than 8 sagas deep; break the chain\n");
}

}  // namespace
}  // namespace flotilla::saga
