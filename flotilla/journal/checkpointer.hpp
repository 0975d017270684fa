// Moves committed pages from the write-ahead log into the database file, beside the writer, so that no
// commit waits for it.
//
// A passive checkpoint never blocks the writer, but under steady load it never quite catches up, and the log
// can only begin anew when it has. So beyond a size the writer is asked to empty the log itself, between two
// commits; little is left to do by then.
// A failed sync here is as bad as one of the writer's: what the log would be emptied for may not be on disk.
// Ownership: owns its connection and thread. Threads: wal_grew() from the writer; the callbacks run on the
// checkpointer's thread. Limits: the log's bounds are the caller's.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "flotilla/journal/metrics.hpp"
#include "flotilla/journal/sqlite.hpp"

namespace flotilla::journal {

class Checkpointer {
 public:
  struct Port {
    // Has the writer empty the log between two commits; returns when it has tried.
    std::function<void()> empty_log;
    std::function<void(const sqlite::SqlError&)> failed;
  };
  // A passive checkpoint after each `step` bytes of log; emptying from `bound` bytes on.
  Checkpointer(std::unique_ptr<sqlite::Connection> db, std::uint64_t step, std::uint64_t bound, Port port,
               Metrics& metrics);
  Checkpointer(const Checkpointer&) = delete;
  Checkpointer& operator=(const Checkpointer&) = delete;
  ~Checkpointer();

  // The size of the log after a commit.
  void wal_grew(std::uint64_t bytes);

 private:
  void serve();
  void checkpoint(std::uint64_t bytes);

  std::unique_ptr<sqlite::Connection> db_;
  const std::uint64_t step_;
  const std::uint64_t bound_;
  Port port_;
  Metrics& metrics_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::uint64_t bytes_ = 0;  // guarded by mutex_, as the rest
  std::uint64_t next_ = 0;   // the size at which the next checkpoint is due
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace flotilla::journal
