// A topic as the file declares it, or with defaults where something only names it.
//
// For: publishing and reading. Ownership: immutable, shared. Threads: any. Limits: kMaxTopicName.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/base/time.hpp"
#include "flotilla/expr/core/program.hpp"
#include "flotilla/journal/core/topic.hpp"
#include "flotilla/json/schema/schema.hpp"

namespace flotilla::events {

using journal::is_topic_name;
using journal::kMaxTopicName;
inline constexpr Duration kLeastRetention = std::chrono::minutes(1);
inline constexpr Duration kLongestRetention = std::chrono::days(3650);

struct Topic {
  std::string name;
  std::string key_text;                // the expression as written; empty: none
  std::optional<expr::Program> key;    // of the data, with $event; gives the partition key
  std::optional<json::Schema> schema;  // of the data
  Duration retain{0};                  // 0: for ever
};
using TopicPtr = std::shared_ptr<const Topic>;

}  // namespace flotilla::events
