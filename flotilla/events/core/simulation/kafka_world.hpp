// The simulated world of two Kafka bridges: their journals, a Kafka with partitions, producers and groups,
// and others who produce, in one seeded process.
//
// For: tests. Whatever can happen next is drawn from the seed, and so is how likely each fault is; what is
// under way may come in any order, but for what Kafka orders: messages of one producer within a partition,
// and its answers. Then the world heals, and everything must have arrived. Faults: crashes of a node between
// any two events; writes lost, or durable and never answered, or answered with an error either way; producers
// that are lost while their messages still arrive; topics that are not there for a while; messages that Kafka
// refuses; rebalances, members that are lost and do not know it yet, commits that are rejected, or done and
// answered with a failure; redelivery. The nodes are one group, or two, by the seed. What must hold is
// checked as it happens: a mark that is saved passes nothing that is not in Kafka or buried (E1, E6, E8); the
// first times of the events of a key are in order (E3); an offset that is committed passes nothing that the
// group has not (E4, E6); a release leaves nothing kept and uncommitted, and nothing is kept of partitions
// that were let go (E9, E11); nothing that came from Kafka is sent there; each id is once in a journal (E2)
// with its bytes (E7). Ownership: owns all of it; the coverage outlives it. Threads: one.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/kafka_inbox.hpp"
#include "flotilla/events/core/kafka_outbox.hpp"
#include "flotilla/events/core/simulation/kafka_coverage.hpp"

namespace flotilla::events::simulation {

struct KafkaWorldConfig {
  std::uint64_t seed = 1;
  std::size_t events = 1500;  // of the world, then it heals
  KafkaOutboxFault outbox_fault = KafkaOutboxFault::none;
  KafkaInboxFault inbox_fault = KafkaInboxFault::none;
  bool trace = false;
};

struct KafkaOutcome {
  std::string violation;  // empty: none
  std::string timeline;   // with `trace`
};

class KafkaWorld {
 public:
  KafkaWorld(const KafkaWorldConfig& config, KafkaCoverage& coverage);
  [[nodiscard]] KafkaOutcome run();

 private:
  static constexpr std::size_t kNodes = 2;
  static constexpr std::size_t kTopics = 2;
  static constexpr std::int32_t kPartitions = 2;
  static constexpr std::size_t kKeys = 3;

  // An event, wherever it is.
  struct Fact {
    std::string id;
    std::size_t key = 0;
    std::string data;
    bool refused = false;  // by Kafka, always
  };
  using FactPtr = std::shared_ptr<const Fact>;
  struct Stored {  // in a journal; its position is its index + 1
    TopicIndex topic = 0;
    FactPtr fact;
    bool foreign = false;
  };
  struct Message {  // in Kafka
    FactPtr fact;
    int group = -1;  // of whoever produced it; below 0: none of ours
  };
  struct Taken {
    TopicIndex topic = 0;
    std::uint64_t position = 0;
  };
  struct Session {
    std::size_t node = 0;
    std::uint64_t life = 0;  // of the node
    std::uint64_t number = 0;
    bool over = false;
    std::array<std::deque<Taken>, kTopics * kPartitions> queues;
    std::deque<kafka_out::Delivered> answers;
    std::array<bool, kTopics>
        proven{};  // it has brought something of that topic to Kafka, and not given up since
    // Whether somebody has not heard yet that it has given up a topic.
    [[nodiscard]] bool has_given_up(TopicIndex topic) const;
  };
  using Write = std::variant<kafka_out::Open, kafka_out::Bury, kafka_out::Save, kafka_out::Fetch,
                             kafka_in::Append, kafka_in::Commit>;
  struct Node {
    int group = 0;
    std::uint64_t life = 0;
    std::vector<Stored> journal;
    std::array<std::set<std::string>, kTopics> ids;   // of the journal
    std::array<std::set<std::string>, kTopics> dead;  // buried
    std::array<std::uint64_t, kTopics> marks{};       // saved
    std::unique_ptr<KafkaOutbox> out;
    std::unique_ptr<KafkaInbox> in;
    Instant out_wake = kNever;
    Instant in_wake = kNever;
    std::vector<Write> under_way;
    std::set<std::size_t> waiting;   // fetches that wait for an event
    std::set<PartitionId> assigned;  // as the node knows
    bool revoked = false;            // it was told, and has not let go
    bool revoked_lost = false;
    bool stale = false;    // the group has gone on without it
    bool unclean = false;  // a commit failed, or something was told again, since the assignment
    std::map<PartitionId, std::int64_t>
        kept;                          // the last offset that it knows to be kept, since the assignment
    std::set<TopicIndex> old_appends;  // under way since an assignment that is over
    std::map<PartitionId, std::size_t> reading;  // the next offset that it is told
  };
  struct Group {
    std::map<PartitionId, std::size_t> committed;
    std::set<std::size_t> awaited;  // nodes that have not let go
    bool rebalancing = false;
  };

  // kafka_world.cpp
  void step();
  void publish();
  void produce();
  void crash(Node& node);
  void start(Node& node);
  void fire_timers();
  void answer_one(Node& node);
  void feed(Node& node, kafka_out::Input input);
  void feed(Node& node, kafka_in::Input input);
  void pump(Node& node);
  void carry_out(Node& node, kafka_out::Effects effects);
  void carry_out(Node& node, kafka_in::Effects effects);
  void answer(Node& node, kafka_out::Open& ask);
  void answer(Node& node, kafka_out::Bury& ask);
  void answer(Node& node, kafka_out::Save& ask);
  void answer(Node& node, kafka_out::Fetch& ask);
  void answer(Node& node, kafka_in::Append& ask);
  void answer(Node& node, kafka_in::Commit& ask);
  void violated(const std::string& what);
  void note(const std::string& what);
  void settle();
  [[nodiscard]] std::string unsettled() const;
  [[nodiscard]] bool chance(std::uint32_t of_thousand) {
    return !healing_ && random_.below(1000) < of_thousand;
  }
  [[nodiscard]] std::size_t index_of(const Node& node) const {
    return static_cast<std::size_t>(&node - nodes_.data());
  }

  // kafka_world_broker.cpp
  void take(Node& node, const KafkaOutbox::Order& order);
  void process_one();
  void append_to_log(const Session& session, std::size_t queue, const Taken& taken);
  void tell_one();
  void lose_session(Session& session);
  void tell_reader(Node& node);
  void rebalance(Group& group);
  void finish_rebalance(Group& group, int number);
  void lose_member(Node& node);
  void release(Node& node);
  void apply(Node& node, const kafka_out::Save& save);
  void apply(Node& node, const kafka_out::Bury& bury);
  void apply(Node& node, const kafka_in::Append& append);
  [[nodiscard]] bool apply(Node& node, const kafka_in::Commit& commit);
  [[nodiscard]] bool has(int group, PartitionId partition, std::size_t offset) const;
  [[nodiscard]] std::vector<Message>& log(PartitionId partition) {
    return logs_[partition.topic * kPartitions + static_cast<std::size_t>(partition.partition)];
  }
  [[nodiscard]] const std::vector<Message>& log(PartitionId partition) const {
    return logs_[partition.topic * kPartitions + static_cast<std::size_t>(partition.partition)];
  }

  KafkaWorldConfig config_;
  KafkaCoverage& coverage_;
  Random random_;
  struct {
    std::uint32_t publish, produce, crash, fail, session, missing, refused, rebalance, member, redeliver;
  } odds_{};
  std::array<Node, kNodes> nodes_;
  std::array<std::vector<Message>, kTopics * kPartitions> logs_;
  std::array<std::set<std::string>, kTopics> in_kafka_;  // ids
  std::array<Group, kNodes> groups_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::array<bool, kTopics> missing_{};
  Instant now_{};
  std::uint64_t ids_ = 0;
  bool healing_ = false;
  KafkaOutcome outcome_;
};

}  // namespace flotilla::events::simulation
