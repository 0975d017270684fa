// One queue for later on one loop: its engine, and everything that carries its effects out.
//
// For: queue_runner.hpp. It appends to the journal, reads requests when they are sent, sends them through the
// worker's carrier, looks at the service's breaker, and waits on the loop's timers. What the journal has not
// confirmed has not happened. Ownership: owned by the runner, made and destroyed on its loop; destroying it
// ends every wait and request under way, as a crash would; what was asked is then answered by the runner's
// Answering. Threads: its loop's, but for the gauges and the board.
// Limits: those of core/queue_engine.hpp; kMostEarly calls wait while it is read.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "flotilla/call/durable_queue.hpp"
#include "flotilla/events/core/queue_engine.hpp"
#include "flotilla/events/core/refusal.hpp"
#include "flotilla/events/queue_attempt.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::events {

// What a worker lends. Used on its loop only.
struct QueueHost {
  net::Loop* loop = nullptr;
  std::shared_ptr<QueueCarrier> carrier;
};

// Which keys wait. Written on the queue's loop, asked by every worker.
class QueueBoard {
 public:
  [[nodiscard]] bool keeps_order() const noexcept { return !known_ || keys_count_ > 0; }
  // While it is not known, everything waits.
  [[nodiscard]] bool waits(const std::string& key) const {
    const std::lock_guard lock(mutex_);
    return !known_ || keys_.contains(key);
  }
  void set(const std::string& key, bool waits) {
    const std::lock_guard lock(mutex_);
    if (waits) {
      keys_.insert(key);
    } else {
      keys_.erase(key);
    }
    keys_count_ = keys_.size();
  }
  void set_known() noexcept { known_ = true; }
  // All of them, known from now on.
  void replace(std::unordered_set<std::string> keys) {
    {
      const std::lock_guard lock(mutex_);
      keys_ = std::move(keys);
      keys_count_ = keys_.size();
    }
    known_ = true;
  }
  void forget() {
    known_ = false;  // first: no call may find that nothing waits
    const std::lock_guard lock(mutex_);
    keys_.clear();
    keys_count_ = 0;
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_set<std::string> keys_;  // guarded by mutex_; as many as the queue's items
  std::atomic<std::size_t> keys_count_{0};
  std::atomic<bool> known_{false};
};

// How it stands, for metrics: written on its loop, read anywhere.
struct QueueGauges {
  std::atomic<std::uint64_t> open{0};
  std::atomic<std::uint64_t> in_flight{0};
  std::atomic<std::uint64_t> dead{0};
  std::atomic<std::uint64_t> bytes{0};
  std::atomic<std::int64_t> oldest_ms{0};  // 0: none
  std::atomic<bool> failed{false};
};

class QueueShard {
 public:
  static constexpr std::size_t kMostEarly = 1000;

  struct Seat {
    std::uint32_t shard = 0;  // of the journal
    std::uint64_t epoch = 0;
    std::uint64_t seed = 1;
    std::string status_base;  // before /v1/queues/...
  };
  struct Shared {
    QueueCounters& counters;
    QueueGauges& gauges;
    QueueBoard& board;
  };

  QueueShard(QueuePtr queue, journal::Journal& journal, const Shared& shared, QueueHost host, Seat seat);
  QueueShard(const QueueShard&) = delete;
  QueueShard& operator=(const QueueShard&) = delete;
  ~QueueShard();

  // Reads what is there and begins.
  void start();
  // Begins no attempt, and lets those under way end and be saved until `deadline`.
  [[nodiscard]] net::Task<> drain(Instant deadline);

  // A shard that ends first never answers.
  [[nodiscard]] net::Task<call::Taken> take(call::DeferredCall deferred);
  // `item`: as the journal has it.
  [[nodiscard]] net::Task<Asked<std::monostate>> operate(QueueVerb verb, QueueItem item, std::string who_why);

  // Runs beside the others until it ends or the shard does.
  void spawn(net::Task<> task) { tasks_.spawn(std::move(task)); }

  [[nodiscard]] QueueView view() const { return engine_.view(); }
  [[nodiscard]] bool loaded() const noexcept { return engine_.loaded(); }
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }  // empty: none

 private:
  struct Asking;

  void feed(QueueInput input);
  void carry_out(queue_effect::Append& append);
  void carry_out(queue_effect::Send& send);
  void carry_out(const queue_effect::Wake& wake);
  void carry_out(const queue_effect::KeyWaits& waits);
  void carry_out(queue_effect::Reply& reply);
  void carry_out(const queue_effect::DeadLetter& dead);
  void carry_out(const queue_effect::Reload& reload);
  void carry_out(const queue_effect::Stop& stop);
  void note();
  void fail_for_good(std::string why);
  [[nodiscard]] bool lease_outlasts(Duration timeout) const;

  [[nodiscard]] net::Task<> load(Duration pause);
  [[nodiscard]] net::Task<Result<queue_input::Load>> saved();
  [[nodiscard]] net::Task<> append(queue_effect::Append append);
  [[nodiscard]] QueueInput append_failed(const queue_effect::Append& append,
                                         const journal::AppendError& error) const;
  [[nodiscard]] net::Task<> send(queue_effect::Send send);
  [[nodiscard]] net::Task<Result<AcceptedRecord>> request_of(const QueueItem& item);
  [[nodiscard]] net::Task<> watch();
  [[nodiscard]] net::Task<queue_effect::Reply> ask(QueueInput input);
  [[nodiscard]] std::string status_url(std::string_view id) const;
  [[nodiscard]] net::Task<call::Taken> taken_of(queue_effect::Reply reply, std::string own_id);

  const QueuePtr queue_;
  journal::Journal& journal_;
  Shared shared_;
  QueueHost host_;
  const Seat seat_;
  Random random_;
  QueueEngine engine_;
  net::Timer wake_;
  std::deque<QueueInput> inputs_;  // while feed() is at work
  bool feeding_ = false;
  bool stopped_ = false;
  std::string failure_;
  std::uint64_t life_ = 0;  // goes up with each Reload
  std::size_t sending_ = 0;
  std::size_t appending_ = 0;
  std::size_t early_ = 0;
  net::Event idle_;    // one of them went down
  net::Event loaded_;  // or it never will be
  Waiter next_waiter_ = 1;
  std::unordered_map<Waiter, Asking*> asking_;
  net::Scope tasks_;  // last: its tasks use the others
};

}  // namespace flotilla::events
