// One owner per store: an exclusive lock on a file beside it, held as long as the process lives.
//
// For: stores in files. The kernel lets go of the lock however the process ends, so nothing stale remains.
// Ownership: the lock is held until destroyed. Threads: any. Limits: network file systems may not honour it.
#pragma once

#include <string>
#include <utility>

#include "flotilla/base/error.hpp"

namespace flotilla::journal {

class StoreLock {
 public:
  // Locks `path`, which it creates and writes the process id into. Errors: conflict (held; the message says
  // by which process and what to do), io.
  [[nodiscard]] static Result<StoreLock> acquire(const std::string& path);
  StoreLock(StoreLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  StoreLock& operator=(StoreLock&&) = delete;
  ~StoreLock();

 private:
  explicit StoreLock(int fd) noexcept : fd_(fd) {}
  int fd_;
};

}  // namespace flotilla::journal
