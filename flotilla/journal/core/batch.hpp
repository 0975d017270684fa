// A batch: all that one decision changes in the journal, and it happens at once or not at all.
//
// For: whoever decides (saga engine, publisher, command handler) builds one, a store commits it. A batch may
//   append to several streams, create streams, claim unique keys, keep the rows that lists show, keep
//   snapshots, save how far subscriptions have come, and put rows of folds where the store keeps those.
// Ownership: a Batch owns everything in it; stores move it to their writer. Threads: a plain value.
// Limits: below; check() refuses what exceeds them before anything is queued.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "flotilla/base/reason.hpp"
#include "flotilla/journal/core/fold_row.hpp"
#include "flotilla/journal/core/position.hpp"
#include "flotilla/journal/core/record.hpp"

namespace flotilla::journal {

inline constexpr std::size_t kMaxBatchBytes = std::size_t{16}
                                              << 20;   // bodies, states and attributes together
inline constexpr std::size_t kMaxBatchItems = 10'000;  // records, claims, rows, ... together
inline constexpr std::size_t kMaxName = 512;           // categories, scopes, keys, names, states, cursors
inline constexpr std::size_t kMaxAttributes = 4096;    // a summary's JSON
inline constexpr std::size_t kMaxCursorState = std::size_t{256} << 10;
inline constexpr std::size_t kMaxSnapshot = std::size_t{8} << 20;

using Hash = std::array<std::uint8_t, 32>;

// A stream named by a batch: one that exists, or the n-th that this batch creates.
class StreamRef {
 public:
  StreamRef(StreamId stream) noexcept : value_(stream.value()) {}  // NOLINT(google-explicit-constructor)
  [[nodiscard]] bool is_new() const noexcept { return is_new_; }
  [[nodiscard]] StreamId existing() const noexcept { return StreamId(value_); }  // where !is_new()
  [[nodiscard]] std::size_t new_index() const noexcept { return value_; }        // where is_new()
  friend bool operator==(const StreamRef&, const StreamRef&) = default;

 private:
  friend struct Batch;
  StreamRef(std::size_t index, bool is_new) noexcept : value_(index), is_new_(is_new) {}
  std::uint64_t value_;
  bool is_new_ = false;
};

struct NewRecord {
  std::uint16_t type = 0;
  std::uint16_t schema = 1;
  std::string body;      // tagged fields (core/body.hpp)
  std::string category;  // what readers subscribe to (a topic's name); empty: found by its stream alone
};

// Records for one stream. Without records it is a condition on a stream that the batch does not write.
struct Append {
  RecordClass record_class = RecordClass::saga;
  StreamRef stream;
  // The version the stream must have (0: it has no record yet); nothing: any. A created stream has 0.
  std::optional<std::uint64_t> expected;
  std::vector<NewRecord> records;
};

// Makes {scope, key} the holder's alone, or fails the batch with whoever holds it (stream 0: an earlier claim
// of this batch). For idempotency keys (scope: principal and route or saga; hash: of the request's body), for
// locks, for ids given from outside.
struct Claim {
  std::string scope;
  std::string key;
  StreamRef holder;
  Hash hash{};
  UtcMillis expires;  // 0: never. A claim that has expired by the batch's time is free.
};

// Changes when a claim expires; at or before the batch's time it is released at once, before the claims of
// the same batch are judged, so that a lock can change hands. Does nothing unless `holder` holds it.
struct Expiry {
  std::string scope;
  std::string key;
  StreamId holder;
  UtcMillis expires;
};

// The row that lists show for a stream. Class, name and creation stay as the first put said, and what the row
// is found by: the object `search` of the attributes. State and attributes are the last one's.
struct SummaryPut {
  RecordClass record_class = RecordClass::saga;
  StreamRef stream;
  std::string name;  // of the saga's definition, the queue, ...
  std::string state;
  std::string attributes = "{}";  // a JSON object, for display and search; not checked here
};

// A fold's result up to a version: an optimisation only, losing it costs time. One per stream.
struct SnapshotPut {
  StreamId stream;
  std::uint64_t version = 0;
  std::uint64_t fold = 0;  // identity of the code that made it; another code ignores it
  std::string state;
};

// How far a subscription has come in a class or category.
struct Cursor {
  std::string name;
  RecordClass record_class = RecordClass::topic;
  std::string category;  // empty: the whole class
  Position position;     // everything up to here is settled
  std::string state;     // what is settled beyond, in the owner's own form

  friend bool operator==(const Cursor&, const Cursor&) = default;
};

struct Batch {
  // Where every stream lies that the batch creates, writes, or keeps a row or snapshot of. Who holds a key
  // may lie elsewhere: keys are unique over the whole store.
  std::uint32_t shard = 0;
  std::uint64_t epoch = 0;  // of the owner that decided: Journal::epoch(shard) when it took over
  UtcMillis time;           // of every record, and the moment at which claims are judged
  std::vector<Append> appends;
  std::vector<Claim> claims;
  std::vector<Expiry> expiries;
  std::vector<SummaryPut> summaries;
  std::vector<StreamId> removed_summaries;
  std::vector<SnapshotPut> snapshots;
  std::vector<Cursor> cursors;
  std::vector<std::string> removed_cursors;
  std::vector<FoldRowPut> rows;  // each name once; only where Journal::keeps_rows()
  std::size_t created = 0;       // how many streams create() has given out

  // A stream that comes to be with this batch; it must get at least one record. Its id is in Appended.
  [[nodiscard]] StreamRef create() noexcept { return {created++, true}; }
};

// What a committed batch has become.
struct Appended {
  Position position;                    // of its last record; with none, how far the journal had come
  std::vector<StreamId> created;        // in the order of create()
  std::vector<std::uint64_t> versions;  // of each Append's stream after it
};

// Who holds a key.
struct Holder {
  StreamId stream;
  Hash hash{};
  UtcMillis expires;
  friend bool operator==(const Holder&, const Holder&) = default;
};

// Why a batch was not committed. The first three are answers: nothing changed, and the same batch would be
// refused again. The others are the store's trouble.
struct VersionConflict {
  RecordClass record_class = RecordClass::saga;
  StreamId stream;
  std::uint64_t expected = 0;
  std::uint64_t actual = 0;
};
struct KeyTaken {
  std::string scope;
  std::string key;
  Holder holder;
};
struct TooLarge {
  std::string what;  // a sentence
};
// Another owner has taken over: stop, and write and send nothing more.
struct StaleEpoch {
  std::uint64_t yours = 0;
  std::uint64_t current = 0;
};
// The queue to the writer is full: nothing was tried.
struct Overloaded {
  std::string what;
};
struct StoreUnavailable {
  std::string reason;
  Effect effect = Effect::none;  // unknown: it may yet be found committed after a restart
};
using AppendError =
    std::variant<VersionConflict, KeyTaken, TooLarge, StaleEpoch, Overloaded, StoreUnavailable>;
using AppendResult = std::expected<Appended, AppendError>;

// A sentence for people, and the reason for answers (conflict, key-reused is the caller's to tell from
// conflict, too-large, store-unavailable, overloaded).
[[nodiscard]] std::string describe(const AppendError& error);
[[nodiscard]] Reason reason_of(const AppendError& error) noexcept;

// What the batch weighs in a queue, in bytes.
[[nodiscard]] std::size_t weight(const Batch& batch) noexcept;

// Refuses what exceeds a limit. Asserts what only a wrong caller can do: a reference to a stream that was
// not created here or stays without a record, a type that is not in the vocabulary, one stream twice, a
// stream of another shard.
[[nodiscard]] std::optional<TooLarge> check(const Batch& batch, const Vocabulary& vocabulary,
                                            std::uint32_t shards = 1);

}  // namespace flotilla::journal
