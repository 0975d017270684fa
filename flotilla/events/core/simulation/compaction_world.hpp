// The simulated world of the compaction of one topic: publishers, consumers, a clock, a store and crashes.
//
// For: tests. Everything that happens is drawn from the seed, so a seed replays exactly. Faults: crashes
// between any two steps; reads and removals that fail, done or not; retention and people that take out the
// oldest events meanwhile; consumers that are slow, go back, or come anew in the middle of a round. What must
// hold:
//   K1 nothing is removed that a consumer has not passed, as the round was told  K2 the last event of a key
//   stays, but for a tombstone that has stood its time  K3 when an event is gone, all older ones of its key
//   are  K4 events without a key stay  K5 what is clean has each key once  K6 memory and steps keep their
//   bounds  K7 when all is quiet, no tombstone that has stood its time is left in what is clean, and less
//   than what is worth a round is dirty
// Ownership: owns all of it; the coverage outlives it. Threads: one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/compaction.hpp"

namespace flotilla::events::simulation {

struct CompactionWorldConfig {
  std::uint64_t seed = 1;
  std::size_t events = 1500;  // of the world, then it heals
  CompactionFault planted = CompactionFault::none;
};

// What was reached, over all runs: a count that stays zero fails the long test.
struct CompactionCoverage {
  std::map<std::string, std::uint64_t> counts;
  // Names of what was never reached.
  [[nodiscard]] std::vector<std::string> missing() const;
};

class CompactionWorld {
 public:
  CompactionWorld(const CompactionWorldConfig& config, CompactionCoverage& coverage);
  // The violated invariant and its circumstances; empty: none.
  [[nodiscard]] std::string run();

 private:
  void happen();
  void publish();
  void consume();
  void retire_oldest();
  void crash();
  void act();  // looks, or carries out the effect that is open
  void look();
  [[nodiscard]] compaction::Input carry_out(const compaction::Read& read);
  [[nodiscard]] compaction::Input carry_out(const compaction::Remove& remove);
  void feed(const compaction::Input& input);
  void check_removal(const KeyedEvent& event);
  void check_clean();
  void heal();
  [[nodiscard]] std::uint64_t floor() const;
  [[nodiscard]] bool likely(double share) { return random_.unit() < share; }
  [[nodiscard]] std::uint64_t draw(std::uint64_t below) {
    return static_cast<std::uint64_t>(random_.unit() * static_cast<double>(below));
  }
  void count(const std::string& what) { ++coverage_.counts[what]; }
  void violate(const std::string& what);

  CompactionWorldConfig config_;
  CompactionCoverage& coverage_;
  Random random_;
  CompactionLimits limits_;
  std::optional<Compaction> engine_;
  std::optional<compaction::Effect> open_;
  std::uint64_t told_floor_ = 0;
  std::int64_t told_now_ = 0;
  std::string violation_;

  std::map<std::uint64_t, KeyedEvent> topic_;
  std::map<std::string, std::uint64_t> newest_;  // of each key, of all that were published
  std::uint64_t end_ = 0;
  std::int64_t now_ = 1'000'000'000;
  std::vector<std::uint64_t> consumers_;
  std::uint64_t key_count_ = 1;
  double p_crash_ = 0;
  double p_fail_ = 0;
  double p_tombstone_ = 0;
  double p_consumer_ = 0;
  double p_back_ = 0;
};

}  // namespace flotilla::events::simulation
