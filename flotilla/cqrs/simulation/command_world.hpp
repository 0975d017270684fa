// The simulated world of commands: clients that race and repeat themselves, a process that is killed and
// started again with another `evolve`, a store that fails, in one seeded process.
//
// For: tests. Whatever can happen next is drawn from the seed; what is under way may come in any order, and
// what was read may be old by the time it is told, so a seed replays exactly. Then the world heals, and every
// client that has a key gets its answer. Batches are those of the shell, in a journal in memory. Each event
// says which state it was decided on, so that the log alone shows: of all that was decided on a version
// exactly one is kept (P6), versions are dense (P7). A key within its time is executed once and has one
// answer, byte by byte (P8); what was answered is kept; copies in topics are those of the aggregate. Whoever
// looks at an aggregate sees the fold from scratch, now or as of an earlier version.
// Ownership: owns all of it; the coverage outlives it. Threads: one.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/cqrs/core/aggregate_sight.hpp"
#include "flotilla/cqrs/core/command_batch.hpp"
#include "flotilla/cqrs/core/command_run.hpp"
#include "flotilla/journal/memory_journal.hpp"

namespace flotilla::cqrs::simulation {

enum class Event : std::uint8_t {
  accepted,
  no_events,
  refused,
  refusal_kept,
  replayed,
  refusal_replayed,
  key_reused,
  key_raced,        // another request with the same key was quicker
  key_asked_again,  // the same, found before a conflict was the answer
  key_expired,
  decided_again,
  conflict_given,
  precondition_failed,
  precondition_held,
  created,
  creation_raced,
  snapshot_kept,
  snapshot_read,
  snapshot_of_other_code,
  check_refused,
  crashed_before,
  crashed_after,  // it is durable, and nobody was told
  failed_written,
  failed_unwritten,
  topic_created,
  looked,
  looked_back,  // as of an earlier version
  looked_from_snapshot,
  looked_past_snapshot,  // which is newer than what was asked for
  looked_at_nothing,
};
inline constexpr std::size_t kEvents = static_cast<std::size_t>(Event::looked_at_nothing) + 1;
[[nodiscard]] std::string_view to_string(Event event) noexcept;

struct CommandCoverage {
  std::array<std::uint64_t, kEvents> events{};
  std::uint64_t requests = 0;
  std::uint64_t commits = 0;
  std::uint64_t crashes = 0;
  std::uint64_t steps = 0;

  void count(Event event) noexcept { ++events[static_cast<std::size_t>(event)]; }
  // The names of what was never reached.
  [[nodiscard]] std::vector<std::string> missing() const;
};

struct CommandWorldConfig {
  std::uint64_t seed = 1;
  std::size_t steps = 1500;  // then it heals
  CommandFault planted = CommandFault::none;
  bool trace = false;
};

struct CommandOutcome {
  std::string violation;  // empty: none
  std::string timeline;   // with `trace`
};

class CommandWorld {
 public:
  CommandWorld(const CommandWorldConfig& config, CommandCoverage& coverage);

  [[nodiscard]] CommandOutcome run();

 private:
  // What a client wants; with a key he asks until he is answered.
  struct Wish {
    std::string command;
    std::string id;
    CommandAsk ask;
    bool answered = false;
    std::size_t under_way = 0;  // requests
  };
  // A request in this life of the process.
  struct Request {
    std::size_t wish = 0;
    std::unique_ptr<CommandRun> run;
    CommandEffect effect;
    std::optional<CommandInput> told;  // what it is going to hear
    std::int64_t began_ms = 0;
    bool check_refused = false;
    bool raced_key = false;
    bool raced_creation = false;
    std::uint64_t commits = 0;
  };
  // Somebody looks at an aggregate.
  struct Looking {
    std::string id;
    std::optional<std::uint64_t> at;
    std::uint64_t least = 0;  // its version when he began
    AggregatePtr code;
    AggregateSight machine;
    SightEffect effect;
    std::optional<CommandInput> told = {};
  };
  // What was committed under a key; when its time is over there may be another.
  struct Known {
    std::string body;
    std::int64_t expires_ms = 0;
    std::string answer;  // byte by byte
  };

  // command_world.cpp
  void happen();
  void wish_something();
  void ask(std::size_t wish);
  void go_on(std::size_t request);
  void crash();
  void settle();
  void violated(const std::string& what);
  void note(const std::string& what);
  [[nodiscard]] bool chance(std::uint32_t of_thousand) {
    return !healing_ && random_.below(1000) < of_thousand;
  }
  [[nodiscard]] WallTime now() const { return WallTime{now_ms_ * 1'000'000}; }
  [[nodiscard]] AggregatePtr code() const { return codes_[code_]; }
  [[nodiscard]] CommandPtr command_named(const std::string& name) const;

  // command_world_store.cpp
  [[nodiscard]] CommandInput carry_out(Request& request);
  [[nodiscard]] input::Holder read(const effect::FindHolder& find);
  [[nodiscard]] input::SnapshotFound read(const effect::ReadSnapshot& snapshot);
  [[nodiscard]] input::Records read(const effect::ReadRecords& read);
  [[nodiscard]] CommandInput commit(Request& request, const effect::Commit& commit);
  [[nodiscard]] CommandInput append(const effect::Commit& commit, Request& request);
  void committed(Request& request, const effect::Commit& commit, journal::Position position);
  void check_snapshot(const effect::Commit& commit);
  void given(Request& request, const CommandAnswer& answer);
  void check_reply(const Request& request, const CommandAnswer& answer);
  void check_key(const Request& request, const CommandAnswer& answer, const std::string& bytes);
  void check_end();
  [[nodiscard]] std::vector<journal::RecordPtr> all(journal::RecordClass record_class,
                                                    const std::string& category);

  // command_world_sight.cpp
  void look();
  void look_on();
  void seen(const Looking& looking, const std::expected<Sight, CommandRefusal>& outcome);
  void check_sight(const Looking& looking, const Sight& sight);

  CommandWorldConfig config_;
  CommandCoverage& coverage_;
  Random random_;
  struct {
    std::uint32_t wish, crash, fail, repeat, refuse_check, keyed, precondition, other_body, clock, look;
  } odds_{};
  std::vector<AggregatePtr> codes_;
  std::size_t code_ = 0;
  std::unique_ptr<journal::MemoryJournal> journal_;
  TopicStreams topics_;  // as this life knows them
  std::vector<Wish> wishes_;
  std::vector<std::unique_ptr<Request>> under_way_;
  std::optional<Looking> looking_;
  std::map<std::string, std::vector<Known>> keys_;  // in the order of commits
  std::map<std::string, std::uint64_t> versions_;   // of aggregates, as they were committed
  std::map<std::string, std::uint64_t> snapshots_;  // fold of the last one
  std::uint64_t kept_events_ = 0;
  std::int64_t now_ms_ = 1'000'000;
  std::uint64_t happened_ = 0;
  bool healing_ = false;
  CommandOutcome outcome_;
};

}  // namespace flotilla::cqrs::simulation
