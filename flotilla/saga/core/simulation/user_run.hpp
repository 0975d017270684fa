// A user's definition in the simulated world, one seed after the other.
//
// For: `flotilla simulate`. Each call of next() is one whole life of a small platform, of some milliseconds,
// so that the caller can stop, show progress and keep the time; nothing but counters stays from it.
// Ownership: owns definitions and results. Threads: one. Limits: those of World; kMaxViolations kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/saga/core/simulation/catalogue.hpp"
#include "flotilla/saga/core/simulation/coverage.hpp"
#include "flotilla/saga/core/simulation/world.hpp"

namespace flotilla::saga::simulation {

inline constexpr std::size_t kMaxViolations = 10;     // then it stops
inline constexpr std::size_t kMaxTimelineLines = 40;  // with a violation or finding

struct UserRunConfig {
  std::vector<DefinitionPtr> all;    // with everything that `saga` nests
  DefinitionPtr saga;                // what clients start
  std::optional<json::Value> input;  // else made up, see stubs.hpp
  std::uint64_t first = 1;
  std::uint64_t seeds = 1000;
  std::size_t events = 500;  // of each seed, before it heals
  EngineFaults faults;       // of tests
};

struct UserViolation {
  std::string what;
  std::uint64_t seed = 0;
  std::string timeline;
};

class UserRun {
 public:
  explicit UserRun(UserRunConfig config);

  // One more seed. False: all are done, or too many went wrong.
  [[nodiscard]] bool next();

  // The timeline of the first saga in which a finding shows; runs its seed again.
  [[nodiscard]] std::string timeline_of(const Finding& finding) const;
  // Everything that happens in a seed.
  [[nodiscard]] std::string trace(std::uint64_t seed) const;

  [[nodiscard]] const UserRunConfig& config() const noexcept { return config_; }
  [[nodiscard]] const Coverage& coverage() const noexcept { return coverage_; }
  [[nodiscard]] const std::vector<UserViolation>& violations() const noexcept { return violations_; }
  [[nodiscard]] std::uint64_t seeds_done() const noexcept { return done_; }
  [[nodiscard]] const Catalogue& catalogue() const noexcept { return catalogue_; }

 private:
  [[nodiscard]] Outcome again(std::uint64_t seed) const;

  UserRunConfig config_;
  Catalogue catalogue_;
  Coverage coverage_;
  std::vector<UserViolation> violations_;
  std::uint64_t done_ = 0;
};

// `saga` and everything it nests, of those that are known.
[[nodiscard]] std::vector<DefinitionPtr> with_nested(const DefinitionPtr& saga,
                                                     const std::vector<DefinitionPtr>& known);

}  // namespace flotilla::saga::simulation
