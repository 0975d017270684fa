// The inbox of the Kafka bridge at work: a member of the group that keeps what comes in the journal's topics,
// and commits.
//
// What is kept lies in streams of its own (journal::kKafkaTopicScope), so that the sender does not send it
// back, and each (source, id) once (publisher.hpp). What cannot be an event of its topic becomes a dead
// letter. For: kafka_bridge.hpp; what is decided is in core/kafka_inbox.hpp. Ownership: the journal and the
// reaper outlive it. Threads: one loop's. Limits: those of the core, and what librdkafka holds
// (journal/kafka_consumer.hpp).
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>

#include "flotilla/base/random.hpp"
#include "flotilla/events/core/kafka_inbox.hpp"
#include "flotilla/events/core/kafka_message.hpp"
#include "flotilla/events/kafka_sender.hpp"
#include "flotilla/journal/kafka_consumer.hpp"

namespace flotilla::events {

// Of what comes in, by what it is.
struct ArrivalCounters {
  Counter events;
  Counter wrapped;
  Counter dead;
  Counter duplicates;  // were in the journal already
};

class KafkaReceiver {
 public:
  KafkaReceiver(const KafkaSetting& setting, KafkaInboxCounters& counters, ArrivalCounters& arrivals);
  KafkaReceiver(const KafkaReceiver&) = delete;
  KafkaReceiver& operator=(const KafkaReceiver&) = delete;
  ~KafkaReceiver();

  void start();
  // Lets what is being kept end, commits, and leaves the group; or what of that can be done by the deadline.
  [[nodiscard]] net::Task<> drain(Instant deadline);

  [[nodiscard]] const KafkaInbox& core() const noexcept { return core_; }
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }

 private:
  void feed(kafka_in::Input input);
  void work();
  void carry_out(kafka_in::Append& ask);
  void carry_out(kafka_in::Commit& ask);
  void carry_out(kafka_in::Release& ask);
  void carry_out(kafka_in::Wake& ask);
  void carry_out(kafka_in::Alert& ask);
  void carry_out(kafka_in::Drained& ask);

  [[nodiscard]] net::Task<> run();
  [[nodiscard]] bool open();
  void on_message(journal::kafka::Incoming message);
  [[nodiscard]] KafkaArrivalPtr arrival_of(TopicIndex topic, journal::kafka::Incoming message);
  [[nodiscard]] net::Task<> append(kafka_in::Append ask);
  // Errors: why it was not kept.
  [[nodiscard]] net::Task<Asked<Publication>> keep(TopicPtr topic, std::vector<CompleteEvent> events);

  KafkaSetting setting_;
  KafkaInbox core_;
  ArrivalCounters& arrivals_;
  Publisher publisher_;
  Random random_;
  std::map<std::string, TopicIndex, std::less<>> indexes_;
  std::unique_ptr<journal::kafka::Consumer> consumer_;
  std::deque<kafka_in::Input> inputs_;
  bool working_ = false;
  net::Timer timer_;
  std::string trouble_;
  bool drained_ = false;
  bool closed_ = false;
  net::Event ended_;
  net::Scope tasks_;
};

}  // namespace flotilla::events
