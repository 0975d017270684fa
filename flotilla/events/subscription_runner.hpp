// The subscriptions of a process: one engine for each in each shard of the journal that is ours.
//
// For: `app`, which opens it when the file names subscriptions, lends it the workers, and wires its doors.
// A subscription runs on one worker, which its name chooses. In a journal of one shard all of it is ours;
// in a shared one each process runs the shards it has the lease of, takes up what it gains and lets go of
// what it loses: looked at every kLook, and the journal refuses what a loser still writes. One that was
// declared at run time begins in a shard only once what is declared was read after the shard was gained: it
// may have been forgotten, and what was saved of it there deleted, before. A subscription
// that the file does not name any more stops; how far it had come stays, so that it goes on from there when
// it is named again. Ownership: owns the shards; the journal outlives it, the workers' loops outlive stop().
// Threads: start(), replace(), drain(), stop() and the destructor on the control thread; what is asked on any
// loop; collect() on any thread. Limits: those of the file.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/events/core/refusal.hpp"
#include "flotilla/events/subscription_shard.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::events {

// How one stands, over the shards that are here.
struct SubscriptionReport {
  SubscriptionPtr subscription;
  // "starting", "running", "paused", "failed"; "elsewhere" where none of its shards is here.
  std::string_view state = "starting";
  Pause pause;
  std::string failure;
  std::string position;  // a token: behind everything that is settled without a gap
  std::uint64_t unsettled = 0;
  std::uint64_t in_flight = 0;
  std::uint64_t unacknowledged = 0;
  std::uint64_t retrying = 0;
  std::uint64_t redriving = 0;  // dead letters that are being sent again
  bool at_bound = false;
  bool held_back = false;
  std::vector<std::string> held_keys;
  std::int64_t oldest_ms = 0;  // of the first unsettled event; 0: none
};

// Of a replay, as tokens: what comes after the one, up to the other; without an end all of it.
struct ReplayRange {
  std::string from;
  std::string to;
};

class SubscriptionRunner {
 public:
  static constexpr Duration kLook = std::chrono::milliseconds(250);

  SubscriptionRunner(journal::Journal& journal, std::uint64_t seed) : journal_(journal), seed_(seed) {}
  SubscriptionRunner(const SubscriptionRunner&) = delete;
  SubscriptionRunner& operator=(const SubscriptionRunner&) = delete;
  ~SubscriptionRunner();

  void start(const std::vector<SubscriptionPtr>& subscriptions, std::vector<DeliveryHost> hosts);
  // What the file says after a reload. What is as it was goes on; what changed ends its attempts first.
  void replace(const std::vector<SubscriptionPtr>& subscriptions);
  // Sends nothing more and lets what is under way end, for at most `grace`; then calls `done` on one of the
  // loops.
  void drain(Duration grace, std::function<void()> done);
  // Ends all of it, as a crash would. Blocks.
  void stop();

  // In the order of their names. Errors of all: not_found (no such one), store_unavailable (none of it is
  // here).
  [[nodiscard]] net::Task<std::vector<SubscriptionReport>> list();
  [[nodiscard]] net::Task<Asked<SubscriptionReport>> show(std::string name);
  // Of every shard that is here; answers once it is durable. Errors also: conflict.
  [[nodiscard]] net::Task<Asked<SubscriptionReport>> operate(std::string name, input::Operate asked,
                                                             ReplayRange range = {});
  // Of a delivery that was answered 202. Errors also: not_found (it is not open any more).
  [[nodiscard]] net::Task<Asked<std::monostate>> acknowledge(std::string name, std::string token,
                                                             EventOutcome outcome, std::string body);

  // What is declared and forgotten at run time is known here as of that moment, or later.
  void know_declarations(Instant as_of) { declarations_known_ = as_of.time_since_epoch().count(); }
  // Whether the file names it.
  [[nodiscard]] bool knows(const std::string& name) const { return !parts_of(name).empty(); }
  // Whether any of it is still here, also while it ends.
  [[nodiscard]] bool is_running(const std::string& name) const;
  // Dead letters of it in that shard are to be sent again: it looks, if it is here.
  void redrive(const std::string& name, std::uint32_t shard);
  [[nodiscard]] journal::Journal& journal() const noexcept { return journal_; }

  void collect(telemetry::MetricsPage& page) const;

 private:
  struct Part {
    SubscriptionPtr subscription;
    SubscriptionPlace place;
    DeliveryHost host;
    journal::Position from;
    std::uint64_t seed = 1;
    SubscriptionCounters counters;
    SubscriptionGauges gauges;
    std::atomic<bool> gone{false};  // the file has it no more
    // The loop's thread alone.
    std::unique_ptr<SubscriptionShard> shard;  // while it is here
    std::uint64_t epoch = 0;
    bool leaving = false;
    std::uint64_t seen_epoch = 0;  // of the lease that was seen last
    Instant seen_at;               // for the first time
  };
  using PartPtr = std::shared_ptr<Part>;
  // What looks after the parts of one loop.
  struct Tender {
    DeliveryHost host;
    std::vector<PartPtr> parts;         // the loop's thread alone
    std::unique_ptr<net::Scope> tasks;  // the loop's thread alone
    bool draining = false;              // the loop's thread alone
  };

  void add(const SubscriptionPtr& subscription);
  [[nodiscard]] net::Task<> tend(Tender& tender);
  void look(Tender& tender);
  [[nodiscard]] net::Task<> let_go(PartPtr part, Duration grace);
  static void run_on(net::Loop& loop, std::move_only_function<void()> function);
  [[nodiscard]] bool may_begin(Part& part, std::uint64_t epoch) const;
  void note_shard(const std::string& name, int more);
  [[nodiscard]] std::vector<PartPtr> parts_of(const std::string& name) const;
  [[nodiscard]] net::Task<SubscriptionReport> report(std::vector<PartPtr> parts);
  [[nodiscard]] net::Task<std::optional<effect::Reply>> ask(PartPtr part, SubscriptionInput input);

  journal::Journal& journal_;
  const std::uint64_t seed_;
  KnownTopics topics_;
  std::vector<std::unique_ptr<Tender>> tenders_;
  std::uint64_t seeds_ = 0;  // given out
  std::atomic<Instant::rep> declarations_known_{0};
  mutable std::mutex mutex_;
  std::map<std::string, std::vector<PartPtr>, std::less<>> parts_;  // guarded by mutex_
  std::map<std::string, int, std::less<>> running_;                 // shards that are here; guarded by mutex_
  bool stopped_ = false;
};

}  // namespace flotilla::events
