// The inbox of the Kafka bridge: what is kept next, which offset may be committed, and what a rebalance
// drops.
//
// Messages are told in the order of their partitions' offsets and kept in that order; nothing of a partition
// is settled before what came before it. An offset is committed when everything before it is durable in the
// journal, or is not to be kept. What comes again is kept once, because the journal knows (source, id): that
// is the publisher's work. A rebalance takes everything: what waits is dropped, what is being kept ends first
// and is committed, then the partitions are let go; when they were lost already, nothing of them is committed
// any more. So no message is passed over (E4, E6), each is kept in the order of its partition (E3, E11), and
// redelivery is harmless (E2, E9). Ownership: owns what waits. Threads: one. Limits: KafkaInboxPolicy; at the
// bound wants_more() is false, and the shell takes nothing from Kafka.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <set>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/kafka_counters.hpp"
#include "flotilla/events/core/kafka_faults.hpp"
#include "flotilla/events/core/kafka_io.hpp"

namespace flotilla::events {

struct KafkaInboxPolicy {
  std::size_t most_events = 2000;                  // that wait, over all topics
  std::size_t most_bytes = std::size_t{16} << 20;  // the same
  std::size_t append_events = 500;                 // in one
  std::size_t append_bytes = std::size_t{4} << 20;
  Duration commit_every = std::chrono::milliseconds(500);
  Duration first_pause = std::chrono::milliseconds(100);
  Duration longest_pause = std::chrono::seconds(5);
};

class KafkaInbox {
 public:
  KafkaInbox(const KafkaInboxPolicy& policy, std::size_t topics, std::uint64_t seed,
             KafkaInboxCounters& counters, KafkaInboxFault planted = KafkaInboxFault::none);

  [[nodiscard]] kafka_in::Effects feed(kafka_in::Input input, Instant now);

  // Whether the shell may take messages from Kafka. While something is revoked, it does: else the end of
  // the rebalance does not come.
  [[nodiscard]] bool wants_more() const noexcept;
  [[nodiscard]] std::size_t waiting() const noexcept { return held_events_; }
  [[nodiscard]] std::size_t partitions() const noexcept { return partitions_.size(); }

 private:
  struct Partition {
    std::int64_t next = -1;  // everything before it is settled; below 0: nothing is yet
    std::int64_t committed = -1;
  };
  struct Item {
    PartitionId partition;
    std::uint64_t assignment = 0;
    std::int64_t offset = 0;
    KafkaArrivalPtr arrival;
    std::size_t bytes = 0;
  };
  struct Topic {
    std::deque<Item> held;
    std::size_t appending = 0;  // of its front; 0: no append is under way
    std::uint32_t failures = 0;
    Instant retry_at{};
  };
  class Step;

  void on(Step& step, kafka_in::Assigned& in);
  void on(Step& step, kafka_in::Revoked& in);
  void on(Step& step, kafka_in::Arrived& in);
  void on(Step& step, kafka_in::Appended& in);
  void on(Step& step, kafka_in::AppendFailed& in);
  void on(Step& step, kafka_in::Committed& in);
  void on(Step& step, kafka_in::Timer& in);
  void on(Step& step, kafka_in::Drain& in);

  // Of the front of a topic, `count` items.
  void settle(Topic& topic, std::size_t count);
  void settle(const Item& item);
  void drop_waiting();
  void append(Step& step, TopicIndex topic);
  void commit(Step& step);
  [[nodiscard]] bool is_dirty() const;
  [[nodiscard]] bool is_appending() const;
  void let_go(Step& step);
  void finish(Step& step);

  KafkaInboxPolicy policy_;
  std::vector<Topic> topics_;
  std::map<PartitionId, Partition> partitions_;
  Random random_;
  KafkaInboxCounters& counters_;
  KafkaInboxFault planted_;
  std::uint64_t assignment_ = 0;
  std::size_t held_events_ = 0;
  std::size_t held_bytes_ = 0;
  bool revoking_ = false;
  bool lost_ = false;
  std::vector<kafka_in::Commit::Offset> committing_;
  bool commit_under_way_ = false;
  std::uint64_t commit_assignment_ = 0;
  Instant commit_at_{};  // not before
  bool draining_ = false;
  bool drained_ = false;
};

}  // namespace flotilla::events
