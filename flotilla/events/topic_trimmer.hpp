// Keeps topics within their size, a bounded piece at a time, between everything else.
//
// For: topic_keeper.hpp. What is decided is core/size_retention.hpp's; this weighs the topic and removes.
// Where the store cannot (topic_sizes()) nothing is done: the file was refused. Ownership: the journal
// outlives it. Threads: one loop's. Limits: kSteps a call of tend(), each weighing or removing a page.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/events/core/size_retention.hpp"
#include "flotilla/events/core/topic.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::events {

class TopicTrimmer {
 public:
  static constexpr std::size_t kSteps = 64;

  explicit TopicTrimmer(journal::Journal& journal) noexcept : journal_(journal) {}

  // Those of them that have a size, from now on.
  void set_topics(const std::vector<TopicPtr>& topics);
  // Goes on where it was. Errors: those of the journal; the topic is weighed anew.
  [[nodiscard]] net::Task<Result<>> tend();
  void collect(telemetry::MetricsPage& page) const;

 private:
  struct Part {
    explicit Part(std::uint64_t limit) : engine(limit) {}
    SizeRetention engine;
    std::optional<sizing::Effect> open;
    std::uint64_t removed = 0;
  };
  using PartPtr = std::shared_ptr<Part>;

  [[nodiscard]] net::Task<Result<>> work(std::string topic, PartPtr part, std::size_t& steps);
  [[nodiscard]] net::Task<Result<>> look(std::string topic, PartPtr part);
  // Nothing: it is not done yet.
  [[nodiscard]] net::Task<Result<std::optional<sizing::Input>>> carry_out(std::string topic, PartPtr part,
                                                                          sizing::Effect effect);

  journal::Journal& journal_;
  std::map<std::string, PartPtr> parts_;
  std::string turn_;  // the topic to go on with
};

}  // namespace flotilla::events
