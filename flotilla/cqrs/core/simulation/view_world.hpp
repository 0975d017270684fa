// The simulated world of one view: topics, a store, a process that is killed and started again, a file that
// changes, and people, in one seeded process.
//
// For: tests. Whatever can happen next is drawn from the seed, and so is how likely each fault is; whatever
// is under way may come in any order, so a seed replays exactly. Then the world heals, and the view must be
// what the file says. Faults: crashes between any two events, saves lost, or durable and never answered, or
// answered with an error either way; pages that begin again or come late; loads that are cut; a lost
// checkpoint; events that a fold cannot take; other folds in the file, and back; rebuilding on demand. What
// must hold is checked at every commit: the rows of a version are a fold from scratch, event by event, up to
// its checkpoint, in every shard of the journal, of which there are one to three (P1, P2, P3); and whenever
// reads are told where to go: the version is the one of the record, all up to the position is durable in it,
// and positions never go back, over a flip neither (P4, P10). Rows that are read are never deleted.
// Ownership: owns all of it; the coverage outlives it. Threads: one.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/cqrs/core/simulation/view_coverage.hpp"
#include "flotilla/cqrs/core/view_engine.hpp"

namespace flotilla::cqrs::simulation {

struct WorldConfig {
  std::uint64_t seed = 1;
  std::size_t events = 1500;  // of the world, then it heals
  ViewFault planted = ViewFault::none;
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
  using Rows = std::map<journal::RowName, std::string>;
  struct Fact {  // of a shard by position - 1
    std::string topic;
    std::shared_ptr<const journal::Event> event;
  };
  // What is durable.
  struct Store {
    std::optional<ViewRecord> record;
    std::map<Generation, Checkpoint> checkpoints;
    std::map<Generation, Rows> tables;
  };
  // A fold from scratch, as far as it was asked for.
  struct Oracle {
    ViewDefinitionPtr view;
    journal::ReadToken position;
    std::uint64_t events = 0;
    Rows rows;
    std::map<std::uint32_t, std::uint64_t> broken_at;  // by shard: the first event that it cannot fold
    std::map<journal::RowName, bool> removed;
  };
  // A write under way, of the engine of this life.
  struct Write {
    std::variant<effect::Save, effect::SaveRecord> what;
    bool written = false;
    bool answered_well = true;
    bool told = false;
  };
  using Under = std::variant<effect::Fetch, effect::LoadRows, effect::Forget>;

  // view_world.cpp
  void happen();
  void publish();
  void answer_one();
  void crash();
  void restart(bool other_file);
  void feed(ViewInput in);
  void person_asks();
  void settle();
  void check_end();
  void violated(const std::string& what);
  void note(const std::string& what);
  [[nodiscard]] bool chance(std::uint32_t of_thousand) {
    return !healing_ && random_.below(1000) < of_thousand;
  }

  // view_world_store.cpp
  void carry_out(effect::Fetch& fetch);
  void carry_out(effect::LoadRows& load);
  void carry_out(effect::Save& save);
  void carry_out(effect::SaveRecord& save);
  void carry_out(effect::Forget& forget);
  void carry_out(effect::Serve& serve);
  void carry_out(effect::Failed& failed);
  void carry_out(effect::Reload& reload);
  void carry_out(effect::Reply& reply);
  void answer(const effect::Fetch& fetch);
  void answer(const effect::LoadRows& load);
  void answer(const effect::Forget& forget);
  void commit(const effect::Save& save);
  void commit(const effect::SaveRecord& save);
  void tell(const Write& write);
  [[nodiscard]] Oracle& oracle(Generation generation);
  // Folds on to `position`. Events of one row lie in one shard, so that the order of shards is no matter.
  void advance(Oracle& oracle, const journal::ReadToken& position);
  void advance(Oracle& oracle, journal::Position position);
  // False: it cannot be folded.
  [[nodiscard]] bool fold(Oracle& oracle, const Fact& fact);
  // Whether no event of the view's topics lies behind `from` up to `to`.
  [[nodiscard]] bool nothing_between(const ViewDefinition& view, const journal::ReadToken& from,
                                     const journal::ReadToken& to) const;
  // How far the journal has come.
  [[nodiscard]] journal::ReadToken end() const;
  // It was answered that there is nothing more, and there is not.
  [[nodiscard]] bool waits(const effect::Fetch& fetch) const;

  WorldConfig config_;
  Coverage& coverage_;
  Random random_;
  struct {
    std::uint32_t publish, crash, fail, other_file, person, broken, again, late, cut, lose_checkpoint;
  } odds_{};
  std::vector<ViewTexts> files_;
  std::size_t file_ = 0;
  std::vector<std::vector<Fact>> journal_;  // by shard
  std::uint64_t published_ = 0;
  Store store_;
  std::map<Generation, Oracle> oracles_;
  std::unique_ptr<ViewEngine> engine_;
  bool reloading_ = false;  // the engine is over; its writes end first
  std::vector<std::unique_ptr<Write>> writes_;
  std::vector<Under> under_way_;
  std::vector<input::Arrived> old_pages_;
  std::map<Generation, journal::ReadToken> told_end_;
  std::map<Generation, journal::ReadToken> read_to_;  // of the page that was answered last
  std::optional<Generation> just_saved_;              // while its engine is told
  std::optional<effect::Serve> served_;               // in this life
  Waiter next_waiter_ = 1;
  std::uint64_t happened_ = 0;
  bool healing_ = false;
  Outcome outcome_;
};

}  // namespace flotilla::cqrs::simulation
