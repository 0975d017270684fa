// The decisions of one view: which versions there are, what each folds, which one is read.
//
// For: the shell that runs a view, and the simulator. step() takes one input and gives the effects that
// follow, to be carried out in their order. What must hold whatever happens: rows and checkpoint of a version
// are those of the fold of all events up to it (P1, P2, P3); reads are told of a position only when all up to
// it is durable (P4); a version takes the place of another at once, in one commit, when it has come as far
// (P10). The old version goes on until then, by the definition that it was built with. Ownership: owns its
// projections. Threads: one. Limits: those of projection.hpp, for each of two versions.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/cqrs/core/projection.hpp"
#include "flotilla/cqrs/core/view_io.hpp"

namespace flotilla::cqrs {

// How a version stands, for people.
struct VersionReport {
  ViewVersion version;
  Checkpoint checkpoint;
  journal::ReadToken position;
  std::string failure;  // empty: it goes on
};
struct ViewReport {
  bool loaded = false;
  std::optional<VersionReport> live;
  std::optional<VersionReport> building;
  std::size_t doomed = 0;
};

class ViewEngine {
 public:
  // In a journal of so many shards. `counters` outlives it.
  ViewEngine(ViewDefinitionPtr wanted, const ProjectionLimits& limits, ViewCounters& counters,
             std::uint32_t shards, ViewFault planted = ViewFault::none);

  // The first input is a Load; after a Reload there is none.
  [[nodiscard]] ViewEffects step(ViewInput in);

  [[nodiscard]] ViewReport report() const;

 private:
  enum class Writing : std::uint8_t { nothing, beginning, rebuilding, flipping, forgetting };

  void on(input::Load& in);
  void on(input::Arrived& in);
  void on(input::Rows& in);
  void on(const input::Saved& in);
  void on(const input::SaveFailed& in);
  void on(const input::RecordSaved& in);
  void on(const input::RecordFailed& in);
  void on(const input::Forgotten& in);
  void on(const input::Rebuild& in);
  void on(input::Expire& in);

  [[nodiscard]] Projection* find(Generation generation);
  [[nodiscard]] Checkpoint checkpoint_of(Generation generation) const;
  void start_versions();
  [[nodiscard]] std::unique_ptr<Projection> make(const ViewVersion& version, const Checkpoint& from);
  void write(Writing what, ViewRecord record);
  // What of the record is to be changed next, if its time has come.
  void change_record();
  [[nodiscard]] bool may_flip() const;
  void serve(std::vector<std::string> changed);
  void forget_next();
  void reload();

  ViewDefinitionPtr wanted_;
  ProjectionLimits limits_;
  ViewCounters& counters_;
  std::uint32_t shards_;
  ViewFault planted_;
  ViewEffects effects_;
  bool loaded_ = false;
  bool over_ = false;
  ViewRecord record_;
  Writing writing_ = Writing::nothing;
  ViewRecord next_record_;                        // what is being written
  std::map<Generation, Checkpoint> checkpoints_;  // as loaded, until their versions start
  std::unique_ptr<Projection> live_;
  std::unique_ptr<Projection> building_;
  std::string live_broken_;  // the definition it was built with is not understood any more
  std::optional<effect::Serve> served_;
  std::vector<Waiter> rebuilding_;       // who asked
  std::optional<Generation> forgotten_;  // whose last row is gone
  bool forgetting_ = false;              // some of the rows of doomed.front()
};

}  // namespace flotilla::cqrs
