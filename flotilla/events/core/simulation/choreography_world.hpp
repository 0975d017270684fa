// The simulated world of one choreography: topics, a store of rows, a process that is killed and started
// again, and a clock, in one seeded process.
//
// For: tests. Whatever can happen next is drawn from the seed, and so is how likely each fault is, so a seed
// replays exactly. Faults: crashes between any two events; commits that are lost; what is told that is not
// kept, or kept and not answered; rows that cannot be read; everything folded anew from the beginning. What
// must hold is checked at every commit: each transaction is what the oracle says of all its events at once,
// and the rows by which it is found are those, and no others. Nothing is told before it is due, and of each
// wait one event is kept. In the end the world heals: all that is due has been told, and after `retain`
// nothing is left. Ownership: owns all of it; the coverage outlives it. Threads: one.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/choreography_fold.hpp"
#include "flotilla/events/core/deadline_watch.hpp"
#include "flotilla/events/core/simulation/choreography_oracle.hpp"
#include "flotilla/journal/core/event.hpp"

namespace flotilla::events::simulation {

// What a set of runs has reached. A counter that stays zero means that a run proves less than it says.
enum class Reached : std::uint8_t {
  fulfilled,
  fulfilled_partly,
  late,
  unexpected,
  ended_ok,
  ended_undone,
  reopened,
  two_waits,  // of one expectation, open at once
  told,
  told_again,     // and it was kept already
  told_too_late,  // it was fulfilled before that was folded
  told_after_crash,
  tell_failed,
  tell_unanswered,
  look_failed,
  crashed_uncommitted,
  folded_anew,
  expired,
  not_expired,  // because something is due
  dead_linked,
  dead_unlinked,
  alias,
  deep,
  several_shards,
};
inline constexpr std::size_t kReached = static_cast<std::size_t>(Reached::several_shards) + 1;
[[nodiscard]] std::string_view to_string(Reached reached) noexcept;

struct ChoreographyCoverage {
  std::array<std::uint64_t, kReached> reached{};
  std::uint64_t events = 0;
  std::uint64_t commits = 0;
  void count(Reached what) noexcept { ++reached[static_cast<std::size_t>(what)]; }
  [[nodiscard]] std::vector<std::string> missing() const;
};

struct ChoreographyWorldConfig {
  std::uint64_t seed = 1;
  std::size_t steps = 600;  // of the world, then it heals
  FollowFault planted = FollowFault::none;
};

class ChoreographyWorld {
 public:
  ChoreographyWorld(const ChoreographyWorldConfig& config, ChoreographyCoverage& coverage);

  // The violation, or an empty text.
  [[nodiscard]] std::string run();

 private:
  using Rows = std::map<journal::RowName, std::string>;
  struct Stored {
    Fact fact;
    journal::Event event;
  };

  void happen();
  void heal();
  void publish();
  void publish_dead_letter();
  void keep(Fact fact, journal::Event event);
  void fold(std::size_t most, bool commit);
  void sweep();
  void crash();
  void watch();
  void tell(const TellOverdue& tell);
  void put(Rows& rows, const journal::RowName& name, const journal::Folded& folded);
  void check_commit();
  void check_instance(const Instance& instance, const std::vector<Fact>& facts, Rows& wanted);
  void note_instance(const Instance& instance);
  [[nodiscard]] std::vector<Fact> facts_of(const std::string& id) const;
  void violated(std::string what);
  [[nodiscard]] bool chance(std::uint32_t of_thousand) {
    return !healing_ && random_.below(1000) < of_thousand;
  }
  // What covers all up to the n-th.
  [[nodiscard]] journal::ReadToken token(std::uint64_t n) const;
  [[nodiscard]] std::uint64_t end() const { return journal_.size(); }

  ChoreographyCoverage& coverage_;
  std::uint32_t shards_ = 1;  // over which what is published lies, in turn
  std::size_t steps_;
  FollowFault planted_;
  Random random_;
  struct {
    std::uint32_t crash, lose, fail, unanswered, anew, sweep, dead;
  } odds_{};
  std::int64_t now_ms_ = 1'000'000;
  bool healing_ = false;
  ChoreographyPtr choreography_;
  std::shared_ptr<ChoreographyCounters> counters_ = std::make_shared<ChoreographyCounters>();
  std::unique_ptr<ChoreographyFold> fold_;
  std::vector<Stored> journal_;
  std::set<std::string> kept_;  // ids of alerts
  std::set<std::string> told_;  // waits
  Rows rows_;
  std::uint64_t position_ = 0;                  // of rows_
  std::map<std::string, std::uint64_t> since_;  // transactions that were forgotten: behind what
  std::map<std::string, InstanceState> states_;
  std::unique_ptr<DeadlineWatch> watch_;
  WatchEffect next_;
  bool crashed_ = false;
  std::uint64_t ids_ = 0;
  std::string violation_;
};

}  // namespace flotilla::events::simulation
