// Threads that read the store, so that no worker's loop ever waits for a disk.
//
// Ownership: the pool owns its threads and one reader for each; destroying it finishes what is queued.
// Threads: submit() from any. Limits: kMaxWaiting jobs wait, more are refused.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "flotilla/journal/sqlite_reader.hpp"

namespace flotilla::journal {

class ReaderPool {
 public:
  static constexpr std::size_t kMaxWaiting = 4096;
  using Job = std::move_only_function<void(SqliteReader&)>;

  ReaderPool(std::vector<std::unique_ptr<SqliteReader>> readers, Metrics& metrics);
  ReaderPool(const ReaderPool&) = delete;
  ReaderPool& operator=(const ReaderPool&) = delete;
  ~ReaderPool();

  // Whether the job was taken; if not, it is still there.
  [[nodiscard]] bool submit(Job& job);

 private:
  void serve(SqliteReader& reader);

  Metrics& metrics_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;   // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::vector<std::unique_ptr<SqliteReader>> readers_;
  std::vector<std::thread> threads_;
};

}  // namespace flotilla::journal
