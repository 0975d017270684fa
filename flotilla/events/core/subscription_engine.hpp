// The subscription engine: step(input) -> effects. Every decision about the events of one group in one shard.
//
// For: the shell of subscriptions, which carries the effects out. What an answer means is
// delivery_verdict.hpp.
//
// An event is settled when a durable record says so: it is acknowledged, a dead letter, expired, or not
// wanted by the filter. Settled in memory is not settled: with order_by: key the next event of the key is
// sent only when the batch with the one before is durable, which costs a busy key one commit an event, and
// nothing that survives a crash is ever out of order. One append is under way at a time; what is decided
// meanwhile goes into the next one. The batch that settles an event also publishes what follows from it, so
// both are there or neither. Attempts, waits and open acknowledgements (202) are in memory: after a restart
// what is unsettled is sent again, with all its attempts. An append that failed makes the engine drop
// everything and ask for what is saved (Reload), because the batch may have been written. What a breaker or
// limit of ours holds back spends no attempt. Then nothing more is sent until it says when (Retry-After, or
// Ready), and then one event alone: only when that one got through the others follow. It reads `ahead` events
// beyond the first unsettled one, and no further until that one is settled. What a replay sends again it
// sends once the attempts under way have ended; acknowledgements that are still open then count for nothing.
//
// Dead letters that people want sent again (redrives) are deliveries like others, which the cursor does not
// know: they wait for their key behind what is under way and before what was published after them, holds of
// keys do not hold them, and up to half of the concurrency is theirs first. What becomes of one is written
// into its own stream, in the batch that settles it: no second dead letter is published, nor on_failure. With
// block-key and park-key one that fails sends those behind it of its key back with it.
//
// The shell makes it under the shard's epoch, feeds Load with what is saved, and then one input for each
// effect that asks for one (subscription_io.hpp). It sends only while its lease outlasts the timeout.
// Ownership: owns its events; the counters outlive it. Threads: one owner.
// Limits: `ahead` events, `ahead_bytes` and one page beyond; as many bytes of redrives, and kMaxRedrives;
// kMaxHeldKeys; kMaxAppendBytes and kMaxSettlements a batch.
#pragma once

#include <deque>
#include <map>
#include <unordered_map>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/dead_letter.hpp"
#include "flotilla/events/core/subscription_counters.hpp"
#include "flotilla/events/core/subscription_faults.hpp"
#include "flotilla/events/core/subscription_io.hpp"
#include "flotilla/events/core/subscription_policy.hpp"

namespace flotilla::events {

inline constexpr std::size_t kMaxAppendBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMaxSettlements = 2000;  // each is up to four items of a batch, of 10,000
inline constexpr std::size_t kMaxRedrives = 256;      // in memory

struct SubscriptionSeat {
  std::uint32_t shard = 0;  // of the journal
  std::uint64_t seed = 1;   // of jitter
  // Tokens begin behind it: no token of an engine before may mean anything to this one.
  std::uint64_t first_token = 0;
  SubscriptionFault planted = SubscriptionFault::none;
};

// For lists and metrics.
struct SubscriptionView {
  const SubscriptionProgress* progress = nullptr;  // valid until the next step()
  std::uint64_t read_to = 0;
  std::size_t unsettled = 0;  // of those that were read
  std::size_t in_flight = 0;
  std::size_t unacknowledged = 0;  // answered 202
  std::size_t retrying = 0;        // wait for their next attempt
  std::size_t redriving = 0;       // dead letters; in none of the others but in_flight and unacknowledged
  std::uint64_t first_unsettled = 0;
  bool at_bound = false;
  bool held_back = false;
};

// Of what it carries, in bytes.
[[nodiscard]] std::size_t size_of(const journal::Event& event);

class SubscriptionEngine {
 public:
  // The policy holds (check()).
  SubscriptionEngine(SubscriptionPolicy policy, const SubscriptionSeat& seat, SubscriptionCounters& counters);

  [[nodiscard]] SubscriptionEffects step(SubscriptionInput input, Now now);

  [[nodiscard]] SubscriptionView view() const;
  [[nodiscard]] bool stopped() const noexcept { return stopped_; }
  [[nodiscard]] const SubscriptionPolicy& policy() const noexcept { return policy_; }

 private:
  using At = std::uint64_t;  // the number of a position
  enum class Stage : std::uint8_t {
    waiting,  // for an earlier event of its key
    ready,    // to be sent
    sent,     // its answer is open
    unacked,  // answered 202
    backing_off,
    decided,  // how it is settled; to be appended, or being appended
  };
  struct Delivery {
    ArrivedEvent arrived;
    Stage stage = Stage::waiting;
    std::size_t bytes = 0;
    std::uint32_t attempts = 0;
    std::uint64_t token = 0;  // of the attempt that is sent or unacked
    Instant due = kNever;     // of backing_off and unacked
    std::int64_t first = 0;   // attempts, in wall milliseconds
    std::int64_t last = 0;
    std::string code;  // of the last attempt that failed
    std::string body;
    DeadLetterPtr kept;  // of a redrive
  };
  enum class Outcome : std::uint8_t { acknowledged, dead, expired, filtered, returned };
  struct Settlement {
    At at = 0;
    Outcome outcome = Outcome::acknowledged;
    DeadReason reason = DeadReason::refused;  // of dead
    std::vector<CausedEvent> caused;
    Waiter waiter = 0;  // of an Ack
    LetterStep step;    // of a redrive: what its letter keeps of it
  };
  enum class Gate : std::uint8_t { open, closed, probing };

  // subscription_engine.cpp
  void on(input::Load& in);
  void on(input::Arrived& in);
  void on(const input::Appended& in);
  void on(const input::AppendFailed& in);
  void on(const input::Timer& in);
  void on(const input::Ready& in);
  void forget_all();
  void arrive(ArrivedEvent&& event);
  void progress();
  void send_ready();
  void send(At at, Delivery& delivery);
  void append();
  void fetch();
  void set_wake();
  [[nodiscard]] bool may_send() const;
  [[nodiscard]] bool has_room() const;
  void make_ready(At at, Delivery& delivery);
  [[nodiscard]] bool is_held(std::string_view key) const;

  // subscription_deliveries.cpp: answers, and how events are settled.
  void on(input::Answer& in);
  void on(input::Ack& in);
  void judged(At at, Delivery& delivery, const DeliveryJudgement& judgement, const input::Answer& in);
  void probed(std::uint64_t token);
  void later(At at, Delivery& delivery);
  void failed_for_now(At at, Delivery& delivery, std::string code, std::string_view body,
                      std::optional<Duration> retry_after);
  void held_back(At at, Delivery& delivery, std::optional<Duration> retry_after);
  void gone(At at, Delivery& delivery);
  void acknowledge(At at, Delivery& delivery, std::string_view answer, Waiter waiter);
  void refuse(At at, Delivery& delivery, std::uint16_t status, std::string_view answer, Waiter waiter);
  void bury(At at, Delivery& delivery, const FailedDelivery& failed, Settlement&& settlement);
  [[nodiscard]] FailedDelivery failure_of(const Delivery& delivery, DeadReason reason) const;
  void cannot_hold(At at, Delivery& delivery, Waiter waiter);
  void hold_key(const std::string& key);
  void park_behind(const std::string& key);
  void decide(At at, Delivery& delivery, Settlement&& settlement);
  void leave_stage(At at, Delivery& delivery);
  void settled(const Settlement& settlement);

  // subscription_redrives.cpp: redrives stand in open_ behind all events, by their letters.
  static constexpr At kFirstRedrive = At{1} << 63;
  [[nodiscard]] static bool is_redrive(At at) noexcept { return at >= kFirstRedrive; }
  void on(input::Redrives& in);
  void on(const input::RedrivesWait& in);
  void arrive(Redrive&& redrive);
  void join_queue(At at, Delivery& delivery);
  void send_back(At at, Delivery& delivery, const FailedDelivery& failed, Settlement&& settlement);
  void fetch_redrives();
  [[nodiscard]] At next_to_send() const;
  [[nodiscard]] bool may_go_next(At at, std::string_view key) const;
  [[nodiscard]] std::vector<RedriveOutcome> outcome_of(Settlement& settlement) const;

  // subscription_operator.cpp
  void on(input::Operate& in);
  void pause(PauseReason reason, std::string detail);
  void release(const std::string& key);
  void try_replay();

  void reply(Waiter waiter, effect::Reply::What what, std::string detail = {});
  void alert(effect::Alert::Kind kind, std::string detail);
  [[nodiscard]] DeliveryOrigin origin(const Delivery& delivery) const;
  [[nodiscard]] std::int64_t wall_ms() const noexcept { return now_.wall.ns_since_epoch / 1'000'000; }
  [[nodiscard]] bool planted(SubscriptionFault fault) const noexcept { return seat_.planted == fault; }

  const SubscriptionPolicy policy_;
  const SubscriptionSeat seat_;
  SubscriptionCounters& counters_;
  Random random_;

  bool loaded_ = false;
  bool stopped_ = false;
  SubscriptionProgress progress_;  // as it will be once what is decided is durable
  At read_to_ = 0;
  std::map<At, Delivery> open_;                             // what was read and is not settled
  std::size_t bytes_ = 0;                                   // of open_
  std::unordered_map<std::string, std::deque<At>> queues_;  // of each key, the first one may be sent
  std::set<At> ready_;
  std::set<std::pair<Instant, At>> due_;
  std::unordered_map<std::uint64_t, At> tokens_;  // sent and unacked
  std::size_t in_flight_ = 0;                     // of Stage::sent
  std::size_t unacked_ = 0;
  std::uint64_t next_token_;

  std::deque<Settlement> decided_;
  std::vector<Settlement> appending_;  // being appended, without what they publish
  bool is_appending_ = false;
  // Of what people asked and answers caused, beside settling: pause, held keys, a replay.
  bool control_dirty_ = false;                     // to be appended
  bool control_appending_ = false;                 // being appended: nothing is sent meanwhile
  std::vector<Waiter> control_waiters_;            // of what is to be appended
  std::vector<Waiter> control_appending_waiters_;  // of what is being appended
  std::optional<input::Operate> replay_;           // waits until nothing is under way
  bool replay_begins_ = false;                     // with the next append

  Gate gate_ = Gate::open;
  Instant gate_until_ = kNever;
  std::uint64_t probe_ = 0;  // the token that is out while probing

  std::size_t redrives_ = 0;       // of open_
  std::size_t redrive_bytes_ = 0;  // of bytes_
  std::size_t redrives_out_ = 0;   // sent or unacked
  std::uint64_t next_redrive_fetch_ = 1;
  bool redrives_wait_ = false;  // there may be some that were not read
  bool fetching_redrives_ = false;

  std::uint64_t next_fetch_ = 1;
  bool fetching_ = false;
  bool at_bound_ = false;
  Instant armed_ = kNever;
  // During step().
  Now now_;
  SubscriptionEffects effects_;
};

}  // namespace flotilla::events
