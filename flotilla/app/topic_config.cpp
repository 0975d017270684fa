#include "flotilla/app/topic_config.hpp"

#include <fmt/format.h>

#include "flotilla/events/topic_retention.hpp"

namespace flotilla::app {

void check_topics(const ConfigFile& file, const config::Node& root, config::Problems& problems) {
  if (!is_postgres(file.stores.journal)) {
    return;
  }
  for (const events::TopicPtr& topic : file.topics) {
    if (events::retention_of(*topic).size > 0) {
      problems.add(
          root.find("topics")->find(topic->name)->find("retain_size")->place,
          "retention by size over a journal in PostgreSQL is not in this build yet; use sqlite:PATH");
    }
    if (events::retention_of(*topic).compact) {
      problems.add(root.find("topics")->find(topic->name)->find("compact")->place,
                   "compaction over a journal in PostgreSQL is not in this build yet; use sqlite:PATH");
    }
  }
  for (const auto& [topic, personal] : file.personal) {
    problems.add(root.find("topics")->find(topic)->find("personal")->place,
                 "personal data over a journal in PostgreSQL is not in this build yet; use sqlite:PATH");
  }
}

std::vector<events::TopicUse> views_of_topics(const ConfigFile& file) {
  std::vector<events::TopicUse> uses;
  for (const cqrs::ViewDefinitionPtr& view : file.views) {
    for (const std::string& topic : view->texts.from) {
      uses.push_back({.topic = topic, .user = fmt::format("view {}", view->name)});
    }
  }
  return uses;
}

}  // namespace flotilla::app
