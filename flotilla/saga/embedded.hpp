// Durable sagas inside a C++ program: the engine over an SQLite file, steps and undos as functions.
//
//   auto sagas = Embedded::open({.path = "orders.db", .sagas = {order}});
//   auto started = sagas->start("order", "o-17", input);          // durable when it returns
//   auto ended = sagas->wait(started->saga.id, 10s);              // "completed", "compensated", ...
//
// For: programs that want sagas and no service to run them; the same engine, runner and journal as the
// program `flotilla`, so the same promises: what start() has acknowledged ends, is undone or is suspended
// with a reason, whatever crashes; a step is called again, with the same key, until its outcome is known.
// open() takes up what a process before left; a saga of which this program has no function is suspended and
// says so, and goes on after resume(). Only one process has the file open at a time.
// Ownership: owns the file, one thread for the engine and `threads` for functions; move-only.
// Threads: every function may be called from any thread but close() and the destructor, which are called
// once nobody calls another; all of them block. A function of a step may call start(), and must not wait()
// for what needs the thread it stands on. Errors: those of service.hpp (SagaProblem), plus what open() says.
// Limits: service.hpp's.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/saga/code_saga.hpp"
#include "flotilla/saga/service.hpp"

namespace flotilla::saga {

struct EmbeddedOptions {
  std::string path;  // of the SQLite file; its directory is created
  // Of one name several versions may be given; the one given last is started, the others end what is open.
  std::vector<CodeSaga> sagas;
  std::uint32_t threads = 4;  // functions that run at once, at least 1
};

class Embedded {
 public:
  // Errors: those of CodeSaga::build(); invalid (a version given twice); conflict (another process has the
  // file) and what else the journal says of it.
  [[nodiscard]] static Result<Embedded> open(const EmbeddedOptions& options);
  Embedded(Embedded&&) noexcept;
  Embedded& operator=(Embedded&&) noexcept;
  ~Embedded();

  // Durable when it returns. `id` is the caller's name for this saga: asking again with the same input finds
  // the first (`existing`), with another input is refused as key_reused; for at least as long as the saga is
  // kept. Empty: every call starts another.
  [[nodiscard]] Asked<StartResult> start(std::string_view saga, std::string_view id, json::Value input);
  // As it is at its end, or suspended, or when `at_most` is over.
  [[nodiscard]] Asked<SagaView> wait(SagaId saga, Duration at_most);
  [[nodiscard]] Asked<SagaView> show(SagaId saga, bool timeline = false);
  [[nodiscard]] Asked<SagaPage> list(ListRequest request);
  [[nodiscard]] Asked<CancelResult> cancel(SagaId saga, std::string_view who, std::string_view why);
  [[nodiscard]] Asked<SignalResult> signal(SignalRequest request);
  // Of a suspended saga; `who` and `why` stand in its history.
  [[nodiscard]] Asked<SagaView> resume(SagaId saga, std::string_view who, std::string_view why);
  // Every other verb of an operator (docs/sagas.md).
  [[nodiscard]] Asked<SagaView> operate(OperateRequest request);

  // Calls no function any more, waits for those that run, and closes the file; sagas go on when it is opened
  // again. Functions that still run after `grace` are asked to stop, and waited for. Later calls of the above
  // are refused as draining. The destructor closes without grace.
  void close(Duration grace);

 private:
  class Machine;
  explicit Embedded(std::unique_ptr<Machine> machine);
  std::unique_ptr<Machine> machine_;  // null once closed
};

}  // namespace flotilla::saga
