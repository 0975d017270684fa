#include "flotilla/app/kafka_config.hpp"

#include <set>

#include "flotilla/events/kafka_sender.hpp"
#include "flotilla/events/topic_config_reader.hpp"

namespace flotilla::app {

void check_kafka(const ConfigFile& file, const config::Node& root, config::Problems& problems) {
  if (file.stores.kafka && is_postgres(file.stores.journal)) {
    problems.add(root.find("stores")->find("events")->place,
                 "Kafka beside a journal in PostgreSQL is not in this build yet; keep the journal in SQLite");
  }
}

void add_kafka_topics(ConfigFile& file) {
  if (!file.stores.kafka) {
    return;
  }
  std::set<std::string> known;
  for (const events::TopicPtr& topic : file.topics) {
    known.insert(topic->name);
  }
  const std::vector<events::TopicPtr> named = file.topics;
  for (const events::TopicPtr& topic : named) {
    std::string dead = events::kafka_dead_topic(topic->name);
    if (events::is_bridged(topic->name) && known.insert(dead).second) {
      file.topics.push_back(events::default_topic(std::move(dead)));
    }
  }
}

}  // namespace flotilla::app
