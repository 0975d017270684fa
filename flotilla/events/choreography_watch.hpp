// Tells what is overdue: one for each choreography with `on_overdue`, on the control loop.
//
// For: `app`. What is due is read from rows, so nothing is lost at a crash; what it publishes has the same id
// each time, so it is told once in effect. In a journal that several processes share the one tells that
// follows the choreography, into the shard of that lease: who has lost it is refused. The others only look
// whether it is their turn, every kElsewhere. Ownership: borrows all that it is given. Threads: one loop's.
// Limits: those of core/deadline_watch.hpp.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/deadline_watch.hpp"
#include "flotilla/events/instance_rows.hpp"
#include "flotilla/events/publisher.hpp"
#include "flotilla/net/loop.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::events {

struct WatchCounters {
  std::atomic<std::uint64_t> told{0};
  std::atomic<std::uint64_t> failures{0};  // to read or to publish
};

class ChoreographyWatch {
 public:
  static constexpr Duration kElsewhere = std::chrono::milliseconds(250);

  ChoreographyWatch(ChoreographyPtr choreography, TopicPtr topic, InstanceRows& rows, Publisher& publisher,
                    std::shared_ptr<WatchCounters> counters)
      : choreography_(std::move(choreography)),
        topic_(std::move(topic)),
        rows_(rows),
        publisher_(publisher),
        counters_(std::move(counters)) {}

  // Until it is destroyed.
  [[nodiscard]] net::Task<> run(net::Loop& loop);

 private:
  [[nodiscard]] net::Task<WatchEffect> carry_out(LookAtDue look);
  [[nodiscard]] net::Task<WatchEffect> carry_out(TellOverdue tell);
  [[nodiscard]] net::Task<WatchEffect> carry_out(Rest rest);
  [[nodiscard]] WatchEffect failed(const Refusal& refusal);

  ChoreographyPtr choreography_;
  TopicPtr topic_;
  InstanceRows& rows_;
  Publisher& publisher_;
  std::shared_ptr<WatchCounters> counters_;
  DeadlineWatch watch_;
  net::Loop* loop_ = nullptr;
  std::uint32_t shard_ = 0;  // of the lease
  Random random_{1};         // for ids that are not given; all are
  std::string trouble_;      // that was logged last
};

}  // namespace flotilla::events
