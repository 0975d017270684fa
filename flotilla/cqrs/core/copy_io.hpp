// What goes into the engine of a view's copies, and what comes out.
//
// For: copy_engine.hpp. A shell (or the simulator) makes inputs of what happens and carries effects out in
// their order; what an effect asks for is answered by the input that is named beside it. Ownership: values.
// Threads: plain. Limits: those of the engine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "flotilla/cqrs/core/answer_cache.hpp"
#include "flotilla/cqrs/core/view_record.hpp"
#include "flotilla/journal/core/fold_row.hpp"

namespace flotilla::cqrs {

// What Redis keeps beside the copies of a view, and changes with them: who may write them, how many batches
// that one has written, and up to where they are complete.
struct CopyMarker {
  std::string journal;         // whose views these are; empty: there is no marker
  std::uint64_t epoch = 0;     // of the process that claimed last
  std::string claim;           // no two claims are alike
  std::uint64_t batch = 0;     // the last one of that claim
  Generation generation = 0;   // complete for this version ...
  std::uint64_t position = 0;  // ... up to here; 0 and 0: not complete

  friend bool operator==(const CopyMarker&, const CopyMarker&) = default;
};

namespace copying {

// Reads go to this version; all events up to `position` are in it. These keys have changed; `all`: any may
// have.
struct Served {
  Generation generation = 0;
  std::uint64_t position = 0;
  std::vector<std::string> keys;
  bool all = false;
};
// Somebody reads this key whose copy has ended by now.
struct Offered {
  std::string key;
};
// Some time has passed: a quiet engine asks whether Redis still has what it had.
struct Tick {};
// Answers Claim: the connection stands, and no other claim is good any more. `before` is what there was.
struct Claimed {
  std::string claim;
  bool same_journal = false;  // as the marker before
  CopyMarker before;
};
// Answers Claim: somebody else writes these copies, and rightly.
struct Outdated {
  std::string why;
};
// The connection is lost. Nothing that was under way on it is answered any more, and it may have happened.
struct Lost {};
// Answers Load, with the answer of the version that was read at some time since. Null: there is nothing.
struct Loaded {
  std::uint64_t load = 0;
  Generation generation = 0;
  std::string key;
  AnswerBody body;
  bool too_large = false;
};
enum class Outcome : std::uint8_t {
  done,
  refused,   // another claim is the last one
  unmarked,  // Redis has lost the marker
  taken,     // another journal has claimed
};
// Answers Write.
struct Written {
  std::uint64_t batch = 0;
  Outcome outcome = Outcome::done;
  std::uint64_t not_taken = 0;  // copies that there was no room for, and that are not there now
};
// Answers Walk: the keys of some rows behind `after`, and where to go on; nothing: that was all.
struct Walked {
  std::uint64_t sweep = 0;
  std::vector<std::string> keys;
  std::optional<journal::RowName> next;
};
// Answers Scan: keys that have a copy, and where to go on; "0": that was all.
struct Scanned {
  std::uint64_t sweep = 0;
  std::vector<std::string> keys;
  std::string next;
};

// Connect, if need be after a pause, and claim; the marker then names `batch`, and is not complete. What was
// under way is of no interest any more.
struct Claim {
  std::uint64_t batch = 0;
  std::string last;  // our claim before; empty: there was none
};
// Read what the view answers under the key, now or later.
struct Load {
  std::uint64_t load = 0;
  Generation generation = 0;
  std::string key;
};
struct Item {
  std::string key;
  AnswerBody body;  // null: remove the copy
  std::int64_t ttl_ms = 0;
};
// All or nothing, and only if the claim is the last one. The marker then says what `complete` says.
struct Write {
  std::uint64_t batch = 0;
  std::string claim;
  std::vector<Item> items;
  Generation generation = 0;   // complete for ...
  std::uint64_t position = 0;  // ... up to here; 0 and 0: not complete
};
struct Walk {
  std::uint64_t sweep = 0;
  Generation generation = 0;
  std::optional<journal::RowName> after;
};
struct Scan {
  std::uint64_t sweep = 0;
  std::string cursor;
};
// This engine writes nothing any more: somebody else does.
struct Superseded {
  std::string why;
};

}  // namespace copying

using CopyInput =
    std::variant<copying::Served, copying::Offered, copying::Tick, copying::Claimed, copying::Outdated,
                 copying::Lost, copying::Loaded, copying::Written, copying::Walked, copying::Scanned>;
using CopyEffect = std::variant<copying::Claim, copying::Load, copying::Write, copying::Walk, copying::Scan,
                                copying::Superseded>;
using CopyEffects = std::vector<CopyEffect>;

}  // namespace flotilla::cqrs
