// The newest records in memory, and the bell for those who wait for newer ones.
//
// One for each shard.
// For: readers that keep up, which then cost no disk and no reader thread; subscriptions, long polls, streams
//   to browsers, which wait here.
// Ownership: part of a Journal. Threads: publish() belongs to the writer, the rest to any thread; one mutex,
//   held for a scan of at most kMaxRecords pointers.
// Limits: kMaxRecords records and kMaxBytes of bodies, then the oldest go (readers find them in the store);
//   kMaxWatches waiters.
#pragma once

#include <atomic>
#include <deque>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

#include "flotilla/journal/journal.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::journal {

class Tail {
 public:
  static constexpr std::size_t kMaxRecords = 4096;
  static constexpr std::size_t kMaxBytes = std::size_t{8} << 20;
  static constexpr std::size_t kMaxWatches = 65'536;

  // Empty; what is at or before `end` is in the store alone. Keeps `max_records` at most.
  explicit Tail(Position end, std::size_t max_records = kMaxRecords) noexcept
      : max_records_(max_records), shard_(end.shard()), end_(end.number()), before_first_(end.number()) {}

  // Adds what was committed, in the order of positions without a gap, and wakes whoever waits for it.
  void publish(std::span<const RecordPtr> records);

  // Forgets what is in memory: the store has come to `end`, which is not less than it was. Wakes everybody,
  // to look there.
  void restart_at(Position end);

  [[nodiscard]] Position end() const noexcept {
    return Position(end_.load(std::memory_order_acquire), shard_);
  }

  // Whether the record at `position`, or a newer one, is in memory.
  [[nodiscard]] bool holds(Position position) const;

  // A page, if all that comes after `query.after` is in memory.
  [[nodiscard]] std::optional<Page> read(const CategoryQuery& query) const;

  // One coroutine's wait on its loop. Unregisters itself when destroyed; the Tail must outlive it.
  class Watch {
   public:
    Watch(Tail& tail, RecordClass record_class, std::string category, Position after);
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch();

    [[nodiscard]] bool admitted() const noexcept { return admitted_; }
    // Whether there is something to read already (or was when registering, or has come).
    [[nodiscard]] bool rung() const noexcept { return rung_; }
    [[nodiscard]] net::Event& bell() noexcept { return bell_; }

   private:
    friend class Tail;
    struct Line {  // shared with functions posted to the loop
      net::Loop* loop;
      Watch* watch;  // the loop's thread alone; null once it has gone
    };
    Tail& tail_;
    RecordClass record_class_;
    std::string category_;
    std::shared_ptr<Line> line_;
    std::list<Watch*>::iterator place_;  // guarded by the Tail's mutex
    bool listed_ = false;                // guarded by the Tail's mutex
    bool admitted_ = true;
    bool rung_ = false;
    net::Event bell_;
  };

 private:
  [[nodiscard]] static bool matches(const StoredRecord& stored, RecordClass record_class,
                                    std::string_view category) noexcept {
    return stored.record.record_class == record_class && (category.empty() || stored.category == category);
  }
  [[nodiscard]] std::size_t index_after(Position after) const noexcept;
  static void ring(Watch& watch);

  const std::size_t max_records_;
  const std::uint32_t shard_;
  mutable std::mutex mutex_;
  std::atomic<std::uint64_t> end_;
  std::uint64_t before_first_;  // the position before records_.front()
  std::size_t bytes_ = 0;
  std::deque<RecordPtr> records_;  // their positions are before_first_+1 ... end_
  std::list<Watch*> watches_;
};

}  // namespace flotilla::journal
