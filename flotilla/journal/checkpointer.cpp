#include "flotilla/journal/checkpointer.hpp"

#include <algorithm>

#include <sqlite3.h>

#include "flotilla/net/clock.hpp"

namespace flotilla::journal {
namespace {

constexpr std::chrono::milliseconds kRetry{100};

}  // namespace

Checkpointer::Checkpointer(std::unique_ptr<sqlite::Connection> db, std::uint64_t step, std::uint64_t bound,
                           Port port, Metrics& metrics)
    : db_(std::move(db)),
      step_(step),
      bound_(bound),
      port_(std::move(port)),
      metrics_(metrics),
      next_(std::min(step, bound)) {
  // The writer's connection closes last, and knows whether the log may be moved then.
  sqlite3_db_config(db_->handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  thread_ = std::thread([this] { serve(); });
}

Checkpointer::~Checkpointer() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

void Checkpointer::wal_grew(std::uint64_t bytes) {
  bool due = false;
  {
    const std::lock_guard lock(mutex_);
    if (bytes < bytes_) {
      next_ = std::min(step_, bound_);  // the log began anew
    }
    bytes_ = bytes;
    due = bytes >= next_;
  }
  if (due) {
    wake_.notify_one();
  }
}

void Checkpointer::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    const auto due = [&] { return stopping_ || bytes_ >= next_; };
    if (bytes_ < bound_) {
      wake_.wait(lock, due);
    } else {
      // A reader kept the log from being emptied; it may be done, and perhaps nobody may append before.
      wake_.wait_for(lock, kRetry, due);
    }
    if (stopping_) {
      return;
    }
    const std::uint64_t bytes = bytes_;
    // Reaching the bound is always a reason; beyond it the time is one too.
    next_ = bytes < bound_ ? std::min(bytes + step_, bound_) : bytes + step_;
    lock.unlock();
    checkpoint(bytes);
    lock.lock();
  }
}

void Checkpointer::checkpoint(std::uint64_t bytes) {
  const Instant begin = net::monotonic_now();
  const int code =
      sqlite3_wal_checkpoint_v2(db_->handle(), nullptr, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  metrics_.checkpoints.add();
  // Where the cause may pass, the log stays as it is and is tried again when it has grown.
  if (code != SQLITE_OK && !sqlite::is_passing(code)) {
    db_->note(code, "checkpoint");
    port_.failed(db_->take_error());
    return;
  }
  if (bytes >= bound_) {
    port_.empty_log();
    metrics_.checkpoint_stalls.add();
  }
  metrics_.checkpoint_time.record(net::monotonic_now() - begin);
}

}  // namespace flotilla::journal
