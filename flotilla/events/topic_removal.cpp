#include "flotilla/events/topic_removal.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/journal/core/shard.hpp"
#include "flotilla/journal/moment.hpp"
#include "flotilla/journal/topic_upkeep.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

using journal::RecordClass;
using journal::StreamId;

journal::UtcMillis wall() { return journal::UtcMillis(net::wall_now().ns_since_epoch / 1'000'000); }

Refusal refusal_of(const journal::AppendError& error) {
  return {
      .reason = journal::reason_of(error), .detail = describe(error), .retry_after = std::chrono::seconds(1)};
}

journal::SummaryPut row_of(journal::StreamRef stream, const TopicDeletion& deletion, std::string_view state) {
  return {.record_class = RecordClass::topic,
          .stream = stream,
          .name = std::string(kDeletionRow),
          .state = std::string(state),
          .attributes = deletion_row(deletion)};
}

}  // namespace

net::Task<Result<bool>> TopicRemoval::exists(std::string topic) {
  const auto streams = co_await journal_.list(journal::SummaryQuery{
      .record_class = RecordClass::topic, .name = std::move(topic), .limit = 1, .search = {}});
  co_return streams ? Result<bool>(!streams->empty()) : std::unexpected(streams.error());
}

net::Task<Asked<TopicRemoval::Removed>> TopicRemoval::remove(std::string topic, bool declared,
                                                             WhoWhy who_why) {
  if (journal::topic_upkeep(journal_) == nullptr) {
    co_return refuse(Reason::unsupported, "this journal cannot take out the events of one topic");
  }
  if (std::string objection = objection_to_deletion(topic, uses_); !objection.empty()) {
    co_return refuse(Reason::conflict, std::move(objection));
  }
  const auto there = co_await exists(topic);
  if (!there) {
    co_return refuse(Reason::store_unavailable, there.error().message);
  }
  if (!*there && !declared) {
    co_return refuse(Reason::not_found, fmt::format("there is no topic '{}'", topic.substr(0, 64)));
  }
  const auto shard = seat();
  if (!shard) {
    co_return std::unexpected(Refusal{.reason = Reason::store_unavailable,
                                      .detail = "no shard of the journal is this process's now: ask another, "
                                                "or again",
                                      .retry_after = std::chrono::seconds(1)});
  }
  const auto ends = co_await journal::positions(journal_);
  if (!ends) {
    co_return refuse(Reason::store_unavailable, ends.error().message);
  }
  TopicDeletion deletion{.topic = topic, .who = std::move(who_why.who), .why = std::move(who_why.why)};
  for (std::uint32_t each = 0; each < ends->shards(); ++each) {
    deletion.until.move_to(ends->at(each));
  }
  journal::Batch batch = batch_in(*shard);
  const journal::StreamRef stream = batch.create();
  batch.appends.push_back({.record_class = RecordClass::topic,
                           .stream = stream,
                           .expected = 0,
                           .records = {{.type = kDeletionRecord, .body = encode(deletion), .category = {}}}});
  batch.summaries.push_back(row_of(stream, deletion, kDeleting));
  const auto begun = co_await journal_.append(std::move(batch));
  if (!begun) {
    co_return std::unexpected(refusal_of(begun.error()));
  }
  const StreamId made = begun->created.front();
  under_way_.insert(made);
  const auto done = co_await carry_out(made, deletion, saturating_add(net::Loop::current()->now(), kAtOnce));
  under_way_.erase(made);
  if (!done) {
    log::error("topic {}: its deletion waits: {}", topic, done.error().message);
  }
  co_return Removed{.events = deletion.events, .done = done.value_or(false)};
}

// Nothing: no shard is ours.
std::optional<std::uint32_t> TopicRemoval::seat() const {
  for (std::uint32_t shard = 0; shard < journal_.shards(); ++shard) {
    if (is_ours(shard)) {
      return shard;
    }
  }
  return std::nullopt;
}

bool TopicRemoval::is_ours(std::uint32_t shard) const {
  return journal_.ownership().lease(shard).has_value();
}

journal::Batch TopicRemoval::batch_in(std::uint32_t shard) const {
  journal::Batch batch;
  batch.shard = shard;
  batch.epoch = journal_.epoch(shard);
  batch.time = wall();
  return batch;
}

// A piece of each shard.
net::Task<Result<std::int64_t>> TopicRemoval::forget_records(const TopicDeletion& deletion) {
  journal::TopicUpkeep* const upkeep = journal::topic_upkeep(journal_);
  std::int64_t all = 0;
  for (std::uint32_t shard = 0; shard < journal_.shards(); ++shard) {
    const journal::Position until = deletion.until.at(shard);
    if (until.number() == 0) {
      continue;
    }
    journal::Reply<Result<std::int64_t>> records;
    upkeep->forget_topic(deletion.topic, until, records.send());
    const auto taken = co_await records;
    if (!taken) {
      co_return std::unexpected(taken.error());
    }
    all += *taken;
  }
  co_return all;
}

net::Task<Result<bool>> TopicRemoval::carry_out(StreamId stream, TopicDeletion& deletion, Instant deadline) {
  journal::TopicUpkeep* const upkeep = journal::topic_upkeep(journal_);
  const std::string scope = fmt::format("event/{}", deletion.topic);  // of the ids that were published
  for (std::int64_t gone = 1; gone > 0;) {
    const auto taken = co_await forget_records(deletion);
    if (!taken) {
      co_return std::unexpected(taken.error());
    }
    journal::Reply<Result<std::int64_t>> ids;
    upkeep->forget_scope(scope, ids.send());
    const auto freed = co_await ids;
    if (!freed) {
      co_return std::unexpected(freed.error());
    }
    deletion.events += static_cast<std::uint64_t>(*taken);
    gone = *taken + *freed;
    if (gone > 0 && net::Loop::current()->now() >= deadline) {
      (void)co_await save(stream, deletion, kDeleting);
      co_return false;
    }
  }
  const auto saved = co_await save(stream, deletion, kDeleted);
  if (!saved) {
    co_return fail(Errc::unavailable, describe(saved.error()));
  }
  log::info("topic {}: deleted, {} events, by {} ({})", deletion.topic, deletion.events, deletion.who,
            deletion.why);
  co_return true;
}

net::Task<journal::AppendResult> TopicRemoval::save(StreamId stream, TopicDeletion deletion,
                                                    std::string_view state) {
  journal::Batch batch = batch_in(journal::shard_of(stream, journal_.shards()));
  batch.summaries.push_back(row_of(stream, deletion, state));
  co_return co_await journal_.append(std::move(batch));
}

net::Task<Result<std::vector<journal::Summary>>> TopicRemoval::of(std::string topic) {
  auto rows = co_await journal_.list(journal::SummaryQuery{.record_class = RecordClass::topic,
                                                           .name = std::string(kDeletionRow),
                                                           .limit = journal::kMaxSummaries,
                                                           .search = {{"topic", std::move(topic)}}});
  if (rows) {  // those of several shards come in no order of time
    std::ranges::sort(*rows, std::greater<>(), [](const journal::Summary& row) {
      return std::pair(row.created.value(), row.stream.value());
    });
    rows->resize(std::min(rows->size(), kShown));
  }
  co_return rows;
}

net::Task<Result<>> TopicRemoval::tend() {
  if (journal::topic_upkeep(journal_) == nullptr) {
    co_return Result<>();
  }
  const auto rows = co_await journal_.list(journal::SummaryQuery{.record_class = RecordClass::topic,
                                                                 .name = std::string(kDeletionRow),
                                                                 .state = std::string(kDeleting),
                                                                 .search = {}});
  if (!rows) {
    co_return std::unexpected(rows.error());
  }
  for (const journal::Summary& row : *rows) {
    if (under_way_.contains(row.stream) || !is_ours(journal::shard_of(row.stream, journal_.shards()))) {
      continue;
    }
    auto deletion = read_deletion_row(row.attributes);
    if (!deletion) {
      co_return std::unexpected(deletion.error());
    }
    const auto done =
        co_await carry_out(row.stream, *deletion, saturating_add(net::Loop::current()->now(), kAtOnce));
    if (!done) {
      co_return std::unexpected(done.error());
    }
  }
  co_return Result<>();
}

}  // namespace flotilla::events
