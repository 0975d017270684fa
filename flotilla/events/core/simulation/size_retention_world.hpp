// The simulated world of the retention of one topic by size: publishers, consumers, a store, others that
// remove.
//
// For: tests. Everything that happens is drawn from the seed, so a seed replays exactly. Faults: crashes
// between any two steps; weighing and removing that fail, done or not; compaction, age and people that take
// events out meanwhile; consumers that are slow. What must hold:
//   S1 nothing is removed that a consumer has not passed, as it was told  S2 nothing is removed while the
//   topic is within its limit, nor more than two pieces more than it takes  S3 the newest event stays  S4 few
//   pieces are remembered  S5 when all is quiet, the topic is within its limit, but for its newest piece
// Ownership: owns all of it; the coverage outlives it. Threads: one.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/size_retention.hpp"

namespace flotilla::events::simulation {

struct SizeWorldConfig {
  std::uint64_t seed = 1;
  std::size_t events = 1500;  // of the world, then it heals
  SizeRetentionFault planted = SizeRetentionFault::none;
};

struct SizeCoverage {
  std::map<std::string, std::uint64_t> counts;
  // Names of what was never reached.
  [[nodiscard]] std::vector<std::string> missing() const;
};

class SizeWorld {
 public:
  SizeWorld(const SizeWorldConfig& config, SizeCoverage& coverage);
  // The violated invariant and its circumstances; empty: none.
  [[nodiscard]] std::string run();

 private:
  void happen();
  void publish();
  void others_remove();
  void act();
  [[nodiscard]] sizing::Input carry_out(const sizing::Weigh& weigh);
  [[nodiscard]] sizing::Input carry_out(const sizing::Remove& remove);
  void heal();
  [[nodiscard]] std::uint64_t floor() const;
  [[nodiscard]] std::uint64_t bytes() const;
  [[nodiscard]] bool likely(double share) { return random_.unit() < share; }
  [[nodiscard]] std::uint64_t draw(std::uint64_t below) {
    return static_cast<std::uint64_t>(random_.unit() * static_cast<double>(below));
  }
  void count(const std::string& what) { ++coverage_.counts[what]; }
  void violate(const std::string& what);

  SizeWorldConfig config_;
  SizeCoverage& coverage_;
  Random random_;
  std::uint64_t limit_ = 0;
  std::uint64_t greatest_ = 0;  // event
  std::optional<SizeRetention> engine_;
  std::optional<sizing::Effect> open_;
  std::uint64_t told_floor_ = 0;
  std::uint64_t generation_ = 1;
  bool others_ = false;  // have removed since it was told
  std::string violation_;
  std::map<std::uint64_t, std::uint64_t> topic_;  // bytes by position
  std::uint64_t end_ = 0;
  std::vector<std::uint64_t> consumers_;
  double p_crash_ = 0;
  double p_fail_ = 0;
  double p_others_ = 0;
};

}  // namespace flotilla::events::simulation
