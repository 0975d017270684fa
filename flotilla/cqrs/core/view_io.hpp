// What goes into the engine of a view, and what comes out.
//
// For: view_engine.hpp. A shell (or the simulator) makes inputs of what happens and carries effects out, in
// the order in which they come; what an effect asks for is answered by the input that is named beside it.
// Ownership: values. Threads: plain. Limits: those of the engine.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "flotilla/cqrs/core/view_record.hpp"
#include "flotilla/journal/core/event.hpp"
#include "flotilla/journal/core/fold_row.hpp"
#include "flotilla/journal/core/read_token.hpp"

namespace flotilla::cqrs {

using Waiter = std::uint64_t;  // whoever waits for a Reply

// An event of one of the topics, at its position in the journal.
struct ViewEvent {
  journal::Position position;
  std::int64_t recorded_ms = 0;
  std::int64_t order_ms = 0;  // among those of other shards
  std::shared_ptr<const journal::Event> event;
  std::string topic = {};
};

namespace input {

// What is kept of the view: its record, and the checkpoints of the versions in it that have one.
struct Load {
  std::optional<ViewRecord> record;
  std::map<Generation, Checkpoint> checkpoints;
};
// Answers Fetch. All events of the version's topics behind `after` up to `read_to`, those of one shard in the
// order of positions; none of them and `at_end`: there was nothing more.
struct Arrived {
  Generation generation = 0;
  std::uint64_t fetch = 0;
  std::vector<ViewEvent> events;
  journal::ReadToken read_to;
  bool at_end = false;
};
// Answers LoadRows: the values of a prefix of its names, of one at least.
struct Rows {
  Generation generation = 0;
  std::uint64_t load = 0;
  std::vector<std::optional<std::string>> values;
};
// Answers Save: it is durable, or may not be.
struct Saved {
  Generation generation = 0;
};
struct SaveFailed {
  Generation generation = 0;
};
// Answers SaveRecord.
struct RecordSaved {};
struct RecordFailed {};
// Answers Forget; `all`: the version has no rows any more.
struct Forgotten {
  Generation generation = 0;
  bool all = false;
};
// Somebody wants the view built anew.
struct Rebuild {
  Waiter waiter = 0;
};
// Of the version that is read: rows that may have been kept long enough, by a fold that says so. At another
// moment than when there is nothing to fold it is passed over.
struct Expire {
  Generation generation = 0;
  std::vector<journal::RowName> names;  // each once
  std::int64_t now_ms = 0;
};

}  // namespace input

using ViewInput =
    std::variant<input::Load, input::Arrived, input::Rows, input::Saved, input::SaveFailed,
                 input::RecordSaved, input::RecordFailed, input::Forgotten, input::Rebuild, input::Expire>;

namespace effect {

// Read on, and wait where there is nothing yet.
struct Fetch {
  Generation generation = 0;
  std::uint64_t fetch = 0;
  journal::ReadToken after;
  std::size_t events = 0;  // at most
  std::vector<std::string> topics;
};
struct LoadRows {
  Generation generation = 0;
  std::uint64_t load = 0;
  std::vector<journal::RowName> names;  // each once
};
// Rows and checkpoint in one batch.
struct Save {
  Generation generation = 0;
  Checkpoint checkpoint;
  std::vector<std::pair<journal::RowName, std::optional<std::string>>> rows;
  std::vector<std::string> topics;
};
// The record, the checkpoint of a version that begins (at 0), and the end of those of others, in one batch.
struct SaveRecord {
  ViewRecord record;
  std::optional<ViewVersion> fresh;
  std::vector<ViewVersion> retired;
};
// Delete some of the rows of a version that nobody reads.
struct Forget {
  Generation generation = 0;
};
// Reads are answered from this version; all events up to `position` are in it, and durable. What was
// kept in memory under these keys is old.
struct Serve {
  Generation generation = 0;
  journal::ReadToken position;
  std::vector<std::string> changed;  // keys
  std::int64_t behind_since_ms = 0;  // when the first event behind it was recorded; 0: there is none
};
// The version has stopped, at an event that it cannot fold.
struct Failed {
  Generation generation = 0;
  journal::Position position;
  std::string why;
};
// Something is not known to be saved: this engine is done. Another one is to be given what is kept.
struct Reload {};
struct Reply {
  Waiter waiter = 0;
  std::string refusal;  // empty: it is done
};

}  // namespace effect

using ViewEffect = std::variant<effect::Fetch, effect::LoadRows, effect::Save, effect::SaveRecord,
                                effect::Forget, effect::Serve, effect::Failed, effect::Reload, effect::Reply>;
using ViewEffects = std::vector<ViewEffect>;

}  // namespace flotilla::cqrs
