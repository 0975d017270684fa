#include "flotilla/cqrs/reply_retention.hpp"

#include <algorithm>

#include "flotilla/base/log.hpp"
#include "flotilla/cqrs/core/command_record.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/event.hpp"

namespace flotilla::cqrs {
namespace {

constexpr std::size_t kForgottenAtOnce = 500;
constexpr Duration kEvery = std::chrono::minutes(1);
constexpr Duration kPause = std::chrono::milliseconds(20);
// Beyond the end of its key: so long a reply that was just found may take to be read.
constexpr Duration kGrace = std::chrono::minutes(5);

}  // namespace

void ReplyRetention::replace(const std::vector<AggregatePtr>& aggregates) {
  keep_.clear();
  for (const AggregatePtr& aggregate : aggregates) {
    for (const CommandPtr& command : aggregate->commands) {
      keep_.insert_or_assign(command->name, aggregate->keep_replies);
    }
  }
}

net::Task<Result<std::size_t>> ReplyRetention::forget(WallTime now) {
  const std::map<std::string, Duration> keep = keep_;  // a reload may come between
  std::size_t gone = 0;
  for (const auto& [command, kept] : keep) {
    const std::int64_t now_ms = now.ns_since_epoch / 1'000'000;
    const std::int64_t before = now_ms - to_millis(kept + kGrace);
    if (before <= 0) {
      continue;
    }
    const auto rows =
        co_await journal_.list(journal::SummaryQuery{.record_class = journal::RecordClass::aggregate,
                                                     .name = command,
                                                     .state = std::string(kReplyState),
                                                     .shard = {},
                                                     .newest_first = false,
                                                     .after = {},
                                                     .limit = kForgottenAtOnce,
                                                     .changed_before = journal::UtcMillis(before),
                                                     .search = {}});
    if (!rows) {
      co_return std::unexpected(rows.error());
    }
    if (rows->empty()) {
      continue;
    }
    std::vector<journal::StreamId> streams;
    for (const journal::Summary& row : *rows) {
      // What was promised longer, before the file said less, stays as long as its key.
      if (reply_expiry(row.attributes).value_or(0) <= now_ms - to_millis(kGrace)) {
        streams.push_back(row.stream);
      }
    }
    if (streams.empty()) {
      continue;
    }
    journal::Reply<Result<std::int64_t>> reply;
    journal_.forget_streams(journal::RecordClass::aggregate, std::move(streams), reply.send());
    const auto forgotten = co_await reply;
    if (!forgotten) {
      co_return std::unexpected(forgotten.error());
    }
    gone += static_cast<std::size_t>(std::max<std::int64_t>(*forgotten, 0));
  }
  forgotten_.add(gone);
  co_return gone;
}

net::Task<> ReplyRetention::tend(net::Loop& loop) {
  for (;;) {
    co_await net::sleep_for(loop, kEvery);
    for (std::size_t gone = 1; gone > 0;) {
      const auto forgotten = co_await forget(net::wall_now());
      if (!forgotten) {
        log::error("old replies of commands stay in the journal for now: {}", forgotten.error().message);
      }
      gone = forgotten.value_or(0);
      co_await net::sleep_for(loop, kPause);
    }
  }
}

}  // namespace flotilla::cqrs
