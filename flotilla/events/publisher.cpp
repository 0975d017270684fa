#include "flotilla/events/publisher.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/base/sha256.hpp"
#include "flotilla/journal/core/topic.hpp"

namespace flotilla::events {
namespace {

using journal::UtcMillis;

// Of (source, id) within a topic. A source has no control character, so the line feed parts them.
std::string claim_key(const journal::Event& event) {
  std::string key = fmt::format("{}\n{}", event.attribute("source"), event.attribute("id"));
  return key.size() <= journal::kMaxName ? key : "\n" + to_hex(sha256(key));
}

std::string claim_scope(std::string_view topic) { return fmt::format("event/{}", topic); }

Refusal refusal_of(const journal::AppendError& error) {
  Refusal refusal{.reason = journal::reason_of(error), .detail = describe(error)};
  if (refusal.reason == Reason::overloaded || refusal.reason == Reason::store_unavailable) {
    refusal.retry_after = std::chrono::seconds(1);
  }
  return refusal;
}

}  // namespace

std::uint32_t home_shard(std::string_view topic, std::uint32_t shards) noexcept {
  if (shards == 1) {
    return 0;
  }
  const Sha256 hash = sha256(topic);
  return (static_cast<std::uint32_t>(hash[0]) << 8 | hash[1]) % shards;
}

// A publication under way.
struct Publisher::Pending {
  TopicPtr topic;
  std::vector<CompleteEvent> events;
  UtcMillis now;
  std::uint32_t shard = 0;
  std::vector<bool> duplicate;    // by event: it is not appended
  std::vector<std::string> keys;  // by event, empty where the id is our own

  [[nodiscard]] std::size_t left() const {
    return events.size() - static_cast<std::size_t>(std::ranges::count(duplicate, true));
  }
};

journal::Batch Publisher::make_batch(const Pending& pending) const {
  journal::Batch batch;
  batch.shard = pending.shard;
  batch.epoch = journal_.epoch(pending.shard);
  batch.time = pending.now;
  const auto known = streams_.find(journal::topic_key(pending.topic->name, pending.shard, journal_.shards()));
  const journal::StreamRef stream =
      journal::topic_stream(batch, pending.topic->name, journal_.shards(),
                            known == streams_.end() ? std::nullopt : std::optional(known->second), scope_);
  journal::Append& append = batch.appends.emplace_back(
      journal::Append{.record_class = journal::RecordClass::topic, .stream = stream});
  append.records.reserve(pending.left());
  const UtcMillis expires(pending.now.value() + to_millis(kKeepIds));
  for (std::size_t i = 0; i < pending.events.size(); ++i) {
    if (pending.duplicate[i]) {
      continue;
    }
    append.records.push_back({.type = journal::kEventRecord,
                              .body = encode(pending.events[i].event),
                              .category = pending.topic->name});
    if (!pending.keys[i].empty()) {
      batch.claims.push_back({.scope = claim_scope(pending.topic->name),
                              .key = pending.keys[i],
                              .holder = stream,
                              .expires = expires});
    }
  }
  return batch;
}

net::Task<Result<>> Publisher::drop_duplicates(Pending& pending) {
  for (std::size_t i = 0; i < pending.events.size(); ++i) {
    if (pending.duplicate[i] || pending.keys[i].empty()) {
      continue;
    }
    const auto holder = co_await journal_.find(claim_scope(pending.topic->name), pending.keys[i]);
    if (!holder) {
      co_return std::unexpected(holder.error());
    }
    pending.duplicate[i] = *holder && (*holder)->expires > pending.now;
  }
  co_return Result<>();
}

net::Task<Asked<Publication>> Publisher::publish(TopicPtr topic, std::vector<CompleteEvent> events,
                                                 WallTime now) {
  const std::uint32_t home = home_shard(topic->name, journal_.shards());
  return publish_in(home, std::move(topic), std::move(events), now);
}

net::Task<Asked<Publication>> Publisher::publish_in(std::uint32_t shard, TopicPtr topic,
                                                    std::vector<CompleteEvent> events, WallTime now) {
  Pending pending{.topic = std::move(topic),
                  .events = std::move(events),
                  .now = UtcMillis(now.ns_since_epoch / 1'000'000),
                  .shard = shard,
                  .duplicate = {},
                  .keys = {}};
  std::set<std::string_view> seen;
  pending.keys.reserve(pending.events.size());  // `seen` looks into them
  for (const CompleteEvent& event : pending.events) {
    const std::string& key = pending.keys.emplace_back(event.own_id ? std::string() : claim_key(event.event));
    pending.duplicate.push_back(!key.empty() && !seen.insert(key).second);
  }
  Publication done;
  while (pending.left() > 0) {
    const auto appended = co_await journal_.append(make_batch(pending));
    if (appended) {
      if (!appended->created.empty()) {
        streams_.insert_or_assign(journal::topic_key(pending.topic->name, pending.shard, journal_.shards()),
                                  appended->created.front());
      }
      done.position = appended->position;
      break;
    }
    const auto* const taken = std::get_if<journal::KeyTaken>(&appended.error());
    if (taken == nullptr) {
      co_return std::unexpected(refusal_of(appended.error()));
    }
    if (taken->scope == scope_) {
      streams_.insert_or_assign(taken->key, taken->holder.stream);
      continue;
    }
    const auto at = std::ranges::find(pending.keys, taken->key);
    FLOTILLA_ASSERT(at != pending.keys.end());
    pending.duplicate[static_cast<std::size_t>(at - pending.keys.begin())] = true;
    if (auto dropped = co_await drop_duplicates(pending); !dropped) {
      co_return refuse(Reason::store_unavailable, dropped.error().message);
    }
  }
  const std::size_t kept = pending.left();
  if (kept == 0) {
    done.position = journal_.position(pending.shard);
  }
  std::uint64_t number = done.position.number() - kept;  // the records of a batch lie one behind the other
  for (std::size_t i = 0; i < pending.events.size(); ++i) {
    const bool duplicate = pending.duplicate[i];
    number += duplicate ? 0 : 1;
    done.events.push_back({.id = std::string(pending.events[i].event.attribute("id")),
                           .position = duplicate ? done.position : journal::Position(number, pending.shard),
                           .duplicate = duplicate});
  }
  co_return done;
}

}  // namespace flotilla::events
