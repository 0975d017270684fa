// The Kafka bridge of a process: the topics of the journal on one side, those of Kafka on the other.
//
// A topic is sent to Kafka and read from it, each topic to the one of its name; dead letters (`*.dead`) stay.
// The journal stays the place of truth: publishing is durable here first, and what comes from Kafka is here
// before Kafka is told so. For: `app`, where a file names `stores.events: kafka://...`. Ownership: the
// journal outlives it; loop runs until stop() has returned. Threads: start(), replace(), drain(), stop() and
// the destructor on the control thread; report() on any loop, collect() on any thread. Limits: those of the
// two halves, and one loop.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "flotilla/events/core/topic.hpp"
#include "flotilla/events/kafka_config.hpp"
#include "flotilla/events/kafka_receiver.hpp"
#include "flotilla/events/kafka_sender.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/telemetry/core/metrics_page.hpp"

namespace flotilla::events {

class KafkaBridge {
 public:
  KafkaBridge(journal::Journal& journal, KafkaConfig config, std::uint64_t seed)
      : journal_(journal), config_(std::move(config)), seed_(seed) {}
  KafkaBridge(const KafkaBridge&) = delete;
  KafkaBridge& operator=(const KafkaBridge&) = delete;
  ~KafkaBridge();

  // Blocks until the journal has told the group. Errors: unsupported (no librdkafka); those of the journal.
  [[nodiscard]] Result<> start(const std::vector<TopicPtr>& topics, net::Loop& loop);
  // Those of the file, from now on. Another set of topics is a short pause.
  void replace(const std::vector<TopicPtr>& topics);
  // Lets what is under way end, for at most `grace`; then calls `done` on the loop.
  void drain(Duration grace, std::function<void()> done);
  // Ends all of it, as a crash would. Blocks.
  void stop();

  [[nodiscard]] const KafkaConfig& config() const noexcept { return config_; }
  // {brokers, group, state, topics: [...], ...}
  [[nodiscard]] net::Task<json::Value> report();
  void collect(telemetry::MetricsPage& page) const;

 private:
  [[nodiscard]] Result<std::string> group_of_journal();
  void begin(std::vector<TopicPtr> topics);
  [[nodiscard]] net::Task<> end(Instant deadline);
  [[nodiscard]] net::Task<> change(std::vector<TopicPtr> topics);
  [[nodiscard]] net::Task<> drained(Duration grace, std::function<void()> done);
  [[nodiscard]] net::Task<> note_forever();
  [[nodiscard]] json::Value status() const;
  void run_on_loop(std::move_only_function<void()> function);

  journal::Journal& journal_;
  const KafkaConfig config_;
  const std::uint64_t seed_;
  std::string group_;
  net::Loop* loop_ = nullptr;
  KafkaOutboxCounters sent_;
  KafkaInboxCounters received_;
  ArrivalCounters arrivals_;
  std::atomic<std::uint64_t> unsettled_{0};  // gauges
  std::atomic<std::uint64_t> waiting_{0};
  std::atomic<std::uint64_t> partitions_{0};
  std::atomic<std::uint64_t> connected_{0};
  journal::kafka::Reaper reaper_;
  // The loop's thread alone.
  std::vector<TopicPtr> topics_;
  std::unique_ptr<KafkaSender> sender_;
  std::unique_ptr<KafkaReceiver> receiver_;
  std::unique_ptr<net::Scope> tasks_;
  bool stopped_ = false;
};

}  // namespace flotilla::events
