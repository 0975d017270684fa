// Topics in the journal: in each shard where one has events, a topic is one stream, found by its name.
//
// For: everything that publishes: sagas in their own batches, the API, aggregates. The first batch that
// publishes to a topic in a shard creates its stream, claims its name and puts its row; whoever does not know
// the stream yet tries the same, and is told by KeyTaken which one there is.
// Ownership: values. Threads: pure functions. Limits: those of a Batch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/journal/core/batch.hpp"

namespace flotilla::journal {

inline constexpr std::size_t kMaxTopicName = 64;

// Letters, digits, '.', '_' and '-', at most kMaxTopicName, not "." or "..".
[[nodiscard]] bool is_topic_name(std::string_view name) noexcept;

// The scope in which topics claim their names.
inline constexpr std::string_view kTopicScope = "topic";
// Of the streams of what came from Kafka: a topic's are two, so that a bridge knows what not to send back.
inline constexpr std::string_view kKafkaTopicScope = "topic/kafka";

// The key under which the stream of a topic in that shard is found: the topic, where there is one shard.
[[nodiscard]] std::string topic_key(std::string_view topic, std::uint32_t shard, std::uint32_t shards);

// The topic's stream in the batch's shard: `known`, or one that this batch creates, with its claim and its
// row. The batch must append to it. Once for each topic of a batch.
[[nodiscard]] StreamRef topic_stream(Batch& batch, std::string_view topic, std::uint32_t shards,
                                     std::optional<StreamId> known, std::string_view scope = kTopicScope);

}  // namespace flotilla::journal
