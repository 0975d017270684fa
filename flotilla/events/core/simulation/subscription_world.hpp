// The simulated world of one subscription: a topic, a journal, owners, a network, a subscriber and people, in
// one seeded process.
//
// For: tests. Everything that happens is drawn from the seed, also the policy and how likely each fault is,
// so runs differ in kind (swarm testing) and a seed replays exactly. After the events of the run the world
// heals: faults stop, people resume and release what waits for them, and every event must be settled. Faults:
// crashes between any two events, commits lost, or durable but never acknowledged, or answered with an error
// either way; requests and answers lost, delayed, doubled, those of dead owners arriving late; a second owner
// that does not know it is dead; a subscriber that hangs, refuses, is missing, gone, throttled, poisoned by
// single events, acknowledges late, twice, early or never. What must hold is written beside each check, by
// the names of the invariants: E3 the order of each key is that of the topic; E4 every event is acknowledged
// or a dead letter, none twice; E5 no event of a key is sent before the one before is settled; E6 the mark
// never passes an unsettled event; E7 what is sent again is the same; E10 acknowledged + dead letters +
// expired + filtered = published. The world knows by itself what an answer of its subscriber means, and what
// justifies a settlement: it asks nothing of the engine but its effects. Dead letters are kept as letters, of
// which people edit some and send some again: E5 holds between them and the events of their key, too, and
// each must come to an end that the subscriber's answers justify. Ownership: owns all of it; the coverage
// outlives it. Threads: one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/simulation/subscription_coverage.hpp"
#include "flotilla/events/core/subscription_engine.hpp"

namespace flotilla::events::simulation {

struct WorldConfig {
  std::uint64_t seed = 1;
  std::size_t events = 1500;  // of the world, then it heals
  SubscriptionFault planted = SubscriptionFault::none;
  bool trace = false;
};

struct Outcome {
  std::string violation;  // empty: none
  std::string timeline;   // with `trace`
};

class World {
 public:
  World(const WorldConfig& config, Coverage& coverage);

  [[nodiscard]] Outcome run();

 private:
  using Epoch = std::uint64_t;
  using At = std::uint64_t;

  enum class Mood : std::uint8_t { well, refused, failing };
  // What the topic and the subscriber's book say of an event.
  struct Fact {
    ArrivedEvent event;
    std::string bytes;
    Mood mood = Mood::well;     // of the subscriber, towards this event
    bool seen = false;          // a request with it has arrived
    bool had_its_turn = false;  // it was settled before a replay
    bool settled = false;       // durably
    // Since it was last made unsettled, by being published or replayed.
    bool said_ok = false;
    bool said_no = false;
    // Of the owner of the moment, since it loaded.
    std::uint32_t spent = 0;   // attempts
    std::uint64_t latest = 0;  // of attempts_
    bool out = false;          // it is under way
    bool unacked = false;      // it was answered 202
    Instant not_before = Instant::min();
  };
  // A dead letter that people work with, as the journal has it.
  struct Letter {
    DeadLetterPtr kept;
    Fact fact;  // since it was last sent again
  };
  struct Owner {
    std::unique_ptr<SubscriptionEngine> engine;
    Epoch epoch = 0;
    bool loaded = false;
    bool told_to_pause = false;
    Instant wake = kNever;
    std::uint64_t fetch = 0;
    std::size_t fetch_events = 0;
    At fetch_after = 0;
    std::optional<effect::FetchRedrives> redrives;
    std::uint32_t life = 0;  // goes up with each Load
    std::optional<effect::Append> committing;
    bool written = false;  // `committing` is durable, or refused, and it is about to be told
  };
  struct Attempt {
    Epoch epoch = 0;
    std::uint32_t life = 0;
    std::uint64_t token = 0;
    At at = 0;
    std::uint64_t letter = 0;  // 0: of the topic
    bool arrived = false;
    bool closed = false;  // its answer or acknowledgement was told
  };
  // What one answer of the subscriber means, by what it meant to say.
  enum class Meaning : std::uint8_t { yes, taken, again, no, gone, held };
  struct Said {
    input::Answer answer;
    Meaning meaning = Meaning::again;
  };

  // What can happen.
  struct Publish {};
  struct FetchDue {
    Epoch epoch;
    std::uint64_t fetch;
  };
  struct Arrive {
    std::uint64_t attempt;
  };
  struct Deliver {
    std::uint64_t attempt;
    Said said;
  };
  struct AckDue {
    std::uint64_t attempt;
    EventOutcome outcome;
  };
  struct TimerDue {
    Epoch epoch;
  };
  struct CommitDue {
    Epoch epoch;
    std::uint32_t life;
  };
  struct CommitKnown {
    Epoch epoch;
    std::uint32_t life;
    bool good;
    bool stale;
  };
  struct LoadDue {
    Epoch epoch;
  };
  struct RedrivesDue {
    Epoch epoch;
    std::uint64_t fetch;
  };
  struct PersonActs {};
  struct ReadyDue {
    Epoch epoch;
  };
  using Action = std::variant<Publish, FetchDue, RedrivesDue, Arrive, Deliver, AckDue, TimerDue, CommitDue,
                              CommitKnown, LoadDue, PersonActs, ReadyDue>;
  struct Due {
    Instant at;
    std::uint64_t order = 0;
    std::shared_ptr<Action> action;
    bool operator<(const Due& other) const noexcept {
      return at != other.at ? at > other.at : order > other.order;
    }
  };

  // subscription_world.cpp
  void draw();
  void schedule(Duration in, Action action);
  [[nodiscard]] bool happen();
  void feed(Owner& owner, SubscriptionInput input);
  void on(const Publish& publish);
  void on(const FetchDue& due);
  void on(const TimerDue& due);
  void on(const PersonActs& acts);
  void on(const ReadyDue& due);
  void operate(SubscriptionVerb verb);
  void heal();
  void check_end();
  void violated(const std::string& what);
  void note(const std::string& what);
  [[nodiscard]] Owner* owner(Epoch epoch);
  [[nodiscard]] Owner& current() { return owners_.back(); }
  [[nodiscard]] Now clocks() const;
  [[nodiscard]] std::int64_t wall_ms() const { return clocks().wall.ns_since_epoch / 1'000'000; }
  [[nodiscard]] bool chance(std::uint32_t of_thousand) {
    return !healing_ && random_.below(1000) < of_thousand;
  }
  [[nodiscard]] Duration some(Duration most);

  // subscription_world_effects.cpp
  void carry_out(Epoch epoch, effect::Fetch& fetch);
  void carry_out(Epoch epoch, effect::Send& send);
  void carry_out(Epoch epoch, effect::Append& append);
  void carry_out(Epoch epoch, effect::Wake& wake);
  void carry_out(Epoch epoch, effect::Alert& alert);
  void carry_out(Epoch epoch, effect::Reply& reply);
  void carry_out(Epoch epoch, effect::Reload& reload);
  void carry_out(Epoch epoch, effect::Stop& stop);
  void check_send(const Owner& owner, const effect::Send& send);
  void on(const Arrive& arrive);
  void on(const Deliver& deliver);
  void on(const AckDue& ack);
  [[nodiscard]] Said say(const Fact& fact);
  void heard(Owner& owner, Fact& fact, const Said& said);
  [[nodiscard]] std::size_t under_way() const;
  [[nodiscard]] const Fact* before_of_key(At at) const;

  // subscription_world_journal.cpp
  void on(const CommitDue& due);
  void on(const CommitKnown& known);
  void on(const LoadDue& load);
  void write(const effect::Append& append);
  using Published = std::multimap<At, const CausedEvent*>;
  [[nodiscard]] Published sort(const effect::Append& append);
  void settle(At at, Fact& fact, const effect::Append& append, const Published& published);
  void settle_dead(At at, const Fact& fact, const effect::Append& append, const journal::Event& dead);
  void check_keys(const effect::Append& append);
  void unsettle_after(const SubscriptionProgress& next);
  void expect_anew(At from);
  void crash();
  void take_over(bool old_one_lives);

  // subscription_world_letters.cpp
  void carry_out(Epoch epoch, effect::FetchRedrives& fetch);
  void on(const RedrivesDue& due);
  void check_redrive(const Owner& owner, const effect::Send& send);
  void check_letters_of_key(const effect::Send& send, std::string_view key);
  void keep_letters(const effect::Append& append);
  void end_letters(const effect::Append& append, Published& published);
  void end_letter(const Letter& letter, const RedriveOutcome& outcome, const effect::Append& append);
  void redrive_some();
  void take_step(std::uint64_t id, Letter& letter, const LetterStep& step);
  void begin_letters_anew();
  [[nodiscard]] Fact& fact_of(const Attempt& attempt);
  [[nodiscard]] bool letters_wait() const;

  WorldConfig config_;
  Coverage& coverage_;
  Random random_;
  SubscriptionPolicy policy_;
  struct {
    std::uint32_t crash, lose_commit, fail_store, zombie, not_sent, held_back, lose_request, lose_answer,
        doubled, late, hang, person, refuse, again, accept, gone, says, never_ack, early_ack, slow_disk,
        poison;
  } odds_{};
  Instant clock_{std::chrono::hours(1)};
  std::priority_queue<Due> queue_;
  std::uint64_t next_order_ = 1;
  std::vector<Owner> owners_;
  Epoch epoch_ = 0;  // the journal's

  std::map<At, Fact> facts_;
  At end_ = 0;                  // of the journal's shard
  SubscriptionProgress saved_;  // durable
  std::map<std::uint64_t, Letter> letters_;
  std::uint64_t next_letter_ = 1;
  std::unordered_map<std::uint64_t, Attempt> attempts_;
  std::uint64_t next_attempt_ = 1;
  std::size_t happened_ = 0;
  std::optional<At> replay_from_;  // asked of the current owner, and not yet answered
  At replay_to_ = 0;               // of it; 0: all
  Waiter replay_waiter_ = 0;
  std::vector<std::string> released_;  // keys, asked of the current owner, and not yet durable
  Waiter next_waiter_ = 1;
  bool healing_ = false;
  Outcome outcome_;
};

}  // namespace flotilla::events::simulation
