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

#include "flotilla/journal/metrics.hpp"

namespace flotilla::journal {

template <class Reader>
class ReaderPool {
 public:
  static constexpr std::size_t kMaxWaiting = 4096;
  using Job = std::move_only_function<void(Reader&)>;

  ReaderPool(std::vector<std::unique_ptr<Reader>> readers, Metrics& metrics)
      : metrics_(metrics), readers_(std::move(readers)) {
    for (const auto& reader : readers_) {
      threads_.emplace_back([this, &reader = *reader] { serve(reader); });
    }
  }
  ReaderPool(const ReaderPool&) = delete;
  ReaderPool& operator=(const ReaderPool&) = delete;
  ~ReaderPool() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& thread : threads_) {
      thread.join();
    }
  }

  // Whether the job was taken; if not, it is still there.
  [[nodiscard]] bool submit(Job& job) {
    {
      const std::lock_guard lock(mutex_);
      if (jobs_.size() >= kMaxWaiting) {
        metrics_.reads_refused.add();
        return false;
      }
      metrics_.reads.add();
      jobs_.push_back(std::move(job));
    }
    wake_.notify_one();
    return true;
  }

 private:
  void serve(Reader& reader) {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return !jobs_.empty() || stopping_; });
      if (jobs_.empty()) {
        return;
      }
      Job job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      job(reader);
      job = nullptr;
      lock.lock();
    }
  }

  Metrics& metrics_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;   // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::vector<std::unique_ptr<Reader>> readers_;
  std::vector<std::thread> threads_;
};

}  // namespace flotilla::journal
