#include "flotilla/events/subscription_batch.hpp"

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/journal/core/event_records.hpp"
#include "flotilla/journal/core/topic.hpp"

namespace flotilla::events {
namespace {

using journal::RecordClass;

static_assert(kLetterRecord == journal::kBuriedEventRecord);

// The dead letter as people work with it: a stream of its own, and a row.
// Its category is the topic of dead letters, so that what is personal in it is sealed, too.
void begin_letter(journal::Batch& batch, const SubscriptionPolicy& policy, const journal::Event& event) {
  const journal::StreamRef stream = batch.create();
  batch.appends.push_back(
      {.record_class = RecordClass::queue,
       .stream = stream,
       .expected = 0,
       .records = {{.type = kLetterRecord, .body = encode(event), .category = policy.dead_letter}}});
  batch.summaries.push_back({.record_class = RecordClass::queue,
                             .stream = stream,
                             .name = letter_row_name(policy.name),
                             .state = std::string(to_string(LetterState::open)),
                             .attributes = letter_row({.event = event})});
}

}  // namespace

void add_letter_step(journal::Batch& batch, std::string_view subscription, std::uint64_t stream,
                     const DeadLetter& letter, const LetterStep& step) {
  DeadLetter after = letter;
  const journal::StreamId id(stream);
  std::string body = encode(step);
  const auto folded = fold(after, {.record_class = RecordClass::queue,
                                   .stream = id,
                                   .version = letter.version + 1,
                                   .type = kLetterStepRecord,
                                   .body = body});
  FLOTILLA_ASSERT(folded);
  batch.appends.push_back(
      {.record_class = RecordClass::queue,
       .stream = id,
       .expected = letter.version,
       .records = {{.type = kLetterStepRecord, .body = std::move(body), .category = {}}}});
  batch.summaries.push_back({.record_class = RecordClass::queue,
                             .stream = id,
                             .name = letter_row_name(subscription),
                             .state = std::string(to_string(after.state)),
                             .attributes = letter_row(after)});
}

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
      batch.appends.push_back({.record_class = RecordClass::topic, .stream = stream, .records = {}});
    }
    batch.appends[known->second].records.push_back(
        {.type = journal::kEventRecord, .body = encode(each.event), .category = each.topic});
  }
  // Behind what topics get, so that topics' streams are the first ones that are created.
  for (const CausedEvent& each : append.caused) {
    if (each.kind == CausedEvent::Kind::dead_letter) {
      begin_letter(batch, policy, each.event);
    }
  }
  for (const RedriveOutcome& each : append.letters) {
    add_letter_step(batch, policy.name, each.letter, *each.kept, each.step);
  }
  batch.cursors.push_back({.name = cursor_name(policy.name, place),
                           .record_class = RecordClass::topic,
                           .category = policy.topic,
                           .position = journal::Position(append.progress.mark, place.shard),
                           .state = encode_state(append.progress)});
  return out;
}

}  // namespace flotilla::events
