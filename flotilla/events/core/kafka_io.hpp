// What the two halves of the Kafka bridge are told and what they ask for, as values.
//
// For: kafka_outbox.hpp, kafka_inbox.hpp and their shells. Ownership: plain values; events are shared and
// immutable. Threads: values.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "flotilla/base/time.hpp"
#include "flotilla/events/core/completion.hpp"
#include "flotilla/journal/core/event.hpp"
#include "flotilla/journal/core/kafka_message.hpp"

namespace flotilla::events {

using KafkaEventPtr = std::shared_ptr<const journal::Event>;
using TopicIndex = std::size_t;  // among the topics of the bridge

// A record of a topic, as the outbox's shell has read it.
struct JournalEvent {
  std::uint64_t position = 0;  // its number in the journal
  bool foreign = false;        // it came from Kafka, and is not sent there again
  KafkaEventPtr event;         // null where it is foreign
  std::size_t bytes = 0;
};

// What is to be kept of a message; shared, because an append may have to be tried again.
struct KafkaArrival {
  CompleteEvent event;
  bool dead = false;  // to the topic's dead letters
};
using KafkaArrivalPtr = std::shared_ptr<const KafkaArrival>;

struct PartitionId {
  TopicIndex topic = 0;
  std::int32_t partition = 0;
  friend auto operator<=>(const PartitionId&, const PartitionId&) = default;
};

namespace kafka_out {

// What was saved of each topic; the first input.
struct Load {
  std::vector<std::uint64_t> marks;
};
// The answer to Fetch, in the order of positions.
struct Arrived {
  TopicIndex topic = 0;
  std::vector<JournalEvent> events;
  std::uint64_t read_to = 0;  // how far the topic was read
};
// The answers to Open.
struct Opened {
  std::uint64_t session = 0;
};
struct OpenFailed {
  std::uint64_t session = 0;
  std::string why;
};
// The producer takes nothing more. What it has not answered is not known.
struct SessionLost {
  std::uint64_t session = 0;
  std::string why;
};
// What has become of a message that the producer took.
struct Delivered {
  std::uint64_t session = 0;
  TopicIndex topic = 0;
  std::uint64_t position = 0;
  journal::kafka::Delivery delivery = journal::kafka::Delivery::confirmed;
  std::string why;
};
// The answers to Bury.
struct Buried {
  TopicIndex topic = 0;
  std::uint64_t position = 0;
};
struct BuryFailed {
  TopicIndex topic = 0;
  std::uint64_t position = 0;
};
// The answers to Save.
struct Saved {};
struct SaveFailed {};
struct Timer {};
// Send nothing more, let what is under way end, and save.
struct Drain {};

using Input = std::variant<Load, Arrived, Opened, OpenFailed, SessionLost, Delivered, Buried, BuryFailed,
                           Saved, SaveFailed, Timer, Drain>;

// Read what comes after a position, waiting while there is nothing. One at a time for each topic.
struct Fetch {
  TopicIndex topic = 0;
  std::uint64_t after = 0;
};
// Make a producer of that number.
struct Open {
  std::uint64_t session = 0;
};
// End the producer.
struct Close {};
// Kafka never will take it: to the topic's dead letters.
struct Bury {
  TopicIndex topic = 0;
  std::uint64_t position = 0;
  KafkaEventPtr event;
  std::string why;
};
// Keep that everything up to the mark is confirmed. One at a time.
struct Save {
  struct Mark {
    TopicIndex topic = 0;
    std::uint64_t mark = 0;
  };
  std::vector<Mark> marks;
};
struct Wake {
  Instant at = kNever;
};
// For people. A topic's: `topic` is set; the producer's: it is not.
struct Alert {
  std::optional<TopicIndex> topic;
  std::string why;
  Duration pause{};  // until it is tried again
};
struct Drained {};

using Effect = std::variant<Fetch, Open, Close, Bury, Save, Wake, Alert, Drained>;
using Effects = std::vector<Effect>;

}  // namespace kafka_out

namespace kafka_in {

struct Assigned {
  std::vector<PartitionId> partitions;
};
struct Revoked {
  bool lost = false;  // others have them already
};
struct Arrived {
  PartitionId partition;
  std::int64_t offset = 0;
  KafkaArrivalPtr arrival;  // null: nothing is to be kept
  std::size_t bytes = 0;
};
// The answers to Append.
struct Appended {
  TopicIndex topic = 0;
};
struct AppendFailed {
  TopicIndex topic = 0;
  std::string why;
};
// The answer to Commit.
struct Committed {
  bool done = false;
};
struct Timer {};
struct Drain {};

using Input = std::variant<Assigned, Revoked, Arrived, Appended, AppendFailed, Committed, Timer, Drain>;

// Keep these, each once. One at a time for each topic.
struct Append {
  TopicIndex topic = 0;
  std::vector<KafkaArrivalPtr> arrivals;
};
// Tell Kafka how far each partition is kept. One at a time.
struct Commit {
  struct Offset {
    PartitionId partition;
    std::int64_t next = 0;
  };
  std::vector<Offset> offsets;
};
// Let go of what was revoked.
struct Release {};
struct Wake {
  Instant at = kNever;
};
struct Alert {
  std::optional<TopicIndex> topic;
  std::string why;
  Duration pause{};
};
struct Drained {};

using Effect = std::variant<Append, Commit, Release, Wake, Alert, Drained>;
using Effects = std::vector<Effect>;

}  // namespace kafka_in

}  // namespace flotilla::events
