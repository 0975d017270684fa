// The simulated world: engines, a journal, a network, services, clients and operators in one seeded process.
//
// For: tests, and whoever wants to see a saga survive. Everything that happens is drawn from the seed, also
// how likely each fault is, so runs differ in kind (swarm testing) and a seed replays exactly. After the
// events of the run the world heals: faults stop, operators answer what waits for them, and everything must
// end (L1, L2). Faults: crashes between any two events, commits lost or durable but never acknowledged, a
// store that fails either way, requests and answers lost, delayed, doubled, answers to dead owners, actions
// that arrive after their undo, a second owner that does not know it is dead, a wall clock that jumps.
// Ownership: owns all of it; the catalogue outlives it. Threads: one. Cost: some microseconds an event.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/saga/core/engine.hpp"
#include "flotilla/saga/core/lock_table.hpp"
#include "flotilla/saga/core/simulation/catalogue.hpp"
#include "flotilla/saga/core/simulation/coverage.hpp"
#include "flotilla/saga/core/simulation/history.hpp"
#include "flotilla/saga/core/simulation/ledger.hpp"
#include "flotilla/saga/core/simulation/oracle.hpp"

namespace flotilla::saga::simulation {

struct WorldConfig {
  std::uint64_t seed = 1;
  std::size_t events = 2000;  // then it heals
  EngineFaults faults;
  bool trace = false;         // keep a timeline
  std::uint32_t without = 0;  // a bit for each kind of fault that does not happen, by kFaultNames
};

// The kinds of faults that a seed draws, by their bit in `without`.
inline constexpr std::array<std::string_view, 23> kFaultNames{
    "crash",   "lose-commit", "fail-store", "not-sent",     "lose-request", "lose-answer",
    "doubled", "late",        "held-back",  "lose-message", "zombie",       "jump",
    "cancel",  "signal",      "operate",    "slow-disk",    "refuse",       "again",
    "stumble", "pending",     "confused",   "says",         "block"};

// What happened, with `trace`.
struct Moment {
  Duration at{0};
  SagaId saga;  // none: of the whole world
  std::string what;
};

struct Outcome {
  std::string violation;   // empty: none
  SagaId saga;             // that it is about, if one
  std::size_t events = 0;  // that have happened then
  std::vector<Moment> timeline;
};

inline constexpr std::size_t kMaxMoments = 200'000;
// One line a moment; with `only`, of that saga and of the whole world from its first moment on. At most
// `most`: the last ones, after a line that says how many are left out.
[[nodiscard]] std::string text_of(const std::vector<Moment>& timeline, std::optional<SagaId> only = {},
                                  std::size_t most = kMaxMoments);

class World {
 public:
  World(const WorldConfig& config, const Catalogue& catalogue, Coverage& coverage);

  [[nodiscard]] Outcome run();

 private:
  using Epoch = std::uint64_t;
  struct Stream {
    explicit Stream(const DefinitionSource& definitions, Coverage& coverage)
        : oracle(definitions, coverage) {}
    std::vector<StoredRecord> records;
    Oracle oracle;
    std::vector<std::string> locks;
    Parent parent;
    std::string name;
    std::size_t published = 0;
    std::uint64_t number = 0;  // in the order of acceptance, from 1
  };
  struct Owner {
    std::unique_ptr<Engine> engine;
    Epoch epoch = 0;
    LockTable locks;
    std::unordered_map<SagaId, Instant> wakes;
  };
  struct Attempt {
    effect::Send send;
    Epoch epoch = 0;
    bool answered = false;
    bool doubtful = false;  // its answer leaves open whether the service acted
  };

  // What can happen.
  struct CommitDue {
    Epoch epoch;
    effect::Append append;
  };
  struct CommitKnown {
    Epoch epoch;
    SagaId saga;
    std::optional<input::AppendFailed> failed;
    bool admitted;
    std::uint64_t number;
  };
  struct Arrive {
    std::uint64_t attempt;
    bool answer;
    bool again;
  };
  struct Deliver {
    std::uint64_t attempt;
    ServiceAnswer answer;
    bool held_back;
  };
  struct CallBack {
    std::uint64_t attempt;
  };
  struct TimerDue {
    Epoch epoch;
    SagaId saga;
  };
  struct Granted {
    Epoch epoch;
    SagaId saga;
  };
  struct Message {
    decltype(effect::Tell::message) message;
  };
  struct LoadDue {
    Epoch epoch;
    SagaId saga;
  };
  struct ClientActs {};
  struct OperatorActs {};
  struct Crash {};
  struct ClockJump {};
  using Action = std::variant<CommitDue, CommitKnown, Arrive, Deliver, CallBack, TimerDue, Granted, Message,
                              LoadDue, ClientActs, OperatorActs, Crash, ClockJump>;
  struct Due {
    Instant at;
    std::uint64_t order = 0;
    std::uint32_t slot = 0;
    bool operator<(const Due& other) const noexcept {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  // world.cpp
  void schedule(Duration in, Action action);
  [[nodiscard]] bool happen();
  void feed(Epoch epoch, Input input);
  void carry_out(Epoch epoch, Effect& effect);
  void violated(const std::string& what, SagaId saga = {});
  void note(std::string_view what, SagaId saga);
  [[nodiscard]] Owner* owner(Epoch epoch);
  [[nodiscard]] Owner& current() { return owners_.back(); }
  [[nodiscard]] Now clocks() const;
  [[nodiscard]] bool chance(std::uint32_t of_thousand) {
    return !healing_ && random_.below(1000) < of_thousand;
  }
  [[nodiscard]] Duration some(Duration most);

  // world_journal.cpp
  void on(CommitDue& due);
  void on(CommitKnown& known);
  [[nodiscard]] std::optional<input::AppendFailed> refuse(const CommitDue& due);
  void write(Owner& owner, effect::Append& append);
  void on(Crash& crash);
  void on(LoadDue& load);
  void take_over(bool old_one_lives);
  [[nodiscard]] input::Load load_of(SagaId saga);
  void count_crash(const effect::Append& append, bool durable);

  // world_network.cpp
  void transmit(Epoch epoch, effect::Send& send);
  void on(Arrive& arrive);
  void on(Deliver& deliver);
  void on(CallBack& back);
  void on(Message& message);
  [[nodiscard]] std::optional<SagaId> child_of(const Parent& parent, SagaId child,
                                               const std::string& key) const;

  // world_people.cpp
  void on(ClientActs& acts);
  void on(OperatorActs& acts);
  void submit();
  [[nodiscard]] std::string some_signal(SagaId saga);
  [[nodiscard]] json::Value payload_of(SagaId saga, std::string_view signal);
  void read_one();
  void on_reply(const effect::Reply& reply);
  void operate(SagaId saga, bool to_heal);
  void on(TimerDue& due);
  void on(Granted& granted);
  void on(ClockJump& jump);

  // world_history.cpp
  [[nodiscard]] std::size_t ask(Asking asking, SagaId saga, std::string key, std::string text);
  void tell(std::size_t asked, Told told, SagaId saga);
  void look(SagaId saga, bool at_the_end);
  void check_orders();

  // world_check.cpp
  void heal();
  void check_end();
  void check_effects(SagaId saga, const Stream& stream);
  void check_step_effects(SagaId saga, const Stream& stream, StepIndex index);
  void find(Finding::Kind kind, const std::string& name, SagaId saga, StepIndex step, std::string detail);
  void check_nesting(SagaId saga, const Stream& stream);
  void check_fold(SagaId saga, const Stream& stream, const Engine& engine);
  void check_lock_seq(const effect::Send& send, const Stream& stream);

  WorldConfig config_;
  const Catalogue& catalogue_;
  Coverage& coverage_;
  Random random_;
  KeyMaterial keys_;
  Moods moods_;
  void leave_out(std::uint32_t without);
  struct {
    std::uint32_t crash, lose_commit, fail_store, not_sent, lose_request, lose_answer, doubled, late,
        held_back, lose_message, zombie, jump, cancel, signal, operate, slow_disk;
  } odds_{};
  std::string poisoned_;   // a service
  std::int64_t pace_ = 1;  // clients and operators act that many times more slowly
  Instant clock_{std::chrono::hours(1)};
  std::int64_t wall_offset_ = 1'700'000'000'000'000'000;
  std::priority_queue<Due> queue_;
  std::vector<Action> slots_;
  std::vector<std::uint32_t> free_slots_;
  std::uint64_t next_order_ = 1;
  std::vector<Owner> owners_;
  Epoch epoch_ = 0;  // the journal's

  std::unordered_map<SagaId, Stream> streams_;
  std::vector<SagaId> order_;  // of acceptance
  struct LockSeq {
    SagaId holder;
    std::uint64_t seq = 0;
  };
  std::unordered_map<std::string, LockSeq> lock_seqs_;  // of the lock's newest holder that has sent something
  std::unordered_map<std::string, std::pair<SagaId, Sha256>> claims_;
  Ledger ledger_;
  std::unordered_map<std::uint64_t, Attempt> attempts_;
  std::uint64_t next_attempt_ = 1;
  struct Asked {
    std::string key;
    std::string definition;
    std::string input;
    char what = 's';
    SagaId saga;
    std::size_t recorded = 0;
  };
  // One request of a client; a start's saga is none until it is told.
  struct Recorded {
    Exchange exchange;
    SagaId saga;
    std::string key;
  };
  std::unordered_map<Waiter, Asked> waiters_;
  std::unordered_map<std::string, std::pair<SagaId, std::string>> acknowledged_;  // key -> saga, input
  std::unordered_map<SagaId, std::uint64_t> read_;  // seq that a reader has seen
  Waiter next_waiter_ = 1;
  std::uint64_t next_signal_ = 1;
  std::vector<Recorded> recorded_;
  std::uint64_t recorded_instant_ = 1;
  std::set<std::tuple<Finding::Kind, SagaId, StepIndex>> found_;
  std::size_t happened_ = 0;
  bool healing_ = false;
  Duration patience_{std::chrono::seconds(4)};  // of operators while it heals
  Outcome outcome_;
};

}  // namespace flotilla::saga::simulation
