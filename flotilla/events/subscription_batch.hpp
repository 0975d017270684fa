// What a subscription's append becomes in the journal: its cursor, the events that it publishes, and the dead
// letters that people work with.
//
// For: subscription_shard.hpp. Ownership: values. Threads: pure functions. Limits: those of a Batch, which
// kMaxAppendBytes stays below.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/events/core/dead_letter_item.hpp"
#include "flotilla/events/core/subscription_io.hpp"
#include "flotilla/events/core/subscription_policy.hpp"
#include "flotilla/journal/core/batch.hpp"

namespace flotilla::events {

// Which part of a subscription: its group has one in each shard of the journal.
struct SubscriptionPlace {
  std::uint32_t shard = 0;
  std::uint32_t shards = 1;
};

// Streams of topics, by journal::topic_key().
using TopicStreams = std::map<std::string, journal::StreamId, std::less<>>;

// The name of its cursor.
[[nodiscard]] std::string cursor_name(std::string_view subscription, SubscriptionPlace place);

struct SubscriptionBatch {
  journal::Batch batch;
  std::vector<std::string> new_topics;  // topic_key() of those that it creates, in the order of create()
};
// `topics` are those that are known. The epoch and the time are the caller's to set.
[[nodiscard]] SubscriptionBatch make_batch(const effect::Append& append, const SubscriptionPolicy& policy,
                                           SubscriptionPlace place, const TopicStreams& topics);

// The next step of a dead letter: its record, which the journal takes only as the next one of `letter`, and
// its row.
void add_letter_step(journal::Batch& batch, std::string_view subscription, std::uint64_t stream,
                     const DeadLetter& letter, const LetterStep& step);

}  // namespace flotilla::events
