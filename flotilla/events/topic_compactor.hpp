// Compacts topics, a bounded piece at a time, between everything else.
//
// For: the running program, on the control thread. What is decided is core/compaction.hpp's; this reads the
// topic and removes. One topic at a time is under way, so one map of keys is in memory. Where the store
// cannot (compaction_upkeep()) nothing is done: the file was refused. Ownership: the journal outlives it.
// Threads: one loop's. Limits: kSteps a call of tend(), each a page of kPageEvents events or the removal of
// as many.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/events/core/compaction.hpp"
#include "flotilla/events/core/topic.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::events {

class TopicCompactor {
 public:
  static constexpr std::size_t kSteps = 64;
  static constexpr std::size_t kPageEvents = 500;

  explicit TopicCompactor(journal::Journal& journal, CompactionLimits limits = {}) noexcept
      : journal_(journal), limits_(limits) {}

  // Those of them that are to be compacted, from now on.
  void set_topics(const std::vector<TopicPtr>& topics);
  // Goes on where it was. Errors: those of the journal; the round is given up, and tried anew.
  [[nodiscard]] net::Task<Result<>> tend(WallTime now);
  // Events that were removed since the start, of all topics.
  [[nodiscard]] std::uint64_t removed() const noexcept { return removed_; }
  void collect(telemetry::MetricsPage& page) const;

 private:
  struct Part {
    explicit Part(CompactionLimits limits) : engine(limits) {}
    Compaction engine;
    std::optional<compaction::Effect> open;
    std::uint64_t removed = 0;
  };
  using PartPtr = std::shared_ptr<Part>;

  [[nodiscard]] net::Task<Result<>> work(std::string topic, PartPtr part, WallTime now, std::size_t& steps);
  [[nodiscard]] net::Task<Result<compaction::Input>> carry_out(std::string topic, compaction::Effect effect);
  [[nodiscard]] net::Task<Result<compaction::Input>> read(std::string topic, std::uint64_t after);

  journal::Journal& journal_;
  const CompactionLimits limits_;
  std::map<std::string, PartPtr> parts_;
  std::string turn_;  // the topic to go on with
  std::uint64_t removed_ = 0;
};

// What compaction sees of a record of a topic. Errors: invalid (damaged).
[[nodiscard]] Result<KeyedEvent> keyed_event(const journal::StoredRecord& stored);

}  // namespace flotilla::events
