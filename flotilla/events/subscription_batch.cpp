#include "flotilla/events/subscription_batch.hpp"

#include <fmt/format.h>

#include "flotilla/journal/core/topic.hpp"

namespace flotilla::events {

std::string cursor_name(std::string_view subscription, SubscriptionPlace place) {
  return place.shards == 1 ? fmt::format("subscription/{}", subscription)
                           : fmt::format("subscription/{}/{}", subscription, place.shard);
}

SubscriptionBatch make_batch(const effect::Append& append, const SubscriptionPolicy& policy,
                             SubscriptionPlace place, const TopicStreams& topics) {
  SubscriptionBatch out;
  journal::Batch& batch = out.batch;
  batch.shard = place.shard;
  std::map<std::string_view, std::size_t> at;  // in batch.appends
  for (const CausedEvent& each : append.caused) {
    auto known = at.find(each.topic);
    if (known == at.end()) {
      known = at.emplace(each.topic, batch.appends.size()).first;
      std::string key = journal::topic_key(each.topic, place.shard, place.shards);
      const auto found = topics.find(key);
      const bool exists = found != topics.end();
      const journal::StreamRef stream = journal::topic_stream(
          batch, each.topic, place.shards, exists ? std::optional(found->second) : std::nullopt);
      if (!exists) {
        out.new_topics.push_back(std::move(key));
      }
      batch.appends.push_back({.record_class = journal::RecordClass::topic, .stream = stream, .records = {}});
    }
    batch.appends[known->second].records.push_back(
        {.type = journal::kEventRecord, .body = encode(each.event), .category = each.topic});
  }
  batch.cursors.push_back({.name = cursor_name(policy.name, place),
                           .record_class = journal::RecordClass::topic,
                           .category = policy.topic,
                           .position = journal::Position(append.progress.mark, place.shard),
                           .state = encode_state(append.progress)});
  return out;
}

}  // namespace flotilla::events
