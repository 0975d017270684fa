// Commands on one worker: carries out what a CommandRun asks for, and lets those of one aggregate take turns.
//
// An aggregate's commands all come to the worker that its name chooses, so within a process none is decided
// on a state that another is just changing; what another process does is found by the version. Ownership: the
// journal, the topics and the metrics outlive it; destroying it on its loop abandons what is under way, as a
// crash would. Threads: one loop's. Limits: kMaxCommands under way, kMaxTurns of them for one aggregate.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/cqrs/check_call.hpp"
#include "flotilla/cqrs/command_metrics.hpp"
#include "flotilla/cqrs/core/command_batch.hpp"
#include "flotilla/cqrs/core/command_run.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::cqrs {

inline constexpr std::size_t kMaxCommands = 8192;
inline constexpr std::size_t kMaxTurns = 1024;

// The streams of topics that commands publish to, as far as they are known to the process.
class TopicDirectory {
 public:
  // Those of the events, in that shard.
  [[nodiscard]] TopicStreams of(const std::vector<journal::Event>& events, CommandPlace place) const;
  void put(const std::string& key, journal::StreamId stream);  // journal::topic_key()

 private:
  mutable std::mutex mutex_;
  TopicStreams streams_;  // guarded by mutex_
};

class CommandShell {
 public:
  struct Seat {
    net::Loop* loop = nullptr;
    std::shared_ptr<CheckCarrier> checks;
    std::size_t index = 0;  // among the workers
    std::uint64_t seed = 0;
  };
  CommandShell(journal::Journal& journal, TopicDirectory& topics, CommandMetrics& metrics, Seat seat)
      : journal_(journal), topics_(topics), metrics_(metrics), seat_(std::move(seat)), random_(seat_.seed) {}
  CommandShell(const CommandShell&) = delete;
  CommandShell& operator=(const CommandShell&) = delete;

  // Executes it to its end. `give` is called once, or destroyed with the shell.
  void execute(CommandRun run, std::uint32_t shard, std::move_only_function<void(CommandAnswer)> give);
  // Calls `done` once nothing is under way, or the deadline has passed.
  void drain(Instant deadline, std::move_only_function<void()> done);

 private:
  class Turn;
  using Line = std::deque<net::Event*>;  // who waits for an aggregate; the first has its turn
  using Give = std::move_only_function<void(CommandAnswer)>;

  [[nodiscard]] net::Task<> run(CommandRun command, std::uint32_t shard, Give give);
  [[nodiscard]] net::Task<CommandInput> carry_out(effect::Commit commit, std::uint32_t shard);
  [[nodiscard]] net::Task<CommandInput> carry_out(effect::RunCheck check, const CommandRun& command,
                                                  const std::string& key);
  [[nodiscard]] static CommandInput input_of(const journal::AppendError& error, const effect::Commit& commit);
  static void count(CommandCounters& counters, const CommandRun& command, const CommandAnswer& answer);

  journal::Journal& journal_;
  TopicDirectory& topics_;
  CommandMetrics& metrics_;
  Seat seat_;
  Random random_;
  std::map<std::string, Line, std::less<>> lines_;  // by aggregate and id
  net::Scope tasks_;                                // last: its tasks use the others
  net::Scope drains_;
};

}  // namespace flotilla::cqrs
