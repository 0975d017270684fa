// The simulated world of one queue for later: callers, a journal, a network, a service and people, in one
// seeded process.
//
// For: tests. Everything that happens is drawn from the seed, also the policy and how likely each fault is,
// so runs differ in kind and a seed replays exactly. After the events of the run the world heals, and every
// call must be settled. Faults: crashes between any two events; commits lost, or durable but never
// acknowledged, or answered with an error either way; requests and answers lost or late, also of owners that
// have died; a breaker that opens and closes; a service that refuses, fails, is throttled, is away. What must
// hold:
//   Q1 "pending" is said only of what is durable, and what is durable is settled in the end, once
//   Q2 the service acts once for each call, unless a person said to send it again
//   Q3 a call is begun only when those before it with its key are settled, and one at a time of a key
//   Q4 nothing is begun while the breaker is open, and one at a time while it is found out
//   Q5 a settlement is justified: done by a success, dead by a refusal, by attempts, by age, by doubt
//   Q6 calls drain no faster than the pace, and none before its time
//   Q7 the bound holds
//   Q8 an attempt is sent only when the record that it begins is durable
// The world knows by itself what an answer means. Ownership: owns all of it; the coverage outlives it.
// Threads: one.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <queue>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/queue_engine.hpp"
#include "flotilla/events/core/simulation/queue_coverage.hpp"

namespace flotilla::events::simulation {

struct QueueWorldConfig {
  std::uint64_t seed = 1;
  std::size_t events = 1000;  // of the world, then it heals
  QueueFault planted = QueueFault::none;
  bool trace = false;
};

struct QueueRunOutcome {
  std::string violation;  // empty: none
  std::string timeline;   // with `trace`
};

class QueueWorld {
 public:
  QueueWorld(const QueueWorldConfig& config, QueueCoverage& coverage);

  [[nodiscard]] QueueRunOutcome run();

 private:
  using At = std::uint64_t;  // of a stream
  enum class Mood : std::uint8_t { well, refuses, fails };
  // What the journal and the service's book say of a call.
  struct Fact {
    QueueItem row;  // durable
    Mood mood = Mood::well;
    bool told = true;        // the owner knows of what is durable
    bool under_way = false;  // of the owner of the moment: its attempt has begun
    std::uint32_t acts = 0;  // of the service
    std::uint32_t allowed = 1;
    std::uint32_t spent = 0;              // attempts: begun, durably, and not known to have been held back
    bool held = false;                    // the owner heard that of the one under way
    bool said_ok = false;                 // to the owner of the moment
    bool said_no = false;                 // and since a person sent it again
    Instant not_before = Instant::min();  // by the last outcome that is durable
    Instant wanted = Instant::min();      // by the answer that the owner has heard
    bool waited = false;                  // for another of its key
  };
  struct Writing {
    queue_effect::Append append;
    std::uint32_t life = 0;
    bool written = false;
  };
  struct Offered {
    Ulid id;
    bool answered = false;
  };
  struct Attempt {
    std::uint32_t life = 0;
    std::uint64_t token = 0;
    At at = 0;
    bool closed = false;  // the owner was told
  };

  // What can happen.
  struct Offer {};
  struct CommitDue {
    std::uint64_t writing;
  };
  struct CommitKnown {
    std::uint64_t writing;
    std::variant<queue_input::Appended, queue_input::AppendFailed> told;
  };
  struct LoadDue {
    std::uint32_t life;
  };
  struct TimerDue {
    std::uint32_t life;
  };
  struct Arrive {
    std::uint64_t attempt;
    bool answered;  // its answer is lost otherwise
  };
  struct Deliver {
    std::uint64_t attempt;
    DeliveryAnswer head;
  };
  struct WeatherChanges {};
  struct PersonActs {};
  using Action = std::variant<Offer, CommitDue, CommitKnown, LoadDue, TimerDue, Arrive, Deliver,
                              WeatherChanges, PersonActs>;
  struct Due {
    Instant at;
    std::uint64_t order = 0;
    std::shared_ptr<Action> action;
    bool operator<(const Due& other) const noexcept {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  // queue_world.cpp
  void draw();
  void begin();
  void forget_heard();
  void schedule(Duration in, Action action);
  [[nodiscard]] bool happen();
  void feed(QueueInput input);
  void on(const Offer& offer);
  void on(const LoadDue& due);
  void on(const TimerDue& due);
  void on(const Arrive& arrive);
  void on(const Deliver& deliver);
  void on(const WeatherChanges& changes);
  void on(const PersonActs& acts);
  [[nodiscard]] DeliveryAnswer answer_of(Fact& fact);
  void heard(Fact& fact, const DeliveryAnswer& head);
  void crash();
  void heal();
  void check_end();
  void violated(const std::string& what);
  void note(const std::string& what);
  [[nodiscard]] Now clocks() const;
  [[nodiscard]] std::int64_t wall_ms() const { return clocks().wall.ns_since_epoch / 1'000'000; }
  [[nodiscard]] bool chance(std::uint32_t of_thousand) {
    return !healing_ && random_.below(1000) < of_thousand;
  }
  [[nodiscard]] Duration some(Duration most);
  [[nodiscard]] bool is_open(const Fact& fact) const {
    return fact.row.state == QueueState::pending || fact.row.state == QueueState::sending;
  }

  // queue_world_journal.cpp
  void on(const CommitDue& due);
  void on(const CommitKnown& known);
  void carry_out(queue_effect::Append& append);
  void carry_out(queue_effect::Send& send);
  void carry_out(const queue_effect::Wake& wake);
  void carry_out(const queue_effect::KeyWaits& waits);
  void carry_out(const queue_effect::Reply& reply);
  void carry_out(const queue_effect::DeadLetter& dead);
  void carry_out(const queue_effect::Reload& reload);
  void carry_out(const queue_effect::Stop& stop);
  void check_begin(const queue_effect::Append& append);
  [[nodiscard]] bool write(Writing& writing);
  void check_outcome(const Fact& fact, const queue_effect::Append& append);

  QueueWorldConfig config_;
  QueueCoverage& coverage_;
  Random random_;
  QueuePolicy policy_;
  struct {
    std::uint32_t crash, fail_store, lie_store, lose_request, lose_answer, late, refuse, fail, throttle, away,
        held, person, close, probe, repeat, slow_disk;
  } odds_{};
  Instant clock_{std::chrono::hours(1)};
  std::priority_queue<Due> queue_;
  std::uint64_t next_order_ = 1;
  std::size_t happened_ = 0;

  QueueCounters counters_;
  std::unique_ptr<QueueEngine> engine_;
  std::uint32_t life_ = 0;  // goes up with each engine and Reload
  std::map<At, Fact> facts_;
  At next_stream_ = 1;
  std::map<std::string, At> claims_;
  std::map<std::uint64_t, Writing> writings_;  // under way, in their order
  std::uint64_t next_writing_ = 1;
  std::unordered_map<std::uint64_t, Offered> offered_;  // by waiter
  std::unordered_map<Ulid, Mood> moods_;
  std::vector<QueueItem> old_offers_;  // to be repeated
  std::unordered_map<std::uint64_t, Attempt> attempts_;
  std::uint64_t next_attempt_ = 1;
  std::uint64_t next_waiter_ = 1;
  std::size_t under_way_ = 0;  // attempts that the owner has begun
  QueueGate gate_ = QueueGate::open;
  double pace_ = 5;
  Instant next_begin_ = Instant::min();
  bool healing_ = false;
  QueueRunOutcome outcome_;
};

}  // namespace flotilla::events::simulation
