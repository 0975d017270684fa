// Where lines of the access log go: standard output or a file, through one thread that may block.
//
// Workers append to a buffer of their own and never wait for a disk; the writer's thread takes the buffers
// every kFlushEvery, or sooner when one is half full, and writes them. A file is opened for appending.
// Ownership: owns its thread, its buffers and the file. Threads: add() with index i only on worker i;
// counters from any thread. The destructor writes what is buffered and waits for that.
// Limits: kMostBuffered bytes per worker; a line that does not fit is dropped and counted, because a slow
// disk must not slow answers. Lines of different workers are not in order of time.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "flotilla/base/counter.hpp"
#include "flotilla/base/error.hpp"
#include "flotilla/telemetry/core/access_log.hpp"

namespace flotilla::telemetry {

class AccessLog {
 public:
  static constexpr std::size_t kMostBuffered = std::size_t{1} << 20U;
  static constexpr Millis kFlushEvery{200};

  // `destination` is "stdout" or a file's path. Error: io (the file cannot be opened).
  [[nodiscard]] static Result<std::unique_ptr<AccessLog>> open(const std::string& destination,
                                                               std::size_t workers);
  AccessLog(const AccessLog&) = delete;
  AccessLog& operator=(const AccessLog&) = delete;
  ~AccessLog();

  void add(std::size_t worker, const AccessRecord& record);

  // Lines that were lost at the bound, since the start.
  [[nodiscard]] std::uint64_t dropped() const noexcept;
  // Writes that the system refused (a full disk); their lines are lost.
  [[nodiscard]] std::uint64_t failed_writes() const noexcept { return failed_writes_.read(); }

 private:
  struct Buffer {
    std::mutex mutex;   // held by the writer only for a swap
    std::string lines;  // guarded by mutex
    std::string line;   // the worker's own: the line being made
    Counter dropped;    // written by the worker
  };

  AccessLog(int file, bool owns_file, std::size_t workers);
  void run();
  void flush();
  void write_all(std::string_view text);

  int file_;
  bool owns_file_;
  std::vector<std::unique_ptr<Buffer>> buffers_;
  std::string taken_;  // the writer's: what was swapped out, kept for its capacity
  Counter failed_writes_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool hurry_ = false;     // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;
};

}  // namespace flotilla::telemetry
