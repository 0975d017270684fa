// The outbox of the Kafka bridge at work: reads topics of the journal, produces, saves how far it has come.
//
// Cursors `kafka/out/TOPIC` of the journal hold the marks. For: kafka_bridge.hpp; what is decided is in
// core/kafka_outbox.hpp. Ownership: the journal and the reaper outlive it. Threads: one loop's. Limits: those
// of the core.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "flotilla/events/core/kafka_outbox.hpp"
#include "flotilla/events/core/topic.hpp"
#include "flotilla/events/publisher.hpp"
#include "flotilla/journal/kafka_producer.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/net/scope.hpp"

namespace flotilla::events {

// What both halves of a bridge work with.
struct KafkaSetting {
  journal::Journal& journal;
  net::Loop& loop;
  journal::kafka::Reaper& reaper;
  journal::kafka::Access access;
  std::string group;
  bool from_latest = false;
  std::vector<TopicPtr> topics;
  std::uint64_t seed = 1;
};

// Where the dead letters of a topic go.
[[nodiscard]] std::string kafka_dead_topic(std::string_view topic);
// Whether a topic is bridged at all: dead letters stay.
[[nodiscard]] bool is_bridged(std::string_view topic) noexcept;

class KafkaSender {
 public:
  KafkaSender(const KafkaSetting& setting, KafkaOutboxCounters& counters);
  KafkaSender(const KafkaSender&) = delete;
  KafkaSender& operator=(const KafkaSender&) = delete;
  ~KafkaSender();

  void start();
  // Sends nothing more; returns when what is under way has ended and is saved, or at the deadline.
  [[nodiscard]] net::Task<> drain(Instant deadline);

  [[nodiscard]] const KafkaOutbox& core() const noexcept { return core_; }
  // Why it stands still; empty: it does not.
  [[nodiscard]] const std::string& trouble() const noexcept { return trouble_; }
  [[nodiscard]] const std::string& trouble(TopicIndex topic) const { return topic_troubles_[topic]; }

 private:
  void feed(kafka_out::Input input);
  void work();
  void send(const KafkaOutbox::Order& order);
  void carry_out(kafka_out::Effects effects);
  void carry_out(kafka_out::Fetch& ask);
  void carry_out(kafka_out::Open& ask);
  void carry_out(kafka_out::Close& ask);
  void carry_out(kafka_out::Bury& ask);
  void carry_out(kafka_out::Save& ask);
  void carry_out(kafka_out::Wake& ask);
  void carry_out(kafka_out::Alert& ask);
  void carry_out(kafka_out::Drained& ask);

  [[nodiscard]] net::Task<> load();
  [[nodiscard]] net::Task<> fetch(TopicIndex topic, std::uint64_t after);
  // Nothing: it cannot be read for good, which was said.
  [[nodiscard]] net::Task<std::optional<std::vector<JournalEvent>>> sort_out(TopicIndex topic,
                                                                             const journal::Page& page);
  [[nodiscard]] net::Task<bool> is_foreign(TopicIndex topic, journal::StreamId stream);
  [[nodiscard]] net::Task<> bury(kafka_out::Bury ask);
  [[nodiscard]] net::Task<> save(std::vector<kafka_out::Save::Mark> marks);
  [[nodiscard]] std::string cursor_name(TopicIndex topic) const;

  KafkaSetting setting_;
  KafkaOutbox core_;
  Publisher dead_letters_;
  std::unique_ptr<journal::kafka::Producer> producer_;
  std::deque<kafka_out::Input> inputs_;
  bool working_ = false;
  bool loaded_ = false;
  net::Timer timer_;
  std::map<journal::StreamId, bool> streams_;  // whether what lies there came from Kafka
  std::string trouble_;
  std::vector<std::string> topic_troubles_;
  bool drained_ = false;
  net::Event drained_event_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  // for what a producer that ends still says
  net::Scope tasks_;
};

}  // namespace flotilla::events
