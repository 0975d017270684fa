// Durable aggregates inside a C++ program: commands decided by functions, over an SQLite file.
//
//   auto orders = Embedded::open({.path = "orders.db", .aggregates = {order}});
//   const auto reply = orders->execute("place-order", command, {.key = "o-17"});
//
// For: programs that want an aggregate's promises and no server: what execute() has answered is durable, of
// commands that were decided on one version one is kept, and the same key has the same answer, whatever
// crashes. Events go to the topics of their types in the same file; `flotilla up` may serve it afterwards.
// Only one process has the file open at a time.
// Ownership: owns the file and one thread; move-only. Threads: execute() may be called from any thread, and
// blocks; close() and the destructor are called once nobody calls another. Limits: core/aggregate.hpp.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/cqrs/code_aggregate.hpp"
#include "flotilla/cqrs/core/command_io.hpp"

namespace flotilla::cqrs {

struct EmbeddedOptions {
  std::string path;  // of the SQLite file; its directory is created
  std::vector<AggregatePtr> aggregates;
};

struct ExecuteOptions {
  std::string key;                        // of idempotency, at most kMaxCommandKey bytes; empty: none
  std::optional<std::uint64_t> expected;  // the version that the aggregate must have; 0: none yet
};

class Embedded {
 public:
  // Errors: invalid (no evolve, a name that cannot be one, a command twice); what the journal says.
  [[nodiscard]] static Result<Embedded> open(const EmbeddedOptions& options);
  Embedded(Embedded&&) noexcept;
  Embedded& operator=(Embedded&&) noexcept;
  ~Embedded();

  // Durable when it returns. Errors: refused (by decide, with its code), conflict, key_reused, invalid,
  // not_found (no such command), draining (closed), and the store's.
  [[nodiscard]] std::expected<CommandReply, CommandRefusal> execute(std::string_view command,
                                                                    json::Value body,
                                                                    const ExecuteOptions& options = {});

  // Ends what is being executed, as a crash would, and closes the file.
  void close();

 private:
  class Machine;
  explicit Embedded(std::unique_ptr<Machine> machine);
  std::unique_ptr<Machine> machine_;  // null once closed
};

}  // namespace flotilla::cqrs
