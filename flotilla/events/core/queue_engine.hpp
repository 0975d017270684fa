// The engine of a queue for later: step(input) -> effects. Every decision about the calls of one queue.
//
// For: the shell of queues, which carries the effects out. What an answer means is delivery_verdict.hpp.
//
// A call is accepted when its record is durable, and only then is anybody told so. Before an attempt a record
// says that it begins, so after a crash nothing that may have been done counts as never sent. Such a call is
// sent again only where that is safe: its method is idempotent, its sender gave it an Idempotency-Key, the
// service deduplicates the keys that we make up, or a person says so; else it is a dead letter. A call with a
// key is sent only when the one before of its key is settled durably; a dead letter lets the next one go.
// Calls drain at a pace, while the breaker lets them. What a breaker or limit holds back, and what finds no
// instance, spends no attempt: nothing more is sent for a while, and then one call alone until one got
// through. Attempts back off call by call.
// An append that failed without saying whether it was written makes the engine drop everything and ask for
// what is saved (Reload).
//
// Ownership: owns its items; the counters outlive it. Threads: one owner.
// Limits: the policy's items and bytes; requests are not kept in memory once they are durable.
#pragma once

#include <map>
#include <set>
#include <string>
#include <unordered_map>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/queue_faults.hpp"
#include "flotilla/events/core/queue_io.hpp"
#include "flotilla/events/core/queue_policy.hpp"

namespace flotilla::events {

// For lists and metrics.
struct QueueView {
  std::size_t open = 0;  // pending and sending
  std::size_t in_flight = 0;
  std::size_t dead = 0;
  std::uint64_t bytes = 0;
  std::int64_t oldest = 0;  // when the first that waits was accepted; 0: none
  QueueGate gate = QueueGate::closed;
  bool troubled = false;  // the service was not reached lately
};

class QueueEngine {
 public:
  QueueEngine(QueuePolicy policy, std::uint64_t seed, QueueCounters& counters,
              QueueFault planted = QueueFault::none);

  [[nodiscard]] QueueEffects step(QueueInput input, Now now);

  [[nodiscard]] QueueView view() const;
  [[nodiscard]] bool loaded() const noexcept { return loaded_; }
  // The open item of that id, if there is one; valid until the next step().
  [[nodiscard]] const QueueItem* find(const Ulid& id) const;

 private:
  using At = std::uint64_t;  // the number of an item's stream: items are in the order of it
  enum class Stage : std::uint8_t {
    waiting,   // for its time, the one before it, or the pace
    claiming,  // the record that an attempt begins is being appended
    sent,
    settling,  // its outcome is being appended
    removing,
  };
  struct Open {
    QueueItem item;
    Stage stage = Stage::waiting;
    Instant due;                               // of waiting
    Certainty before = Certainty::never_sent;  // the attempt
    std::uint64_t token = 0;                   // of sent
    Waiter waiter = 0;                         // of removing
  };
  // What an append that is under way is for.
  struct Op {
    At at = 0;  // 0: no open item
    Waiter waiter = 0;
    QueueItem item;
    QueueRecord type = QueueRecord::accepted;
  };

  void on(queue_input::Load& in);
  void on(queue_input::Offer& in);
  void on(queue_input::Appended& in);
  void on(queue_input::AppendFailed& in);
  void on(queue_input::Timer& in);
  void on(queue_input::Weather& in);
  void on(queue_input::Drain& in);
  void on(queue_input::Answer& in);
  void on(queue_input::Operate& in);

  // queue_engine.cpp
  void progress();
  void wait(At at, Open& open);
  void leave(At at, const Open& open);
  void claim(At at, Open& open);
  void expire();
  void set_wake();
  [[nodiscard]] bool may_send() const;
  [[nodiscard]] std::size_t most_in_flight() const;
  [[nodiscard]] bool has_its_turn(At at, const std::string& key) const;
  void enter(At at, QueueItem item, Instant due);
  void erase(At at);
  void promote(const std::string& key);
  void key_waits(const std::string& key, int change);
  void forget_all();
  void give_up_offers();

  // queue_outcomes.cpp
  void settle(At at, Open& open, OutcomeRecord outcome, Instant due);
  void bury(At at, Open& open, QueueDeadReason reason, OutcomeRecord outcome);
  void held_back(At at, Open& open, const queue_input::Answer& in);
  void failed(At at, Open& open, const queue_input::Answer& in, DeliveryRow row);
  void settled(At at, Open& open);
  void requeue(queue_input::Operate& in);
  void remove(queue_input::Operate& in);
  [[nodiscard]] bool may_resend(const QueueItem& item) const;

  std::uint64_t append(At at, Waiter waiter, queue_effect::Append effect);
  void reply_offer(Waiter waiter, QueueOffer offer, std::string detail = {}, bool maybe_kept = false,
                   journal::StreamId holder = {});
  void reply(Waiter waiter, bool done, std::string detail = {});
  [[nodiscard]] std::int64_t wall_ms() const noexcept { return now_.wall.ns_since_epoch / 1'000'000; }
  [[nodiscard]] std::int64_t wall_of(Instant at) const noexcept;
  [[nodiscard]] bool planted(QueueFault fault) const noexcept { return planted_ == fault; }

  const QueuePolicy policy_;
  QueueCounters& counters_;
  const QueueFault planted_;
  Random random_;

  bool loaded_ = false;
  bool stopped_ = false;
  bool draining_ = false;
  std::map<At, Open> open_;
  std::unordered_map<Ulid, At> ids_;                      // of open_
  std::unordered_map<std::string, std::set<At>> lines_;   // of each key
  std::unordered_map<std::string, At> busy_;              // of each key, the one that is not waiting
  std::unordered_map<std::string, std::size_t> waiting_;  // of each key: open, or being accepted
  std::set<At> ready_;                                    // may be sent now
  std::set<std::pair<Instant, At>> due_;                  // of waiting ones
  std::set<std::pair<std::int64_t, At>> expiries_;        // of open_
  std::unordered_map<std::uint64_t, At> tokens_;          // of sent
  std::unordered_map<std::uint64_t, Op> ops_;
  std::size_t offered_ = 0;  // being accepted
  std::size_t dead_ = 0;
  std::uint64_t bytes_ = 0;  // of open_ and what is being accepted
  std::size_t in_flight_ = 0;
  std::uint64_t next_op_ = 1;
  std::uint64_t next_token_ = 1;

  QueueGate gate_ = QueueGate::closed;
  double pace_ = 1;
  Instant next_send_ = Instant::min();
  Instant blocked_until_ = Instant::min();
  std::uint32_t trouble_ = 0;  // attempts in a row that did not reach the service
  Instant armed_ = kNever;
  // During step().
  Now now_;
  QueueEffects effects_;
};

}  // namespace flotilla::events
