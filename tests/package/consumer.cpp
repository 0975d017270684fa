// Uses what an installed Flotilla promises to C++: a saga of functions, from a file that goes with the
// program.
#include <cstdio>

#include "flotilla/resilience/core/circuit_breaker.hpp"
#include "flotilla/saga/embedded.hpp"
#include "flotilla/saga/sqlite_barrier.hpp"

using namespace flotilla::saga;

int main(int, char** argv) {
  const StepFunction good = [](const StepCall& call) { return Outcome::done(call.input["order"]); };
  auto sagas = Embedded::open(
      {.path = std::string(argv[1]) + "/sagas.db",
       .sagas = {CodeSaga("order", 1).step("reserve", good).undo(good).step("ship", good).pivot()}});
  if (!sagas) {
    std::fprintf(stderr, "%s\n", sagas.error().message.c_str());
    return 1;
  }
  const auto started = sagas->start("order", "o-1", flotilla::json::Value::object({{"order", "o-1"}}));
  const auto ended =
      started ? sagas->wait(started->saga.id, std::chrono::seconds(60)) : std::unexpected(started.error());
  return ended && ended->state == "completed" ? 0 : 1;
}
