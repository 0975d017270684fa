#include "flotilla/journal/reader_pool.hpp"

namespace flotilla::journal {

ReaderPool::ReaderPool(std::vector<std::unique_ptr<SqliteReader>> readers, Metrics& metrics)
    : metrics_(metrics), readers_(std::move(readers)) {
  for (const auto& reader : readers_) {
    threads_.emplace_back([this, &reader = *reader] { serve(reader); });
  }
}

ReaderPool::~ReaderPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

bool ReaderPool::submit(Job& job) {
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

void ReaderPool::serve(SqliteReader& reader) {
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

}  // namespace flotilla::journal
