// Keeps the file of SQLite's write-ahead log longer than the log in it.
//
// For: the writer of the embedded journal. A sync of a write beyond the end of a file makes the file's new
// size durable too, which costs as much again (0.27 ms instead of 0.13 ms on ext4, 12 KiB a commit). So the
// file is lengthened by zeros, a step at a time and ahead of the log, until it has the size at which the log
// is emptied; from then on the log is written over. SQLite takes what has no valid checksum for the end of
// the log, so zeros mean nothing to it.
// Ownership: none; the connection outlives it. Threads: the writer's. Limits: the file's length, `bound`.
#pragma once

#include <cstdint>

struct sqlite3;

namespace flotilla::journal {

class LogRoom {
 public:
  static constexpr std::uint64_t kStep = std::uint64_t{1} << 20;
  static constexpr std::uint64_t kAhead = kStep / 4;

  // Of a connection whose database is in WAL mode and was written or read before.
  LogRoom(sqlite3* connection, std::uint64_t bound) noexcept : connection_(connection), bound_(bound) {}

  // After a commit: `used` bytes of the file are log. What fails (a full disk) is not tried again: commits
  // then lengthen the file themselves, and say what is wrong.
  void make(std::uint64_t used) noexcept;

 private:
  bool lengthen() noexcept;

  sqlite3* connection_;
  std::uint64_t bound_;
  std::uint64_t length_ = 0;  // of the file, as far as known
};

}  // namespace flotilla::journal
