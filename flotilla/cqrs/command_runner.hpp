// The commands of a process: finds which aggregate one is for, and has the worker execute it that its
// aggregate lives on.
//
// For: the application API, the gateway's action and C++ programs (embedded.hpp); `app` opens it and lends it
// the workers. What was begun goes on when whoever asked has gone. A command whose aggregate lies in a shard
// of another process is passed on to it (command_forward.hpp).
// Ownership: owns the shells; the journal outlives it, the workers' loops outlive stop(). Threads: start(),
// replace(), stop() and the destructor on the control thread; execute() on any loop; knows() and collect() on
// any thread. Limits: those of command_shell.hpp.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/cqrs/command_forward.hpp"
#include "flotilla/cqrs/command_shell.hpp"
#include "flotilla/cqrs/command_table.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::cqrs {

// A worker.
struct CommandHost {
  net::Loop* loop = nullptr;
  std::shared_ptr<CheckCarrier> checks;
};

struct CommandRequest {
  std::string name;
  CommandAsk ask;
  bool forwarded = false;  // by another process: it is not passed on again
};

class CommandRunner {
 public:
  // `token`: of the application API, the same in all processes of a shared journal.
  CommandRunner(journal::Journal& journal, std::uint64_t seed, std::string token)
      : journal_(journal), seed_(seed), token_(std::move(token)) {}
  CommandRunner(const CommandRunner&) = delete;
  CommandRunner& operator=(const CommandRunner&) = delete;
  ~CommandRunner() { stop(); }

  void start(CommandTablePtr table, std::vector<CommandHost> hosts);
  // What the file says from now on; commands under way end as they began.
  void replace(CommandTablePtr table);
  // Lets what is under way end, for at most `grace`; then calls `done` on one of the loops.
  void drain(Duration grace, std::function<void()> done);
  // Ends all of it, as a crash would: those who wait are told that it is not known what became of theirs.
  // Blocks, so not on a worker's loop.
  void stop();

  [[nodiscard]] net::Task<CommandAnswer> execute(CommandRequest request);
  void collect(telemetry::MetricsPage& page) const { metrics_.collect(page); }

 private:
  struct Seat {
    CommandHost host;
    std::unique_ptr<CommandShell> shell;  // the loop's thread alone; null once it has stopped
  };
  using SeatPtr = std::shared_ptr<Seat>;

  // Who executes commands of an aggregate.
  struct Place {
    std::uint32_t shard = 0;
    SeatPtr seat;  // null: another process
    Result<std::string> owner = std::string();
  };

  [[nodiscard]] CommandTablePtr table() const;
  // Nothing once it has stopped: the journal may be gone.
  [[nodiscard]] std::optional<Place> place_of(const std::string& aggregate, const std::string& id) const;
  static void run_on(net::Loop& loop, std::move_only_function<void()> function);

  journal::Journal& journal_;
  const std::uint64_t seed_;
  const std::string token_;
  TopicDirectory topics_;
  CommandMetrics metrics_;
  mutable std::mutex mutex_;
  CommandTablePtr table_;       // guarded by mutex_
  std::vector<SeatPtr> seats_;  // guarded by mutex_
  bool stopped_ = false;
};

}  // namespace flotilla::cqrs
