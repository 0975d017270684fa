#include "flotilla/saga/core/saga_batch.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/journal/core/event.hpp"
#include "flotilla/journal/core/topic.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::saga {
namespace {

// What a row gives to locks, of journal::kMaxAttributes.
constexpr std::size_t kMostLockBytes = 2048;
// What it gives to attributes: names and texts of full length, and some that are escaped.
constexpr std::size_t kMostSearchBytes = 1664;

journal::NewRecord event_record(const effect::Append& append, const effect::Event& event) {
  const std::string& correlation = append.correlation;
  return {.type = journal::kEventRecord,
          .body = encode(journal::Event{
              .attributes = {{"id", event.id},
                             {"source", fmt::format("/sagas/{}", append.name)},
                             {"type", event.topic},
                             {"datacontenttype", "application/json"},
                             {"correlationid", correlation.empty() ? append.saga.text() : correlation}},
              .data = json::write(event.data)}),
          .category = event.topic};
}

void add_events(const effect::Append& append, const TopicStreams& topics, Place place, SagaBatch& out) {
  std::map<std::string_view, std::size_t> at;  // in batch.appends
  for (const effect::Event& event : append.events) {
    auto known = at.find(event.topic);
    if (known == at.end()) {
      known = at.emplace(event.topic, out.batch.appends.size()).first;
      std::string key = topic_key(event.topic, place);
      const auto found = topics.find(key);
      const bool exists = found != topics.end();
      const journal::StreamRef stream = journal::topic_stream(
          out.batch, event.topic, place.shards, exists ? std::optional(found->second) : std::nullopt);
      if (!exists) {
        out.new_topics.push_back(std::move(key));
      }
      out.batch.appends.push_back(
          {.record_class = journal::RecordClass::topic, .stream = stream, .records = {}});
    }
    out.batch.appends[known->second].records.push_back(event_record(append, event));
  }
}

void add_claims(const effect::Append& append, journal::StreamRef stream, SagaBatch& out) {
  const auto ends = [&](Duration keep) { return journal::UtcMillis(append.time + to_millis(keep)); };
  const bool ended = append.release_locks && append.parent.is_none();
  const journal::UtcMillis id_until =
      ended && append.keep ? ends(*append.keep + kKeepKey) : journal::UtcMillis(0);
  const journal::UtcMillis key_until = ended ? ends(kKeepKey) : journal::UtcMillis(0);
  const std::string scope = key_scope(append.name, append.key);
  if (out.creates_saga) {
    out.batch.claims.push_back(
        {.scope = std::string(kIdScope), .key = append.saga.text(), .holder = stream, .expires = id_until});
    if (!append.key.empty()) {
      out.batch.claims.push_back({.scope = scope,
                                  .key = append.key,
                                  .holder = stream,
                                  .hash = append.claim_hash,
                                  .expires = key_until});
    }
    return;
  }
  if (id_until.value() != 0) {
    out.batch.expiries.push_back({.scope = std::string(kIdScope),
                                  .key = append.saga.text(),
                                  .holder = stream.existing(),
                                  .expires = id_until});
  }
  if (ended && !append.key.empty()) {
    out.batch.expiries.push_back(
        {.scope = scope, .key = append.key, .holder = stream.existing(), .expires = key_until});
  }
}

}  // namespace

journal::Vocabulary saga_vocabulary() {
  using journal::RecordClass;
  journal::Vocabulary all;
  for (std::uint16_t type = 1; type <= kRecordTypes; ++type) {
    const journal::RecordType known{RecordClass::saga, type, 1, record_name(type)};
    all.add({&known, 1});
  }
  const journal::RecordType others[] = {{RecordClass::saga, kDefinitionRecord, 1, "definition"},
                                        {RecordClass::saga, kSecretRecord, 1, "secret"},
                                        {RecordClass::topic, journal::kEventRecord, 1, "event"}};
  all.add(others);
  return all;
}

std::string key_scope(std::string_view name, std::string_view key) {
  return key.contains('\n') ? fmt::format("saga-key/{}", name) : "saga-nested";
}

std::string scoped_key(std::string_view principal, std::string_view key) {
  return fmt::format("{}\n{}", principal, key);
}

std::string topic_key(std::string_view topic, Place place) {
  return journal::topic_key(topic, place.shard, place.shards);
}

SagaBatch make_batch(const effect::Append& append, std::optional<journal::StreamId> stream,
                     const TopicStreams& topics, bool holds_locks, Place place) {
  SagaBatch out;
  out.batch.shard = place.shard;
  out.batch.epoch = append.epoch;
  out.batch.time = journal::UtcMillis(append.time);
  out.creates_saga = !stream;
  const journal::StreamRef saga = stream ? journal::StreamRef(*stream) : out.batch.create();
  journal::Append& records = out.batch.appends.emplace_back(
      journal::Append{.record_class = journal::RecordClass::saga, .stream = saga, .records = {}});
  records.expected = append.expected;
  records.records.reserve(append.records.size());
  for (const effect::EncodedRecord& record : append.records) {
    records.records.push_back({.type = record.type, .body = record.body, .category = {}});
  }
  add_claims(append, saga, out);
  add_events(append, topics, place, out);
  const bool scheduled = append.state == "scheduled" && holds_locks;
  out.batch.summaries.push_back({.record_class = journal::RecordClass::saga,
                                 .stream = saga,
                                 .name = append.name,
                                 .state = scheduled ? "running" : std::string(append.state),
                                 .attributes = write_row({.id = append.saga,
                                                          .definition = append.definition,
                                                          .reason = std::string(append.reason),
                                                          .step = append.step,
                                                          .search = append.search,
                                                          .locks = append.all_locks,
                                                          .parent = append.parent})});
  return out;
}

std::string write_row(const Row& row) {
  json::Value out = json::Value::object({{"id", row.id.text()}, {"definition", row.definition}});
  if (!row.reason.empty()) {
    out.set("reason", row.reason);
  }
  if (!row.step.empty()) {
    out.set("step", row.step);
  }
  if (!row.parent.is_none()) {
    out.set("parent", row.parent.text());
  }
  if (!row.search.empty()) {
    json::Value search = json::Value::object();
    for (const auto& [name, text] : row.search) {
      search.set(name, text);
    }
    if (json::write(search).size() <= kMostSearchBytes) {  // else, full of escapes, it is found by its id
      out.set("search", std::move(search));
    }
  }
  json::Value locks = json::Value::array();
  for (const std::string& lock : row.locks) {
    locks.push_back(lock);
  }
  if (!locks.empty()) {
    out.set("locks", locks.text_size() > kMostLockBytes ? json::Value(true) : locks);
  }
  return json::write(out);
}

Result<Row> read_row(std::string_view attributes) {
  const auto value = json::parse(attributes);
  const json::Value& text = value ? (*value)["id"] : json::Value();
  const auto id = text.is_string() ? SagaId::parse(text.as_string()) : std::nullopt;
  if (!id || !(*value)["definition"].is_string()) {
    return fail(Errc::invalid, fmt::format("the row of a saga is damaged: {}", attributes));
  }
  const auto text_of = [&](std::string_view key) {
    const json::Value& member = (*value)[key];
    return member.is_string() ? std::string(member.as_string()) : std::string();
  };
  Row row{
      .id = *id, .definition = text_of("definition"), .reason = text_of("reason"), .step = text_of("step")};
  for (const json::Member& member : (*value)["search"].members()) {
    row.search.emplace_back(member.key(), member.value.as_string());
  }
  row.parent = SagaId::parse(text_of("parent")).value_or(SagaId{});
  row.locks_elsewhere = (*value)["locks"].is_true() && !(*value)["locks"].is_array();
  for (const json::Value& lock : (*value)["locks"].items()) {
    row.locks.emplace_back(lock.as_string());
  }
  return row;
}

}  // namespace flotilla::saga
