// One subscription in one shard of the journal: its engine on one loop, and everything that carries its
// effects out.
//
// For: subscription_runner.hpp. It reads the topic's records in the order of positions and waits for more,
// sends through the worker's carrier, saves its progress as a cursor together with what follows from the
// answers, and waits on the loop's timers. What the journal has not confirmed has not happened. It sends an
// attempt only while the lease of the shard outlasts the attempt: whoever has the shard next may rely on it
// that nothing of ours is on its way for longer than the lease. A record that cannot be read stops it, with a
// message that names the record: nothing is ever skipped. Ownership: owned by the runner, made and destroyed
// on its loop; destroying it ends every wait and request under way, as a crash would. Threads: its loop's,
// but for the gauges. Limits: those of core/subscription_engine.hpp.
#pragma once

#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "flotilla/events/core/subscription_engine.hpp"
#include "flotilla/events/delivery_attempt.hpp"
#include "flotilla/events/subscription.hpp"
#include "flotilla/events/subscription_batch.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::events {

// What a worker lends. Used on its loop only.
struct DeliveryHost {
  net::Loop* loop = nullptr;
  std::shared_ptr<DeliveryCarrier> carrier;
};

// Streams of the topics that subscriptions publish to, as far as they are known. Threads: any.
class KnownTopics {
 public:
  [[nodiscard]] TopicStreams all() const {
    const std::lock_guard lock(mutex_);
    return streams_;
  }
  void put(const std::string& key, journal::StreamId stream) {
    const std::lock_guard lock(mutex_);
    streams_.insert_or_assign(key, stream);
  }

 private:
  mutable std::mutex mutex_;
  TopicStreams streams_;  // guarded by mutex_; as many as subscriptions name, in each shard
};

// How it stands, for metrics: written on its loop, read anywhere.
struct SubscriptionGauges {
  std::atomic<std::uint64_t> unsettled{0};  // of those that were read
  std::atomic<std::uint64_t> in_flight{0};
  std::atomic<std::uint64_t> unacknowledged{0};
  std::atomic<std::uint64_t> held_keys{0};
  std::atomic<std::int64_t> oldest_ms{0};  // when the first unsettled event was recorded; 0: there is none
  std::atomic<bool> paused{false};
  std::atomic<bool> failed{false};
};

class SubscriptionShard {
 public:
  struct Seat {
    SubscriptionPlace place;
    std::uint64_t epoch = 0;
    std::uint64_t seed = 1;
    journal::Position from;  // where it begins when nothing is saved
  };

  SubscriptionShard(SubscriptionPtr subscription, journal::Journal& journal, KnownTopics& topics,
                    SubscriptionCounters& counters, SubscriptionGauges& gauges, DeliveryHost host,
                    const Seat& seat);
  SubscriptionShard(const SubscriptionShard&) = delete;
  SubscriptionShard& operator=(const SubscriptionShard&) = delete;
  ~SubscriptionShard();

  // Reads what is saved and begins.
  void start();
  // Sends nothing more, and lets attempts under way end and be saved until `deadline`.
  [[nodiscard]] net::Task<> drain(Instant deadline);

  // The answer to an Operate or an Ack, whose waiter is set here. A shard that ends first never answers: the
  // runner's Answering does.
  [[nodiscard]] net::Task<effect::Reply> ask(SubscriptionInput input);

  // Some of its dead letters are to be sent again.
  void redrive() { feed(input::RedrivesWait{}); }

  // Runs beside the others until it ends or the shard does.
  void spawn(net::Task<> task) { tasks_.spawn(std::move(task)); }

  [[nodiscard]] SubscriptionView view() const { return engine_.view(); }
  [[nodiscard]] bool loaded() const noexcept { return loaded_; }
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }  // empty: none

 private:
  struct Asking;

  static constexpr Duration kReloadPause = std::chrono::seconds(1);
  // Between attempts to append what the store did not take, and surely has not kept.
  static constexpr Duration kAppendAgain = std::chrono::milliseconds(500);

  void feed(SubscriptionInput input);
  void carry_out(effect::Fetch& fetch);
  void carry_out(effect::FetchRedrives& fetch);
  void carry_out(effect::Send& send);
  void carry_out(effect::Append& append);
  void carry_out(const effect::Wake& wake);
  void carry_out(const effect::Alert& alert);
  void carry_out(effect::Reply& reply);
  void carry_out(const effect::Reload& reload);
  void carry_out(const effect::Stop& stop);
  void note();
  void fail_for_good(std::string why);

  [[nodiscard]] net::Task<> load(Duration pause);
  [[nodiscard]] net::Task<Result<SubscriptionProgress>> saved();
  [[nodiscard]] net::Task<bool> save_start(const SubscriptionProgress& progress);
  [[nodiscard]] net::Task<> fetch(effect::Fetch fetch);
  [[nodiscard]] Result<ArrivedEvent> arrived(const journal::StoredRecord& stored);
  [[nodiscard]] ArrivedEvent admit(std::uint64_t position, EventPtr event) const;
  [[nodiscard]] net::Task<> fetch_redrives(effect::FetchRedrives fetch);
  [[nodiscard]] net::Task<Result<input::Redrives>> read_redrives(const effect::FetchRedrives& fetch);
  [[nodiscard]] Result<std::string> target_of(const journal::Event& event) const;
  [[nodiscard]] net::Task<> send(effect::Send send);
  [[nodiscard]] net::Task<> append(effect::Append append);
  [[nodiscard]] bool lease_outlasts(Duration timeout) const;

  const SubscriptionPtr subscription_;
  journal::Journal& journal_;
  KnownTopics& topics_;
  SubscriptionGauges& gauges_;
  DeliveryHost host_;
  const Seat seat_;
  SubscriptionEngine engine_;
  net::Timer wake_;
  std::deque<SubscriptionInput> inputs_;  // while feed() is at work
  bool feeding_ = false;
  bool draining_ = false;
  bool stopped_ = false;
  bool loaded_ = false;
  std::string failure_;
  std::uint64_t fetch_ = 0;          // that is wanted
  std::uint64_t redrive_fetch_ = 0;  // so, too
  std::uint64_t life_ = 0;           // goes up with each Reload
  std::uint32_t sending_ = 0;
  bool appending_ = false;
  net::Event idle_;                                 // one of them went down
  std::map<std::uint64_t, std::int64_t> recorded_;  // milliseconds, of the unsettled ones that were read
  Waiter next_waiter_ = 1;
  std::unordered_map<Waiter, Asking*> asking_;
  net::Scope tasks_;  // last: its tasks use the others
};

// The token of a delivery as subscribers see it, and back. Of one subscription; the shard is in it.
[[nodiscard]] std::string delivery_token(SubscriptionPlace place, std::uint64_t token);
struct DeliveryToken {
  std::uint32_t shard = 0;
  std::uint64_t token = 0;
};
[[nodiscard]] std::optional<DeliveryToken> parse_delivery_token(std::string_view text);

}  // namespace flotilla::events
