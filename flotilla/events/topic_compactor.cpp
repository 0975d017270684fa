#include "flotilla/events/topic_compactor.hpp"

#include <utility>

#include "flotilla/events/core/cloud_event.hpp"
#include "flotilla/events/topic_retention.hpp"
#include "flotilla/journal/core/event.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/journal/topic_upkeep.hpp"

namespace flotilla::events {
namespace {

using telemetry::Family;

constexpr Family kCompacted{
    "flotilla_events_compacted_total",
    "Events removed because a later one of their key came, or of a key that is gone."};
constexpr Family kRounds{"flotilla_events_compaction_rounds_total",
                         "Walks over a topic for compaction that came to their end."};
constexpr Family kGivenUp{"flotilla_events_compaction_given_up_total",
                          "Walks given up, to be begun anew: the journal failed, or events went meanwhile."};

}  // namespace

Result<KeyedEvent> keyed_event(const journal::StoredRecord& stored) {
  const auto event = journal::decode_event(stored.record.body);
  if (!event) {
    return std::unexpected(event.error());
  }
  const bool is_null = event->data == "null" && is_json_type(event->attribute("datacontenttype"));
  return KeyedEvent{.position = stored.position.number(),
                    .key = std::string(event->attribute("partitionkey")),
                    .tombstone = event->data.empty() || is_null,
                    .time = stored.record.time.value()};
}

void TopicCompactor::set_topics(const std::vector<TopicPtr>& topics) {
  std::map<std::string, PartPtr> parts;
  for (const TopicPtr& topic : topics) {
    if (retention_of(*topic).compact) {
      const auto known = parts_.find(topic->name);
      parts.emplace(topic->name, known != parts_.end() ? known->second : std::make_shared<Part>(limits_));
    }
  }
  parts_ = std::move(parts);
}

net::Task<Result<>> TopicCompactor::tend(WallTime now) {
  if (parts_.empty() || journal::compaction_upkeep(journal_) == nullptr) {
    co_return Result<>();
  }
  // A reload may replace them meanwhile.
  std::vector<std::pair<std::string, PartPtr>> order(parts_.lower_bound(turn_), parts_.end());
  order.insert(order.end(), parts_.begin(), parts_.lower_bound(turn_));
  std::size_t steps = kSteps;
  for (const auto& [topic, part] : order) {
    turn_ = topic;
    auto worked = co_await work(topic, part, now, steps);
    if (!worked) {
      co_return worked;
    }
    if (part->open) {
      co_return Result<>();  // goes on with it
    }
  }
  co_return Result<>();
}

net::Task<Result<>> TopicCompactor::work(std::string topic, PartPtr part, WallTime now, std::size_t& steps) {
  const std::int64_t now_ms = now.ns_since_epoch / 1'000'000;
  if (!part->open && part->engine.may_look(journal_.position().number(), now_ms)) {
    journal::Reply<Result<std::int64_t>> reply;
    journal::compaction_upkeep(journal_)->consumed(topic, reply.send());
    const auto floor = co_await reply;
    if (!floor) {
      co_return std::unexpected(floor.error());
    }
    part->open =
        part->engine.step(compaction::Look{.floor = static_cast<std::uint64_t>(*floor), .now = now_ms});
  }
  for (; part->open && steps > 0; --steps) {
    auto answer = co_await carry_out(topic, *std::exchange(part->open, std::nullopt));
    if (!answer) {
      part->open = part->engine.step(compaction::Failed{});
      co_return std::unexpected(std::move(answer.error()));
    }
    if (const auto* const gone = std::get_if<compaction::Removed>(&*answer)) {
      part->removed += gone->events;
      removed_ += gone->events;
    }
    part->open = part->engine.step(*std::move(answer));
  }
  co_return Result<>();
}

net::Task<Result<compaction::Input>> TopicCompactor::carry_out(std::string topic, compaction::Effect effect) {
  if (const auto* const wanted = std::get_if<compaction::Read>(&effect)) {
    co_return co_await read(std::move(topic), wanted->after);
  }
  std::vector<journal::Position> positions;
  for (const std::uint64_t number : std::get<compaction::Remove>(effect).positions) {
    positions.emplace_back(number);
  }
  journal::Reply<Result<std::int64_t>> reply;
  journal::compaction_upkeep(journal_)->forget_records(std::move(topic), std::move(positions), reply.send());
  const auto gone = co_await reply;
  if (!gone) {
    co_return std::unexpected(gone.error());
  }
  co_return compaction::Removed{.events = static_cast<std::size_t>(*gone)};
}

net::Task<Result<compaction::Input>> TopicCompactor::read(std::string topic, std::uint64_t after) {
  const auto stored =
      co_await journal_.read(journal::CategoryQuery{.record_class = journal::RecordClass::topic,
                                                    .category = std::move(topic),
                                                    .after = journal::Position(after),
                                                    .limits = {.records = kPageEvents}});
  if (!stored) {
    co_return std::unexpected(stored.error());
  }
  compaction::Page page{.events = {}, .next = stored->next.number(), .at_end = stored->at_end};
  for (const journal::RecordPtr& record : stored->records) {
    auto event = keyed_event(*record);
    if (!event) {
      co_return std::unexpected(std::move(event.error()));
    }
    page.events.push_back(*std::move(event));
  }
  co_return page;
}

void TopicCompactor::collect(telemetry::MetricsPage& page) const {
  for (const auto& [topic, part] : parts_) {
    page.counter(kCompacted, {{"topic", topic}}, part->removed);
    page.counter(kRounds, {{"topic", topic}}, part->engine.rounds());
    page.counter(kGivenUp, {{"topic", topic}}, part->engine.given_up());
  }
}

}  // namespace flotilla::events
