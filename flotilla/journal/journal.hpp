// The Journal: ordered, durable streams of records. Whatever must survive is appended here.
//
// For: saga (a saga is a stream), events (a topic is a category of streams, a queue is a stream with one
//   consumer), cqrs (an aggregate is a stream, a view is a fold over a category).
// Promise: an append that was answered with success is on disk, synced, whole, and in the order of its
//   position; after any crash it is there. What was answered with an error has changed nothing, but for
//   StoreUnavailable with Effect::unknown. docs/journal.md says it for operators.
// Ownership: the journal owns its threads and files; destroying it finishes what is queued and closes them.
//   Whoever waits for records (wait(), Subscription) ends before it; answers to appends and reads may come as
//   late as its end, so the loops end after it.
// Threads: every function may be called from any thread. The Task forms belong on a loop and resume there;
//   the callback forms call back on a thread of the journal (or before they return), where the callback must
//   not block and must not destroy the journal.
// Limits: those of a Batch (core/batch.hpp) and of a page (below); the queues are bounded by the store, and
//   at the bound the answer is `Overloaded` (appends) or `limit` (reads).
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/journal/core/batch.hpp"
#include "flotilla/journal/core/position.hpp"
#include "flotilla/journal/core/record.hpp"
#include "flotilla/journal/metrics.hpp"
#include "flotilla/journal/ownership.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::journal {

class Tail;

struct StoredRecord {
  Position position;
  std::string category;
  Record record;
};
// Shared, because the newest records are in memory once, for every reader.
using RecordPtr = std::shared_ptr<const StoredRecord>;

inline constexpr std::size_t kMaxPageRecords = 10'000;
inline constexpr std::size_t kMaxPageBytes = std::size_t{8} << 20;
inline constexpr std::size_t kMaxSummaries = 1000;
inline constexpr std::size_t kMaxSearch = 8;
inline constexpr std::size_t kMaxForgotten = 1000;  // streams
inline constexpr std::size_t kMaxRows = 1000;

struct PageLimits {
  std::size_t records = 500;                 // at most kMaxPageRecords
  std::size_t bytes = std::size_t{1} << 20;  // of bodies; at most kMaxPageBytes; one record always fits
};

struct StreamQuery {
  RecordClass record_class = RecordClass::saga;
  StreamId stream;
  std::uint64_t after_version = 0;  // exclusive
  PageLimits limits;
};

struct CategoryQuery {
  RecordClass record_class = RecordClass::topic;
  std::string category;  // empty: the whole class
  Position after;        // exclusive; its shard is the one that is read
  PageLimits limits;
};

struct Page {
  std::vector<RecordPtr> records;
  // Where to go on: behind the last record; on a page that reached the end, how far the journal had come
  // (so a reader of a quiet category moves on too).
  Position next;
  bool at_end = false;
};

// Members, by name, that the object `search` of the attributes must have with these texts, as the row's first
// put had it. Found by an index.
using Search = std::vector<std::pair<std::string, std::string>>;

struct SummaryQuery {
  RecordClass record_class = RecordClass::saga;
  std::string name;                    // empty: any
  std::string state;                   // empty: any
  std::optional<std::uint32_t> shard;  // nothing: all
  bool newest_first = true;            // by id, so within a shard by creation
  StreamId after;                      // the last row of the page before; 0: from the beginning
  std::size_t limit = 100;             // 1..kMaxSummaries
  UtcMillis changed_before;            // 0: whenever
  Search search;                       // at most kMaxSearch, the others are not looked at
};

// Rows of a fold, in the order of their keys and names (bytewise).
struct RowQuery {
  std::uint64_t table = 0;
  std::optional<std::string> key;            // those under it alone; nothing: all
  std::optional<RowName> after;              // exclusive
  std::size_t rows = 100;                    // 1..kMaxRows
  std::size_t bytes = std::size_t{4} << 20;  // of values; one row always fits
  std::string cursor;                        // whose position comes along
};

struct RowPage {
  std::vector<FoldRow> rows;
  bool at_end = false;
  // Of the cursor, as it was when exactly these rows were there; nothing: there is no such cursor.
  std::optional<Position> position;
};

// Rows by their names.
struct RowsByName {
  std::uint64_t table = 0;
  std::vector<RowName> names;                // at most kMaxRows, the others are not looked at
  std::size_t bytes = std::size_t{4} << 20;  // of values; one row always fits
};
// The values of a prefix of the names; nothing where there is no such row.
using RowValues = std::vector<std::optional<std::string>>;

// Which rows are counted; as in SummaryQuery.
struct CountQuery {
  RecordClass record_class = RecordClass::saga;
  std::string name;
  std::string state;
  Search search = {};
};

struct Summary {
  StreamId stream;
  std::string name;
  std::string state;
  std::string attributes;
  UtcMillis created;
  UtcMillis changed;
  friend bool operator==(const Summary&, const Summary&) = default;
};

struct StateCount {
  std::string name;
  std::string state;
  std::uint64_t count = 0;
  friend bool operator==(const StateCount&, const StateCount&) = default;
};

struct Snapshot {
  std::uint64_t version = 0;
  std::uint64_t fold = 0;
  std::string state;
  friend bool operator==(const Snapshot&, const Snapshot&) = default;
};

struct Health {
  enum class State : std::uint8_t {
    healthy,
    failing,  // cannot commit now (disk full, read-only); each append tries again, and an idle store does too
    failed,   // will not commit again before it is reopened: after a failed sync nothing can be trusted
  };
  State state = State::healthy;
  std::string reason;  // a sentence; empty when healthy
};

class Journal {
 public:
  Journal() = default;
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;
  virtual ~Journal() = default;

  // Commits the batch, together with whatever else is waiting. Abandoning the Task does not undo it.
  void append(Batch batch, Done<AppendResult> done);
  [[nodiscard]] net::Task<AppendResult> append(Batch batch);

  // The records of one stream in the order of versions. A stream that does not exist has none.
  // Errors of all reads: unavailable (the store), limit (too many wait), unsupported (a record of a newer
  // version of Flotilla), invalid (a damaged record); the message names it.
  void read(StreamQuery query, Done<Result<Page>> done);
  [[nodiscard]] net::Task<Result<Page>> read(StreamQuery query);

  // The records of a category or class in one shard, in the order of positions, as committed; never a gap.
  void read(CategoryQuery query, Done<Result<Page>> done);
  [[nodiscard]] net::Task<Result<Page>> read(CategoryQuery query);

  // Waits until the category or class has a record after `after` in its shard, or the deadline passes: then
  // false. The answer is at once when there is one already, or when `after` lies so far back that memory
  // cannot tell: then reading does. Errors: limit (too many wait).
  [[nodiscard]] net::Task<Result<bool>> wait(RecordClass record_class, std::string category, Position after,
                                             Instant deadline);

  // Rows of summaries, a page at a time.
  void list(SummaryQuery query, Done<Result<std::vector<Summary>>> done);
  [[nodiscard]] net::Task<Result<std::vector<Summary>>> list(SummaryQuery query);
  // How many of these rows each name has in each state, ordered by name and state. Costs a walk over the
  // rows, with `search` over those that have its first member.
  void count(CountQuery query, Done<Result<std::vector<StateCount>>> done);
  [[nodiscard]] net::Task<Result<std::vector<StateCount>>> count(CountQuery query);
  // The row of one stream, if it has one.
  void summary(StreamId stream, Done<Result<std::optional<Summary>>> done);
  [[nodiscard]] net::Task<Result<std::optional<Summary>>> summary(StreamId stream);

  // Who holds a key, also when the claim has expired but was not forgotten yet.
  void find(std::string scope, std::string key, Done<Result<std::optional<Holder>>> done);
  [[nodiscard]] net::Task<Result<std::optional<Holder>>> find(std::string scope, std::string key);

  // The newest snapshot, if the stream has one that `fold` made.
  void snapshot(StreamId stream, std::uint64_t fold, Done<Result<std::optional<Snapshot>>> done);
  [[nodiscard]] net::Task<Result<std::optional<Snapshot>>> snapshot(StreamId stream, std::uint64_t fold);

  // The saved cursor of a subscription, if there is one.
  void cursor(std::string name, Done<Result<std::optional<Cursor>>> done);
  [[nodiscard]] net::Task<Result<std::optional<Cursor>>> cursor(std::string name);

  // Whether this store keeps rows of folds. Where it does not, no batch may have any, and the three below are
  // answered with `unsupported`.
  [[nodiscard]] virtual bool keeps_rows() const noexcept { return false; }
  // Both from one snapshot of the store.
  void rows(RowQuery query, Done<Result<RowPage>> done);
  [[nodiscard]] net::Task<Result<RowPage>> rows(RowQuery query);
  void rows(RowsByName query, Done<Result<RowValues>> done);
  [[nodiscard]] net::Task<Result<RowValues>> rows(RowsByName query);

  // Keeps records that are appended to this category from now on in tables that retention can drop whole,
  // once they are older than `retain` (at least a minute; 0: keep for ever, which is the default).
  virtual void set_retention(RecordClass record_class, std::string category, Millis retain) = 0;

  // Forgetting. Each call is one bounded piece of work between commits: repeat it, with pauses, until it
  // gives 0. The count is of records (claims).

  // These streams, which must be settled: records, row, snapshot. At most kMaxForgotten at once.
  virtual void forget_streams(RecordClass record_class, std::vector<StreamId> streams,
                              Done<Result<std::int64_t>> done) = 0;
  // Periods whose records are all older than their category's retention. Without `hard` a period waits until
  // every saved cursor of its categories has passed it.
  virtual void forget_periods(bool hard, Done<Result<std::int64_t>> done) = 0;
  // Claims that have expired.
  virtual void forget_claims(std::size_t limit, Done<Result<std::int64_t>> done) = 0;
  // At most kMaxForgotten rows of a fold's table.
  virtual void forget_rows(std::uint64_t table, Done<Result<std::int64_t>> done);

  // How many shards there are, for ever (core/shard.hpp).
  [[nodiscard]] virtual std::uint32_t shards() const noexcept { return 1; }
  // Which of them are ours.
  [[nodiscard]] virtual Ownership& ownership() noexcept = 0;
  // The owner's epoch of a shard: more than that of the owner before. Where the shard is not ours, the last
  // one that was.
  [[nodiscard]] std::uint64_t epoch(std::uint32_t shard = 0) const noexcept { return do_epoch(shard); }
  // How far the shard has come; where it is not ours, as of a moment ago.
  [[nodiscard]] Position position(std::uint32_t shard = 0) const noexcept { return do_position(shard); }
  [[nodiscard]] virtual Health health() const = 0;
  [[nodiscard]] virtual const Metrics& metrics() const noexcept = 0;

 protected:
  // The batch has been checked against limits and vocabulary.
  virtual void do_append(Batch batch, Done<AppendResult> done) = 0;
  virtual void do_read(StreamQuery query, Done<Result<Page>> done) = 0;
  virtual void do_read(CategoryQuery query, Done<Result<Page>> done) = 0;
  virtual void do_list(SummaryQuery query, Done<Result<std::vector<Summary>>> done) = 0;
  virtual void do_count(CountQuery query, Done<Result<std::vector<StateCount>>> done) = 0;
  virtual void do_summary(StreamId stream, Done<Result<std::optional<Summary>>> done) = 0;
  virtual void do_find(std::string scope, std::string key, Done<Result<std::optional<Holder>>> done) = 0;
  virtual void do_snapshot(StreamId stream, std::uint64_t fold,
                           Done<Result<std::optional<Snapshot>>> done) = 0;
  virtual void do_cursor(std::string name, Done<Result<std::optional<Cursor>>> done) = 0;
  virtual void do_rows(RowQuery query, Done<Result<RowPage>> done);
  virtual void do_rows(RowsByName query, Done<Result<RowValues>> done);
  [[nodiscard]] virtual const Vocabulary& vocabulary() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t do_epoch(std::uint32_t shard) const noexcept = 0;
  [[nodiscard]] virtual Position do_position(std::uint32_t shard) const noexcept = 0;
  [[nodiscard]] virtual Tail& tail(std::uint32_t shard) noexcept = 0;
};

}  // namespace flotilla::journal
