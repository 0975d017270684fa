// The queues for later of a process: one engine for each, on one worker, which its name chooses.
// In a journal that several processes share its name chooses a shard, too: the queue runs in the process that
// has that shard's lease, and the others ask that one (queue_forward.hpp) and look at the journal. Who has it
// is looked at now and then, and the journal refuses what a loser still writes.
//
// For: `app`, which opens it when the file names queues, lends it the workers, and wires its doors; the
// callers of all workers, as call::DurableQueue. A queue that the file does not name any more stops; what
// waits in it stays in the journal, and goes on when it is named again. Ownership: owns the shards; the
// journal outlives it, the workers' loops outlive stop(). After stop() calls are not taken.
// Threads: start(), replace(), drain(), stop() and the destructor on the control thread; what is asked on any
// loop; collect() on any thread. Limits: those of the file.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/call/durable_queue.hpp"
#include "flotilla/events/queue_forward.hpp"
#include "flotilla/events/queue_shard.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::events {

struct QueueReport {
  QueuePtr queue;
  std::string_view state = "starting";  // "starting", "running", "failed", "elsewhere"
  std::string failure;
  QueueView view;
};

// One item in a page, or alone.
struct QueueItems {
  std::vector<QueueItem> items;
  std::optional<journal::StreamId> next;
};
struct QueueItemStory {
  QueueItem item;
  std::vector<journal::RecordPtr> records;
};

class QueueRunner final : public call::DurableQueue {
 public:
  QueueRunner(journal::Journal& journal, std::uint64_t seed, std::string status_base)
      : journal_(journal), seed_(seed), status_base_(std::move(status_base)) {}
  ~QueueRunner() override;

  // Before start(), in a journal that is shared.
  void share(Seal seal) { seal_ = std::move(seal); }
  void start(const std::vector<QueuePtr>& queues, std::vector<QueueHost> hosts);
  // What the file says after a reload. What is as it was goes on; what changed ends its attempts first.
  void replace(const std::vector<QueuePtr>& queues);
  // Begins no attempt and lets what is under way end, for at most `grace`; then calls `done` on one of the
  // loops.
  void drain(Duration grace, std::function<void()> done);
  // Ends all of it, as a crash would. Blocks.
  void stop();

  // call::DurableQueue
  [[nodiscard]] bool keeps_order(const std::string& queue) override;
  [[nodiscard]] bool is_waiting(const std::string& queue, const std::string& key) override;
  [[nodiscard]] net::Task<call::Taken> take(call::DeferredCall deferred) override;
  void passed_by(const std::string& queue, call::PassedBy why) override;

  // In the order of their names. Errors of all: not_found, store_unavailable.
  [[nodiscard]] net::Task<std::vector<QueueReport>> list();
  [[nodiscard]] net::Task<Asked<QueueReport>> show(std::string name);
  // Of one state, or of all; the oldest first, after `after`.
  [[nodiscard]] net::Task<Asked<QueueItems>> items(std::string name, std::optional<QueueState> state,
                                                   journal::StreamId after, std::size_t limit);
  [[nodiscard]] net::Task<Asked<QueueItemStory>> item(std::string name, Ulid id);
  // Answers once it is durable. Errors also: conflict (it is under way, or over).
  [[nodiscard]] net::Task<Asked<QueueItem>> operate(std::string name, Ulid id, QueueVerb verb,
                                                    std::string who_why);

  // What another process asks of us (an http::ApiHandler, below kQueueForwardPath): nobody else can ask it.
  [[nodiscard]] net::Task<http::Response> answer_forwarded(http::Request request);

  void collect(telemetry::MetricsPage& page) const;
  // One bounded piece: forgets results that were kept long enough. Gives how many.
  [[nodiscard]] net::Task<Result<std::size_t>> forget(WallTime now);

 private:
  struct Part {
    QueuePtr queue;
    QueueHost host;
    std::size_t host_index = 0;
    std::uint32_t home = 0;  // its shard of the journal
    std::uint64_t seed = 1;
    QueueCounters counters;
    QueueGauges gauges;
    QueueBoard board;
    std::array<std::atomic<std::uint64_t>, call::kPassedBy> passed_by{};
    // The loop's thread alone.
    std::unique_ptr<QueueShard> shard;  // while it runs here
    std::uint64_t epoch = 0;            // of its lease
    bool leaving = false;
    bool gone = false;  // the file has it no more, or otherwise
  };
  using PartPtr = std::shared_ptr<Part>;

  void add(const QueuePtr& queue);
  static void run_on(net::Loop& loop, std::move_only_function<void()> function);
  void end(const PartPtr& part, Duration grace);
  [[nodiscard]] PartPtr part_of(const std::string& name) const;
  [[nodiscard]] net::Task<QueueReport> report(PartPtr part);
  [[nodiscard]] net::Task<call::Taken> take_here(PartPtr part, call::DeferredCall deferred);
  [[nodiscard]] net::Task<Asked<std::monostate>> operate_here(PartPtr part, QueueItem item, QueueVerb verb,
                                                              std::string who_why);
  // queue_runner_shared.cpp
  [[nodiscard]] bool is_shared() const noexcept { return journal_.shards() > 1; }
  [[nodiscard]] std::uint32_t home_shard(std::string_view queue) const noexcept;
  void look(const PartPtr& part);
  [[nodiscard]] net::Task<> tend(PartPtr part);
  [[nodiscard]] net::Task<> let_go(PartPtr part, Duration grace);
  [[nodiscard]] net::Task<bool> look_at_keys(PartPtr part);
  [[nodiscard]] net::Task<call::Taken> take_elsewhere(PartPtr part, call::DeferredCall deferred);
  [[nodiscard]] net::Task<Asked<std::monostate>> operate_elsewhere(PartPtr part, Ulid id, QueueVerb verb,
                                                                   std::string who_why);
  [[nodiscard]] net::Task<QueueReport> report_elsewhere(PartPtr part);
  [[nodiscard]] net::Task<Asked<QueueItem>> find(std::string name, Ulid id);

  journal::Journal& journal_;
  const std::uint64_t seed_;
  const std::string status_base_;
  Seal seal_;
  std::vector<QueueHost> hosts_;
  std::vector<std::unique_ptr<net::Scope>> ending_;  // of each host; its loop's thread alone
  std::uint64_t seeds_ = 0;                          // given out
  mutable std::mutex mutex_;
  std::map<std::string, PartPtr, std::less<>> parts_;  // guarded by mutex_
  std::uint64_t forgotten_ = 0;                        // the control thread's
  bool stopped_ = false;
};

}  // namespace flotilla::events
