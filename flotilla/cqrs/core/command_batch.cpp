#include "flotilla/cqrs/core/command_batch.hpp"

#include "flotilla/cqrs/core/command_record.hpp"
#include "flotilla/journal/core/topic.hpp"

namespace flotilla::cqrs {
namespace {

using journal::RecordClass;

// The aggregate's own stream: with events, or as a condition on what was decided on.
void add_events(const effect::Commit& commit, CommandBatch& out) {
  if (commit.events.empty() && (!commit.stream || !commit.expected)) {
    return;
  }
  const bool creates = !commit.stream;
  const journal::StreamRef stream = creates ? out.batch.create() : journal::StreamRef(*commit.stream);
  if (creates) {
    out.created.emplace_back();
    out.batch.claims.push_back(
        {.scope = aggregate_scope(commit.aggregate), .key = commit.id, .holder = stream});
  }
  journal::Append& append = out.batch.appends.emplace_back(
      journal::Append{.record_class = RecordClass::aggregate, .stream = stream, .records = {}});
  append.expected = commit.expected;
  for (const journal::Event& event : commit.events) {
    append.records.push_back({.type = kAggregateEvent, .body = encode(event), .category = {}});
  }
  // With each snapshot again, so that a store that was begun without rows comes to have them.
  if ((creates && !commit.events.empty()) || commit.snapshot) {
    out.batch.summaries.push_back({.record_class = RecordClass::aggregate,
                                   .stream = stream,
                                   .name = commit.aggregate,
                                   .state = std::string(kAggregateState),
                                   .attributes = aggregate_attributes(commit.id)});
  }
  if (commit.snapshot && commit.stream) {
    out.batch.snapshots.push_back(
        {.stream = *commit.stream, .version = *commit.snapshot, .fold = commit.fold, .state = commit.state});
  }
}

void add_copies(const effect::Commit& commit, const TopicStreams& topics, CommandPlace place,
                CommandBatch& out) {
  std::map<std::string_view, std::size_t> at;  // in batch.appends
  for (std::size_t i = 0; i < commit.published; ++i) {
    const journal::Event& event = commit.events[i];
    const std::string_view topic = event.attribute("type");
    auto known = at.find(topic);
    if (known == at.end()) {
      known = at.emplace(topic, out.batch.appends.size()).first;
      std::string key = journal::topic_key(topic, place.shard, place.shards);
      const auto found = topics.find(key);
      const bool exists = found != topics.end();
      const journal::StreamRef stream = journal::topic_stream(
          out.batch, topic, place.shards, exists ? std::optional(found->second) : std::nullopt);
      if (!exists) {
        out.created.push_back(std::move(key));
      }
      out.batch.appends.push_back({.record_class = RecordClass::topic, .stream = stream, .records = {}});
    }
    out.batch.appends[known->second].records.push_back(
        {.type = journal::kEventRecord, .body = encode(event), .category = std::string(topic)});
  }
}

void add_reply(const effect::Commit& commit, CommandBatch& out) {
  if (!commit.reply) {
    return;
  }
  const journal::StreamRef stream = out.batch.create();
  out.created.emplace_back();
  out.batch.claims.push_back({.scope = commit.scope,
                              .key = commit.key,
                              .holder = stream,
                              .hash = commit.hash,
                              .expires = journal::UtcMillis(commit.expires_ms)});
  journal::Append& append = out.batch.appends.emplace_back(journal::Append{
      .record_class = RecordClass::aggregate, .stream = stream, .expected = 0, .records = {}});
  append.records.push_back({.type = kReplyRecord, .body = encode(*commit.reply), .category = {}});
  out.batch.summaries.push_back({.record_class = RecordClass::aggregate,
                                 .stream = stream,
                                 .name = commit.reply->command,
                                 .state = std::string(kReplyState),
                                 .attributes = reply_attributes(commit.expires_ms)});
}

}  // namespace

CommandBatch make_batch(const effect::Commit& commit, const TopicStreams& topics, CommandPlace place) {
  CommandBatch out;
  out.batch.shard = place.shard;
  out.batch.epoch = place.epoch;
  out.batch.time = journal::UtcMillis(commit.time_ms);
  add_events(commit, out);
  add_copies(commit, topics, place, out);
  add_reply(commit, out);
  return out;
}

}  // namespace flotilla::cqrs
