// Uses what an installed Flotilla promises to C++: a saga of functions, and an aggregate of types, from files
// that go with the program.
#include <cstdio>

#include "flotilla/cqrs/embedded.hpp"
#include "flotilla/resilience/core/circuit_breaker.hpp"
#include "flotilla/saga/embedded.hpp"
#include "flotilla/saga/sqlite_barrier.hpp"

namespace {

struct Count {
  int events = 0;
};

bool executes_a_command(const std::string& file) {
  using namespace flotilla::cqrs;
  using flotilla::json::Value;
  const AggregatePtr counter =
      CodeAggregate<Count>("counter", 1)
          .evolve([](Count count, const AggregateEvent&) { return Count{count.events + 1}; })
          .command(
              "count", [](const Value& command) { return command["id"]; },
              [](const Count& count, const Value&) -> Verdict {
                return std::vector<NewEvent>{{"counted", Value(count.events + 1)}};
              })
          .build();
  auto counters = flotilla::cqrs::Embedded::open({.path = file, .aggregates = {counter}});
  const auto reply = counters ? counters->execute("count", Value::object({{"id", "c"}}))
                              : std::unexpected(CommandRefusal{.detail = counters.error().message});
  return reply && reply->events.at(0).data == "1";
}

}  // namespace

int main(int, char** argv) {
  using namespace flotilla::saga;
  const StepFunction good = [](const StepCall& call) { return Outcome::done(call.input["order"]); };
  auto sagas = flotilla::saga::Embedded::open(
      {.path = std::string(argv[1]) + "/sagas.db",
       .sagas = {CodeSaga("order", 1).step("reserve", good).undo(good).step("ship", good).pivot()}});
  if (!sagas) {
    std::fprintf(stderr, "%s\n", sagas.error().message.c_str());
    return 1;
  }
  const auto started = sagas->start("order", "o-1", flotilla::json::Value::object({{"order", "o-1"}}));
  const auto ended =
      started ? sagas->wait(started->saga.id, std::chrono::seconds(60)) : std::unexpected(started.error());
  const bool counted = executes_a_command(std::string(argv[1]) + "/counters.db");
  return counted && ended && ended->state == "completed" ? 0 : 1;
}
