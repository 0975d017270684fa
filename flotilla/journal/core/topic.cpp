#include "flotilla/journal/core/topic.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace flotilla::journal {

bool is_topic_name(std::string_view name) noexcept {
  const auto may_stand = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == '-';
  };
  return !name.empty() && name.size() <= kMaxTopicName && name != "." && name != ".." &&
         std::ranges::all_of(name, may_stand);
}

std::string topic_key(std::string_view topic, std::uint32_t shard, std::uint32_t shards) {
  return shards == 1 ? std::string(topic) : fmt::format("{}/{}", shard, topic);
}

StreamRef topic_stream(Batch& batch, std::string_view topic, std::uint32_t shards,
                       std::optional<StreamId> known, std::string_view scope) {
  if (known) {
    return *known;
  }
  const StreamRef stream = batch.create();
  batch.claims.push_back(
      {.scope = std::string(scope), .key = topic_key(topic, batch.shard, shards), .holder = stream});
  batch.summaries.push_back(
      {.record_class = RecordClass::topic, .stream = stream, .name = std::string(topic), .state = "open"});
  return stream;
}

}  // namespace flotilla::journal
