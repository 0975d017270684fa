// One version of a view: takes events in, folds rows, and says what is to be saved.
//
// For: view_engine.hpp. It goes round: fetch events, load the rows they belong to, fold, save rows and
// checkpoint in one batch, go on. One round is under way at a time, and nothing is said of events before
// their batch is durable. An event that cannot be folded ends it, with everything before that event saved.
// Ownership: a value of the engine. Threads: one. Limits: ProjectionLimits; beyond them a round is cut and
// the next one goes on behind it. Rows stay in memory up to `memory` bytes, so that hot ones are not loaded
// again.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/cqrs/core/row_fold.hpp"
#include "flotilla/cqrs/core/view_counters.hpp"
#include "flotilla/cqrs/core/view_faults.hpp"
#include "flotilla/cqrs/core/view_io.hpp"

namespace flotilla::cqrs {

struct ProjectionLimits {
  std::size_t events = 128;                    // of a fetch
  std::size_t batch = std::size_t{4} << 20;    // bytes of rows of a save; one row always fits
  std::size_t memory = std::size_t{16} << 20;  // bytes of rows that stay
};

class Projection {
 public:
  Projection(ViewDefinitionPtr view, Generation generation, const Checkpoint& from,
             const ProjectionLimits& limits, ViewCounters& counters, ViewFault planted);

  // Each adds what is to be done. Answers that belong to nothing that is under way are ignored.
  void start(ViewEffects& effects) { fetch(effects); }
  void arrived(input::Arrived in, ViewEffects& effects);
  void rows(input::Rows in, ViewEffects& effects);
  // Between rounds; at another moment it does nothing.
  void expire(input::Expire in, ViewEffects& effects);
  // What was saved; the keys under which rows changed.
  struct Done {
    std::vector<std::string> changed;
  };
  [[nodiscard]] std::optional<Done> saved(ViewEffects& effects);

  // Begins nothing more.
  void halt() noexcept { halted_ = true; }

  [[nodiscard]] Generation generation() const noexcept { return generation_; }
  [[nodiscard]] const Checkpoint& checkpoint() const noexcept { return checkpoint_; }
  // Every event up to here is in durable rows.
  [[nodiscard]] const journal::ReadToken& position() const noexcept { return position_; }
  [[nodiscard]] bool is_saving() const noexcept { return step_ == Step::saving; }
  // All that there was when it looked last is in it.
  [[nodiscard]] bool is_at_end() const noexcept { return at_end_ && pending_.empty() && !is_saving(); }
  // Empty: it goes on.
  [[nodiscard]] const std::string& failure() const noexcept { return failure_; }
  [[nodiscard]] std::int64_t behind_since_ms() const noexcept;

 private:
  enum class Step : std::uint8_t { fetching, loading, saving, stopped };
  // An event with what was found out about it.
  struct Pending {
    journal::Position position;
    std::int64_t recorded_ms = 0;
    EventValues values;
    std::optional<journal::RowName> place;  // nothing: it is of no concern, or broken
    std::string broken;                     // why it cannot be folded
    std::optional<std::int64_t>
        expire_ms;  // it is no event: at this time the row may have been kept long enough
  };
  struct Known {
    json::Value row;  // null: there is none
    std::size_t bytes = 0;
    std::list<journal::RowName>::iterator age;
  };
  struct Round {
    std::map<journal::RowName, std::optional<std::string>> rows;
    Checkpoint checkpoint;
    std::size_t bytes = 0;
    std::uint64_t folded = 0;
    std::uint64_t ignored = 0;
  };

  void fetch(ViewEffects& effects);
  void work(ViewEffects& effects);
  [[nodiscard]] std::vector<journal::RowName> unknown_rows() const;
  void fold(ViewEffects& effects);
  // Whether the round goes on behind it.
  [[nodiscard]] bool fold_one(Pending& event, Round& round);
  // What one row of a round has become. False: it does not fit any more.
  [[nodiscard]] bool take(const Pending& event, bool was, journal::Folded folded, Round& round);
  void know(const journal::RowName& name, json::Value row, std::size_t bytes);
  void forget_old();

  ViewDefinitionPtr view_;
  Generation generation_;
  ProjectionLimits limits_;
  ViewCounters& counters_;
  ViewFault planted_;
  Step step_ = Step::fetching;
  bool halted_ = false;
  std::uint64_t fetch_ = 0;
  std::uint64_t load_ = 0;
  std::vector<journal::RowName> loading_;
  Checkpoint checkpoint_;        // durable
  journal::ReadToken position_;  // at or beyond it, where there was nothing to fold
  journal::ReadToken read_to_;   // behind the last of pending_
  bool at_end_ = false;
  std::deque<Pending> pending_;
  std::map<journal::RowName, Known> known_;
  std::list<journal::RowName> ages_;  // of known_, the latest first
  std::size_t known_bytes_ = 0;
  std::optional<Round> saving_;
  std::string stopping_;  // why it ends once the round is saved
  std::string failure_;
  journal::Position failed_at_;
  std::int64_t failed_since_ms_ = 0;
  std::int64_t last_recorded_ms_ = 0;
};

}  // namespace flotilla::cqrs
