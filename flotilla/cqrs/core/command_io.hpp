// What a command's machine is told, and what it asks for: one thing at a time.
//
// For: command_run.hpp and the shell around it. Ownership, threads: plain values. Limits: those of the
// journal, and kMaxCommandPage records at once.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "flotilla/base/reason.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/journal/core/batch.hpp"
#include "flotilla/journal/core/event.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::cqrs {

inline constexpr std::size_t kMaxCommandKey = 255;  // bytes of an Idempotency-Key
inline constexpr std::size_t kMaxCommand = std::size_t{256} << 10;
inline constexpr std::size_t kCommandPage = 500;  // records

// Who asks for what.
struct CommandAsk {
  std::string principal;  // whose keys are apart from those of others
  std::string key;        // of idempotency; empty: none
  json::Value command;
  std::optional<std::uint64_t> expected;  // the version that the aggregate must have; 0: it must not exist
  // What the events carry on; each may be empty.
  std::string correlation;
  std::string causation;
  std::string traceparent;
};

// Why a command was not executed, or what it was refused for.
struct CommandRefusal {
  Reason reason = Reason::invalid;
  std::string detail;
  std::string code;     // with `refused`: which refusal, for programs
  std::string service;  // whose check failed; empty: none
  std::optional<Effect> effect;
  Duration retry_after{0};  // 0: no estimate
};

struct CommandReply {
  std::string id;
  std::uint64_t version = 0;  // of the aggregate after it
  journal::Position position;
  std::vector<journal::Event> events;
};

struct CommandAnswer {
  std::expected<CommandReply, CommandRefusal> outcome;
  bool replayed = false;  // its key had this answer before
};

// A reply as it is kept under its key. Its position is that of its record; its events are those of the
// aggregate's stream up to `version`.
struct KeptReply {
  std::string command;
  std::string id;
  std::uint64_t version = 0;
  std::uint64_t events = 0;
  bool refused = false;
  std::string code;
  std::string message;

  friend bool operator==(const KeptReply&, const KeptReply&) = default;
};

// A record of a stream.
struct KeptRecord {
  std::uint64_t version = 0;
  journal::Position position;
  std::uint16_t type = 0;
  std::string body;
};

namespace input {
struct Holder {
  std::optional<journal::Holder> holder;
};
struct Records {
  std::vector<KeptRecord> records;
  bool at_end = true;
  journal::Position seen;  // how far the shard had come, where at_end
};
struct SnapshotFound {
  std::uint64_t version = 0;  // 0: there is none
  std::string state;
};
struct Checked {
  std::optional<CommandRefusal> refusal;  // nothing: it answered 2xx
};
struct Committed {
  journal::Position position;
};
// The aggregate has another version, or another has come to be under the id.
struct Conflict {
  std::uint64_t actual = 0;                 // 0: not known
  std::optional<journal::StreamId> stream;  // where it has come to be
};
struct KeyHeld {  // the command's key, by a reply
  journal::Holder holder;
};
struct Failed {  // whatever was asked for
  CommandRefusal refusal;
};
}  // namespace input

using CommandInput = std::variant<input::Holder, input::Records, input::SnapshotFound, input::Checked,
                                  input::Committed, input::Conflict, input::KeyHeld, input::Failed>;

namespace effect {
// Who holds a key. Answered by Holder.
struct FindHolder {
  std::string scope;
  std::string key;
  bool of_aggregate = false;  // from here on the command is about the aggregate's state
};
// Of class aggregate. Answered by Records.
struct ReadRecords {
  journal::StreamId stream;
  std::uint64_t after = 0;
  std::size_t limit = kCommandPage;
};
struct ReadSnapshot {  // answered by SnapshotFound
  journal::StreamId stream;
  std::uint64_t fold = 0;
};
struct RunCheck {  // answered by Checked
  std::size_t index = 0;
};
// All of it at once, or nothing. Answered by Committed, Conflict or KeyHeld.
struct Commit {
  std::string aggregate;
  std::string id;
  std::optional<journal::StreamId> stream;  // nothing: it comes to be, where there are events
  std::optional<std::uint64_t> expected;    // nothing: whatever it is
  std::vector<journal::Event> events;
  std::size_t published = 0;              // of the events, the first so many go to their topics
  std::optional<std::uint64_t> snapshot;  // kept at this version; only of a stream that exists
  std::uint64_t fold = 0;
  std::string state;
  std::optional<KeptReply> reply;
  std::string scope;  // of the claim, where there is a reply
  std::string key;
  journal::Hash hash{};
  std::int64_t time_ms = 0;
  std::int64_t expires_ms = 0;
};
struct Give {  // the end
  CommandAnswer answer;
};
}  // namespace effect

using CommandEffect = std::variant<effect::FindHolder, effect::ReadRecords, effect::ReadSnapshot,
                                   effect::RunCheck, effect::Commit, effect::Give>;

// What a topic asks of an event before it is kept: fills in what it lacks, or says why it cannot be.
using EventRules = std::function<std::optional<CommandRefusal>(const std::string& topic,
                                                               journal::Event& event, WallTime now)>;

}  // namespace flotilla::cqrs
