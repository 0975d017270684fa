// The topics that there are: those of the file, and those that something in it names.
//
// For: the API. Ownership: owns the topics; replaced whole when the file is read again. Threads: one loop's.
// Limits: those of the file.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/events/core/topic.hpp"

namespace flotilla::events {

class TopicTable {
 public:
  using Topics = std::map<std::string, TopicPtr, std::less<>>;

  void replace(const std::vector<TopicPtr>& topics) {
    topics_.clear();
    for (const TopicPtr& topic : topics) {
      topics_.emplace(topic->name, topic);
    }
  }
  // Null if there is none.
  [[nodiscard]] TopicPtr find(std::string_view name) const {
    const auto found = topics_.find(name);
    return found == topics_.end() ? nullptr : found->second;
  }
  [[nodiscard]] const Topics& all() const noexcept { return topics_; }

 private:
  Topics topics_;
};

}  // namespace flotilla::events
