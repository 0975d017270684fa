#include "flotilla/events/dead_letters.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/events/letter_reader.hpp"
#include "flotilla/events/subscription_batch.hpp"
#include "flotilla/journal/core/shard.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::events {
namespace {

using journal::RecordClass;
using journal::StreamId;

constexpr std::size_t kForgetAtOnce = 100;
// What one batch of a bulk may bring to the journal: far below what a batch may.
constexpr std::size_t kBulkAtOnce = 100;

Refusal refusal_of(const Error& error) {
  return {.reason = error.code == Errc::limit ? Reason::overloaded : Reason::store_unavailable,
          .detail = error.message,
          .retry_after = std::chrono::seconds(1)};
}

Refusal refusal_of(const journal::AppendError& error) {
  if (std::holds_alternative<journal::VersionConflict>(error)) {
    return {.reason = Reason::conflict, .detail = "somebody else did something to it meanwhile: look again"};
  }
  Refusal refusal{.reason = journal::reason_of(error), .detail = describe(error)};
  if (refusal.reason == Reason::overloaded || refusal.reason == Reason::store_unavailable) {
    refusal.retry_after = std::chrono::seconds(1);
  }
  return refusal;
}

std::unexpected<Refusal> no_such_letter(std::string_view id) {
  return refuse(Reason::not_found, fmt::format("the subscription has no dead letter '{}'", id.substr(0, 64)));
}

journal::SummaryQuery query_of(std::string_view subscription, const LetterFilter& filter, StreamId after,
                               std::size_t limit) {
  journal::SummaryQuery query{.record_class = RecordClass::queue,
                              .name = letter_row_name(subscription),
                              .state = filter.state,
                              .newest_first = false,
                              .after = after,
                              .limit = limit,
                              .search = {}};
  for (const auto& [name, value] : {std::pair("key", &filter.key), std::pair("reason", &filter.reason),
                                    std::pair("code", &filter.code)}) {
    if (!value->empty()) {
      query.search.emplace_back(name, *value);
    }
  }
  return query;
}

std::string next_of(const std::vector<journal::Summary>& rows, std::size_t limit) {
  return rows.size() < limit ? std::string() : std::to_string(rows.back().stream.value());
}

}  // namespace

Asked<StreamId> DeadLetters::id_of(std::string_view id) const {
  const auto number = parse_int<std::uint64_t>(id);
  if (!number || *number == 0 || *number > journal::kMaxNumber) {
    return no_such_letter(id);
  }
  return StreamId(*number);
}

net::Task<Asked<LetterPage>> DeadLetters::list(std::string subscription, LetterFilter filter,
                                               std::string after, std::size_t limit) {
  const auto from = after.empty() ? Asked<StreamId>(StreamId()) : id_of(after);
  if (!from) {
    co_return refuse(Reason::malformed, "after: give the \"next\" of the page before");
  }
  auto rows = co_await journal_.list(query_of(subscription, filter, *from, limit));
  if (!rows) {
    co_return std::unexpected(refusal_of(rows.error()));
  }
  std::string next = next_of(*rows, limit);
  co_return LetterPage{.rows = *std::move(rows), .next = std::move(next)};
}

net::Task<Asked<DeadLetterPtr>> DeadLetters::find(std::string subscription, StreamId id) {
  const auto row = co_await journal_.summary(id);
  if (!row) {
    co_return std::unexpected(refusal_of(row.error()));
  }
  if (!*row || (*row)->name != letter_row_name(subscription)) {
    co_return no_such_letter(std::to_string(id.value()));
  }
  auto letter = co_await read_letter(journal_, id);
  if (!letter) {
    co_return std::unexpected(refusal_of(letter.error()));
  }
  if (*letter == nullptr) {
    co_return no_such_letter(std::to_string(id.value()));
  }
  co_return *std::move(letter);
}

net::Task<Asked<DeadLetterPtr>> DeadLetters::show(std::string subscription, std::string id) {
  const auto stream = id_of(id);
  if (!stream) {
    co_return std::unexpected(stream.error());
  }
  co_return co_await find(std::move(subscription), *stream);
}

Asked<journal::Batch> DeadLetters::batch_for(std::uint32_t shard) const {
  const auto lease = journal_.ownership().lease(shard);
  if (!lease) {
    return std::unexpected(Refusal{
        .reason = Reason::store_unavailable,
        .detail = fmt::format("shard {} of the journal, where it lies, belongs to another process: ask "
                              "that one",
                              shard),
        .retry_after = std::chrono::seconds(1)});
  }
  journal::Batch batch;
  batch.shard = shard;
  batch.epoch = lease->epoch;
  batch.time = journal::UtcMillis(net::wall_now().ns_since_epoch / 1'000'000);
  return batch;
}

net::Task<Asked<DeadLetterPtr>> DeadLetters::take(std::string subscription, std::string id, LetterStep step) {
  const auto stream = id_of(id);
  if (!stream) {
    co_return std::unexpected(stream.error());
  }
  const auto letter = co_await find(subscription, *stream);
  if (!letter) {
    co_return letter;
  }
  // Nobody sends it while its subscription does not run.
  const bool stranded = (*letter)->state == LetterState::replaying && !runner_.is_running(subscription);
  const bool may = stranded && step.verb == LetterVerb::drop;
  if (std::string why_not = objection(**letter, step.verb); !why_not.empty() && !may) {
    co_return refuse(Reason::conflict, std::move(why_not));
  }
  const std::uint32_t shard = journal::shard_of(*stream, journal_.shards());
  auto batch = batch_for(shard);
  if (!batch) {
    co_return std::unexpected(std::move(batch.error()));
  }
  if (encode(step).size() > journal::kMaxBody) {
    co_return refuse(Reason::too_large,
                     fmt::format("the data is larger than an event may be, {} bytes", journal::kMaxBody));
  }
  add_letter_step(*batch, subscription, stream->value(), **letter, step);
  if (const auto done = co_await journal_.append(*std::move(batch)); !done) {
    co_return std::unexpected(refusal_of(done.error()));
  }
  if (step.verb == LetterVerb::replay) {
    runner_.redrive(subscription, shard);
  }
  co_return co_await find(std::move(subscription), *stream);
}

net::Task<Asked<LetterBulk>> DeadLetters::take_all(std::string subscription, LetterFilter filter,
                                                   LetterStep step, std::string after, std::size_t limit) {
  filter.state = to_string(LetterState::open);
  const auto page = co_await list(subscription, std::move(filter), std::move(after), limit);
  if (!page) {
    co_return std::unexpected(page.error());
  }
  std::map<std::uint32_t, std::vector<StreamId>> by_shard;
  for (const journal::Summary& row : page->rows) {
    by_shard[journal::shard_of(row.stream, journal_.shards())].push_back(row.stream);
  }
  LetterBulk bulk{.next = page->next};
  for (const auto& [shard, streams] : by_shard) {
    for (std::size_t at = 0; at < streams.size(); at += kBulkAtOnce) {
      auto batch = batch_for(shard);
      if (!batch) {
        co_return std::unexpected(std::move(batch.error()));
      }
      const std::size_t end = std::min(at + kBulkAtOnce, streams.size());
      std::size_t taken = 0;
      for (std::size_t i = at; i < end; ++i) {
        const auto letter = co_await find(subscription, streams[i]);
        if (!letter && letter.error().reason != Reason::not_found) {
          co_return std::unexpected(letter.error());
        }
        if (!letter || !objection(**letter, step.verb).empty()) {
          ++bulk.passed;
          continue;
        }
        add_letter_step(*batch, subscription, streams[i].value(), **letter, step);
        ++taken;
      }
      if (taken == 0) {
        continue;
      }
      if (const auto done = co_await journal_.append(*std::move(batch)); !done) {
        co_return std::unexpected(refusal_of(done.error()));
      }
      bulk.done += taken;
      if (step.verb == LetterVerb::replay) {
        runner_.redrive(subscription, shard);
      }
    }
  }
  co_return bulk;
}

net::Task<Result<>> DeadLetters::sweep(WallTime now) {
  const auto counts = co_await journal_.count(journal::CountQuery{.record_class = RecordClass::queue});
  if (!counts) {
    co_return std::unexpected(counts.error());
  }
  std::map<std::string, std::array<std::uint64_t, kLetterStates>> fresh;
  for (const journal::StateCount& each : *counts) {
    const auto subscription = subscription_of_row(each.name);
    const auto state = parse_letter_state(each.state);
    if (!subscription || !state) {
      continue;
    }
    fresh[std::string(*subscription)][static_cast<std::size_t>(*state)] = each.count;
    if (is_settled(*state)) {
      if (auto forgotten = co_await forget(each.name, each.state, now); !forgotten) {
        co_return forgotten;
      }
    }
  }
  const std::lock_guard lock(mutex_);
  counts_ = std::move(fresh);
  co_return Result<>();
}

net::Task<Result<>> DeadLetters::forget(std::string name, std::string state, WallTime now) {
  const std::int64_t before = now.ns_since_epoch / 1'000'000 - to_millis(kKeepSettled);
  if (before <= 0) {
    co_return Result<>();
  }
  for (;;) {
    std::vector<StreamId> streams;
    for (std::uint32_t shard = 0; shard < journal_.shards() && streams.size() < kForgetAtOnce; ++shard) {
      if (!journal_.ownership().lease(shard)) {
        continue;  // its owner does this
      }
      const auto rows = co_await journal_.list({.record_class = RecordClass::queue,
                                                .name = name,
                                                .state = state,
                                                .shard = shard,
                                                .newest_first = false,
                                                .limit = kForgetAtOnce,
                                                .changed_before = journal::UtcMillis(before),
                                                .search = {}});
      if (!rows) {
        co_return std::unexpected(rows.error());
      }
      std::ranges::transform(*rows, std::back_inserter(streams), &journal::Summary::stream);
    }
    if (streams.empty()) {
      co_return Result<>();
    }
    journal::Reply<Result<std::int64_t>> reply;
    journal_.forget_streams(RecordClass::queue, std::move(streams), reply.send());
    if (const auto gone = co_await reply; !gone || *gone == 0) {
      co_return gone ? Result<>() : std::unexpected(gone.error());
    }
  }
}

void DeadLetters::collect(telemetry::MetricsPage& page) const {
  constexpr telemetry::Family kLetters{
      "flotilla_subscription_dead_letters",
      "Dead letters in the journal that wait for a person (open) or are being sent again (replaying)."};
  const std::lock_guard lock(mutex_);
  for (const auto& [subscription, counts] : counts_) {
    for (const LetterState state : {LetterState::open, LetterState::replaying}) {
      page.gauge(kLetters, {{"subscription", subscription}, {"state", to_string(state)}},
                 static_cast<double>(counts[static_cast<std::size_t>(state)]));
    }
  }
}

}  // namespace flotilla::events
