// One command, from the request to its answer: which of its key, its checks, the aggregate's events and the
// journal are asked, in which order, and what follows from what they say.
//
// For: the shell (command_shell.hpp), which carries out one effect at a time and tells what came of it; the
// simulation. In this order: a known key has its reply; the checks; the state, from a snapshot and the events
// after it; `decide`; then one commit of the events, their copies in topics, the reply under the key and,
// every `snapshot_every` events, a snapshot, on condition that the aggregate has the version that was decided
// on. If it has not, the newer events are folded and it is decided again, at most `retry_on_conflict` times;
// never where the client has said which version it means.
// A refusal by `decide` is a decision, and is kept under the key, too; a failed check, a conflict and the
// store's trouble are not: the same request may then be executed later.
// Ownership: shares the definitions. Threads: one at a time. Limits: aggregate.hpp.
#pragma once

#include <memory>

#include "flotilla/base/time.hpp"
#include "flotilla/cqrs/core/aggregate.hpp"
#include "flotilla/cqrs/core/command_faults.hpp"
#include "flotilla/cqrs/core/command_io.hpp"

namespace flotilla::cqrs {

// Which aggregate a command is for. Errors: invalid, with the schema's violation or why there is no id.
[[nodiscard]] std::expected<std::string, CommandRefusal> address_command(const Command& command,
                                                                         const json::Value& body);

struct CommandCounts {
  std::uint32_t conflicts = 0;  // commits that came too late
  std::uint64_t loaded = 0;     // events folded to know the state
  bool from_snapshot = false;
  bool snapshot_kept = false;
};

class CommandRun {
 public:
  // `id` is what address_command() gave. `rules` may be empty: topics ask nothing.
  CommandRun(AggregatePtr aggregate, CommandPtr command, std::string id, CommandAsk ask, EventRules rules,
             CommandFault planted = CommandFault::none);

  [[nodiscard]] CommandEffect begin(WallTime now);
  [[nodiscard]] CommandEffect step(CommandInput in, WallTime now);

  [[nodiscard]] const CommandCounts& counts() const noexcept { return counts_; }
  [[nodiscard]] const CommandAsk& ask() const noexcept { return ask_; }
  [[nodiscard]] const Command& command() const noexcept { return *command_; }
  [[nodiscard]] const Aggregate& aggregate() const noexcept { return *aggregate_; }
  [[nodiscard]] const std::string& id() const noexcept { return id_; }

 private:
  enum class Stage : std::uint8_t {
    finding_key,
    reading_reply,
    finding_answer,  // the stream of its events
    reading_answer,
    checking,
    finding_aggregate,
    reading_snapshot,
    folding,
    committing,
    asking_again,  // for the key, before a conflict is the answer
    given,
  };

  [[nodiscard]] CommandEffect on(input::Holder in, WallTime now);
  [[nodiscard]] CommandEffect on(input::Records in, WallTime now);
  [[nodiscard]] CommandEffect on(input::SnapshotFound in, WallTime now);
  [[nodiscard]] CommandEffect on(input::Checked in, WallTime now);
  [[nodiscard]] CommandEffect on(input::Committed in, WallTime now);
  [[nodiscard]] CommandEffect on(input::Conflict in, WallTime now);
  [[nodiscard]] CommandEffect on(input::KeyHeld in, WallTime now);
  [[nodiscard]] CommandEffect on(input::Failed in, WallTime now);

  [[nodiscard]] CommandEffect conflict(std::string detail);
  [[nodiscard]] bool is_open(const std::optional<journal::Holder>& holder, WallTime now) const;
  [[nodiscard]] CommandEffect known_key(const journal::Holder& holder);
  [[nodiscard]] CommandEffect take_reply(const input::Records& in);
  [[nodiscard]] CommandEffect take_answer(input::Records in);
  [[nodiscard]] CommandEffect next_check();
  [[nodiscard]] CommandEffect read_on();
  [[nodiscard]] CommandEffect fold(input::Records in, WallTime now);
  [[nodiscard]] CommandEffect decide(WallTime now);
  [[nodiscard]] CommandEffect accept(std::vector<NewEvent> decided, WallTime now);
  [[nodiscard]] CommandEffect commit(std::vector<journal::Event> events, State after, const Refused* refused,
                                     WallTime now);
  [[nodiscard]] std::expected<journal::Event, CommandRefusal> event_of(NewEvent&& decided,
                                                                       std::uint64_t version,
                                                                       WallTime now) const;
  [[nodiscard]] CommandEffect give(CommandReply reply, bool replayed = false);
  [[nodiscard]] CommandEffect refuse(CommandRefusal refusal, bool replayed = false);
  [[nodiscard]] std::uint64_t snapshot_fold() const noexcept {
    return planted(CommandFault::foreign_snapshot) ? 1 : aggregate_->fold;
  }
  [[nodiscard]] bool planted(CommandFault fault) const noexcept { return planted_ == fault; }

  AggregatePtr aggregate_;
  CommandPtr command_;
  std::string id_;
  CommandAsk ask_;
  EventRules rules_;
  CommandFault planted_;
  Stage stage_ = Stage::given;
  std::size_t check_ = 0;
  // Of the aggregate, as far as it was read.
  std::optional<journal::StreamId> stream_;
  State state_;
  std::uint64_t version_ = 0;
  std::uint64_t snapshot_ = 0;  // version of the one that was read
  std::size_t tail_bytes_ = 0;  // of the events after it
  journal::Position seen_;
  // What is being committed, or was found.
  CommandReply reply_;
  KeptReply kept_;
  std::optional<CommandRefusal> refused_;  // to be kept, or to be given
  std::uint32_t retries_ = 0;
  CommandCounts counts_;
};

}  // namespace flotilla::cqrs
