#include "flotilla/saga/retention.hpp"

#include <algorithm>
#include <thread>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/log.hpp"
#include "flotilla/journal/core/shard.hpp"
#include "flotilla/journal/reply.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/net/clock.hpp"
#include "flotilla/net/event.hpp"
#include "flotilla/saga/core/definition_check.hpp"
#include "flotilla/saga/core/replay.hpp"
#include "flotilla/saga/core/report.hpp"

namespace flotilla::saga {
namespace {

constexpr Duration kEvery = std::chrono::minutes(1);
constexpr std::int64_t kClaimsAtOnce = 500;
constexpr Duration kPause = std::chrono::milliseconds(20);  // between two pieces: others append too
constexpr std::size_t kDayLength = 10;                      // 2026-11-24, of RFC 3339

}  // namespace

Retention::Retention(journal::Journal& journal, std::string archive)
    : journal_(journal), store_(journal, shelf_), archives_(!archive.empty()), archive_(std::move(archive)) {}

Duration Retention::keep(const std::string& name, bool completed) const {
  if (const DefinitionPtr definition = shelf_.current(name)) {
    return completed ? definition->keep_completed : definition->keep_compensated;
  }
  return completed ? kKeepCompleted : kKeepCompensated;
}

net::Task<Result<>> Retention::sweep(net::Loop& loop, WallTime now) {
  const auto counts = co_await journal_.count(journal::CountQuery{});
  if (!counts) {
    co_return std::unexpected(counts.error());
  }
  for (const journal::StateCount& each : *counts) {
    const bool completed = each.state == "completed";
    if (!completed && each.state != "compensated" && each.state != "rejected") {
      continue;
    }
    const std::int64_t before = now.ns_since_epoch / 1'000'000 - to_millis(keep(each.name, completed));
    if (before <= 0) {
      continue;
    }
    auto taken = co_await take(loop,
                               {.record_class = journal::RecordClass::saga,
                                .name = each.name,
                                .state = each.state,
                                .newest_first = false,
                                .limit = kAtOnce,
                                .changed_before = journal::UtcMillis(before),
                                .search = {}},
                               now);
    if (!taken) {
      co_return taken;
    }
  }
  co_return Result<>();
}

net::Task<> Retention::tend(net::Loop& loop) {
  for (;;) {
    co_await net::sleep_for(loop, kEvery);
    const auto swept = co_await sweep(loop, net::wall_now());
    std::string trouble = swept ? std::string() : swept.error().message;
    if (!trouble.empty() && trouble != trouble_) {
      log::error("ended sagas stay in the journal for now: {}", trouble);
    }
    trouble_ = std::move(trouble);
    for (std::int64_t gone = kClaimsAtOnce; gone == kClaimsAtOnce;) {
      journal::Reply<Result<std::int64_t>> claims;
      journal_.forget_claims(kClaimsAtOnce, claims.send());
      gone = (co_await claims).value_or(0);  // what is wrong with the journal shows in its health
      co_await net::sleep_for(loop, kPause);
    }
  }
}

net::Task<Result<>> Retention::take(net::Loop& loop, journal::SummaryQuery query, WallTime now) {
  for (;;) {
    const auto rows = co_await journal_.list(query);
    if (!rows) {
      co_return std::unexpected(rows.error());
    }
    std::vector<journal::StreamId> streams;
    Freed freed;
    std::string lines;
    bool cut = false;  // the piece is full before the page is through
    for (const journal::Summary& row : *rows) {
      if (cut = lines.size() >= kPieceBytes; cut) {
        break;
      }
      query.after = row.stream;
      if (!journal_.ownership().lease(journal::shard_of(row.stream, journal_.shards()))) {
        continue;  // another process has it, and does this
      }
      const auto nested = co_await free_nested(row, freed);
      if (!nested) {
        co_return std::unexpected(nested.error());
      }
      if (!*nested) {
        continue;  // its parent may ask for it yet
      }
      if (archives_) {
        const auto line = co_await line_of(row.stream);
        if (!line) {
          // Kept, so that somebody can look at it; the others are not held up.
          ++unreadable_;
          log::error("a saga '{}' that should be archived cannot be read and stays: {}", row.name,
                     line.error().message);
          continue;
        }
        lines += *line;
        lines += '\n';
      }
      streams.push_back(row.stream);
    }
    if (!lines.empty()) {
      auto written = co_await write(iso_time(now).substr(0, kDayLength), std::move(lines));
      if (!written) {
        co_return written;
      }
      archived_ += streams.size();
    }
    if (auto set_free = co_await append(std::move(freed), now); !set_free) {
      co_return set_free;
    }
    if (!streams.empty()) {
      const std::size_t count = streams.size();
      journal::Reply<Result<std::int64_t>> reply;
      journal_.forget_streams(query.record_class, std::move(streams), reply.send());
      if (const auto gone = co_await reply; !gone) {
        co_return std::unexpected(gone.error());
      }
      forgotten_ += count;
    }
    if (rows->size() < query.limit && !cut) {
      co_return Result<>();
    }
    co_await net::sleep_for(loop, kPause);
  }
}

net::Task<Result<bool>> Retention::free_nested(const journal::Summary& row, Freed& freed) {
  const auto attributes = read_row(row.attributes);
  if (!attributes || attributes->parent.is_none()) {
    co_return true;
  }
  const auto open = co_await is_open(attributes->parent);
  if (!open) {
    co_return std::unexpected(open.error());
  }
  if (*open) {
    co_return false;
  }
  const auto loaded = co_await store_.load(row.stream);
  const auto first = loaded && !loaded->records.empty()
                         ? decode(loaded->records[0].type, loaded->records[0].body)
                         : Result<Record>(fail(Errc::invalid, "it has no record"));
  const auto* const accepted = first ? std::get_if<record::Accepted>(&first->body) : nullptr;
  if (accepted == nullptr) {
    co_return true;  // it cannot be read: what becomes of it is decided where it is archived
  }
  auto& expiries = freed[journal::shard_of(row.stream, journal_.shards())];
  expiries.push_back({.scope = std::string(kIdScope), .key = attributes->id.text(), .holder = row.stream});
  expiries.push_back(
      {.scope = key_scope(row.name, accepted->key), .key = accepted->key, .holder = row.stream});
  co_return true;
}

net::Task<Result<bool>> Retention::is_open(SagaId saga) {
  const auto holder = co_await journal_.find(std::string(kIdScope), saga.text());
  if (!holder || !*holder) {
    co_return holder ? Result<bool>(false) : std::unexpected(holder.error());
  }
  const auto row = co_await journal_.summary((*holder)->stream);
  if (!row) {
    co_return std::unexpected(row.error());
  }
  constexpr std::string_view kEnds[] = {"completed", "compensated", "failed", "rejected"};
  co_return *row&& std::ranges::find(kEnds, (*row)->state) == std::end(kEnds);
}

net::Task<Result<>> Retention::append(Freed freed, WallTime now) {
  for (auto& [shard, expiries] : freed) {
    journal::Batch batch;
    batch.shard = shard;
    batch.epoch = journal_.epoch(shard);
    batch.time = journal::UtcMillis(now.ns_since_epoch / 1'000'000);
    for (journal::Expiry& expiry : expiries) {
      expiry.expires = batch.time;
      batch.expiries.push_back(std::move(expiry));
    }
    if (const auto done = co_await journal_.append(std::move(batch)); !done) {
      co_return fail(Errc::unavailable, journal::describe(done.error()));
    }
  }
  co_return Result<>();
}

net::Task<Result<std::string>> Retention::line_of(journal::StreamId stream) {
  const auto loaded = co_await store_.load(stream);
  if (!loaded) {
    co_return std::unexpected(loaded.error());
  }
  auto saga = replay(loaded->records, shelf_, true);
  if (!saga) {
    co_return std::unexpected(saga.error());
  }
  if (saga->state.definition == nullptr) {
    co_return fail(Errc::invalid, fmt::format("stream {} has no record", stream.value()));
  }
  json::Value line = report(saga->state, true);
  line.set("timeline", std::move(saga->timeline));
  co_return json::write(line);
}

net::Task<Result<>> Retention::write(std::string day, std::string lines) {
  journal::Reply<Result<>> reply;
  const std::jthread writing(
      [&, done = reply.send()]() mutable { done(archive_.append(day, lines)); });  // joined at the end
  co_return co_await reply;
}

}  // namespace flotilla::saga
