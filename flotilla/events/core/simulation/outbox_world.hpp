// The simulated world of one outbox: transactions that write events, a database, a network and a platform.
//
// For: tests. Everything that happens is drawn from the seed, also how likely each fault is, so runs differ
// in kind and a seed replays exactly. After the events of the run the world heals, and every committed event
// must be at the platform. Faults: transactions that commit in another order than they write, stay open for
// long, roll back; crashes of the relay between any two events; a database that ends, with the last deletion
// done or not; requests and answers lost or late, also of relays that have died; a platform that is away,
// throttles, does not know a topic yet, refuses events for some time. What must hold:
//   X1 only what is committed is published                                        (E8)
//   X2 what is committed is published in the end, and each event is there once    (E8; the platform has
//      each id once)
//   X3 a row is deleted only when its event is published
//   X4 of a key, what had been committed when a row was written comes before it
//   X5 of a key, a row with the lower position and the lower transaction comes first
//   X6 a topic has one request of the relay under way, within its bounds, and none before its time
//   X7 a refused row holds at most its key; no more is held than the bound
// Ownership: owns all of it; the coverage outlives it. Threads: one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/outbox_relay.hpp"

namespace flotilla::events::simulation {

struct OutboxWorldConfig {
  std::uint64_t seed = 1;
  std::size_t events = 1000;  // of the world, then it heals
  OutboxFault planted = OutboxFault::none;
};

// What was reached, over all runs: a count that stays zero fails the long test.
struct OutboxCoverage {
  std::map<std::string, std::uint64_t> counts;
  // Names of what was never reached.
  [[nodiscard]] std::vector<std::string> missing() const;
};

class OutboxWorld {
 public:
  OutboxWorld(const OutboxWorldConfig& config, OutboxCoverage& coverage);
  // The violated invariant and its circumstances; empty: none.
  [[nodiscard]] std::string run();

 private:
  struct Row {
    OutboxRow row;
    std::size_t writer = 0;
    std::set<std::uint64_t> seen;  // positions of its key that were committed when it was written
    bool deleted = false;
    bool bad = false;  // the platform refuses it, or it can be no event
    bool was_bad = false;
    bool forever = false;                 // also when the world has healed
    std::optional<std::uint64_t> stored;  // its place at the platform
  };
  struct Writer {
    enum class State : std::uint8_t { open, committed, rolled_back };
    std::uint64_t xid = 0;  // 0: it has written nothing yet
    State state = State::open;
    bool patient = false;  // it stays open for long
  };
  struct Request {
    std::uint32_t life = 0;
    std::uint64_t id = 0;
    std::string topic;
    std::vector<std::string> events;
  };

  // What can happen.
  struct Transact {};
  struct DatabaseDone {
    std::uint32_t life;
    OutboxInput told;
  };
  struct Arrive {
    Request request;
    bool answered;
  };
  struct Answered {
    std::uint32_t life;
    std::string topic;
    outbox_input::Answer answer;
  };
  struct WeatherChanges {};
  using Action = std::variant<Transact, DatabaseDone, Arrive, Answered, WeatherChanges>;
  struct Due {
    Instant at;
    std::uint64_t order;
    std::shared_ptr<Action> action;
    bool operator<(const Due& other) const noexcept {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  void schedule(Duration in, Action action);
  void happen();
  void begin_life();
  void feed(OutboxInput input);
  void on(const Transact& transact);
  void on(DatabaseDone& done);
  void on(const Arrive& arrive);
  void on(const Answered& answered);
  void on(const WeatherChanges& changes);
  void carry_out(const outbox_effect::Connect& connect);
  void carry_out(const outbox_effect::Read& read);
  void carry_out(const outbox_effect::Publish& publish);
  void carry_out(const outbox_effect::Forget& forget);
  void carry_out(const outbox_effect::Wait& wait);
  void carry_out(const outbox_effect::Tell& tell);
  void carry_out(const outbox_effect::Stopped& stopped);

  void restore();
  void write(std::size_t writer);
  void end(std::size_t writer);
  [[nodiscard]] bool visible(const Row& row) const;
  [[nodiscard]] std::uint64_t horizon() const;
  void store(Row& row);
  void check_order_of(const Row& row);
  [[nodiscard]] outbox_input::Answer judge(const Request& request);
  void check_end();
  [[nodiscard]] bool all_done() const;
  [[nodiscard]] bool likely(double share) { return random_.unit() < share; }
  [[nodiscard]] Duration between(Duration least, Duration most);
  void count(const std::string& what) { ++coverage_.counts[what]; }
  void violate(std::string what);

  OutboxWorldConfig config_;
  OutboxCoverage& coverage_;
  Random random_;
  OutboxPolicy policy_;
  std::optional<OutboxRelay> relay_;
  std::uint32_t life_ = 0;
  Instant now_;
  std::uint64_t order_ = 0;
  std::priority_queue<Due> due_;
  bool healed_ = false;
  std::string violation_;

  // The database.
  std::vector<Writer> writers_;
  std::map<std::uint64_t, Row> rows_;                 // by position
  std::map<std::string, std::uint64_t> position_of_;  // by id
  std::uint64_t next_xid_ = 100;
  std::uint64_t next_position_ = 1;
  std::size_t forever_ = 0;

  // The platform.
  std::uint64_t stored_ = 0;
  std::set<std::string> unknown_topics_;
  bool away_ = false;
  std::map<std::string, std::uint64_t> under_way_;  // by topic, of this life
  std::map<std::string, Instant> not_before_;       // by topic, of this life

  double p_crash_ = 0;
  double p_lost_ = 0;
  double p_database_ = 0;
  double p_bad_ = 0;
  double p_patient_ = 0;
  double p_back_ = 0;
};

}  // namespace flotilla::events::simulation
