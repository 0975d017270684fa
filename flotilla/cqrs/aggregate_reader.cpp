#include "flotilla/cqrs/aggregate_reader.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/cqrs/command_reading.hpp"
#include "flotilla/cqrs/core/command_record.hpp"

namespace flotilla::cqrs {
namespace {

Refusal plain(CommandRefusal refusal) {
  return {.reason = refusal.reason, .detail = std::move(refusal.detail), .retry_after = refusal.retry_after};
}

Refusal unknown(std::string_view name) {
  return {.reason = Reason::not_found,
          .detail = fmt::format("the file names no aggregate '{}'; declare it under `aggregates:`",
                                name.substr(0, kMaxAggregateName))};
}

// One of those that look, as long as it lives.
class Place {
 public:
  explicit Place(std::size_t& taken) noexcept : taken_(taken) { ++taken_; }
  Place(const Place&) = delete;
  Place& operator=(const Place&) = delete;
  ~Place() { --taken_; }

 private:
  std::size_t& taken_;
};

}  // namespace

AggregatePtr AggregateReader::find(std::string_view name) const {
  const auto found = std::ranges::find(known_, name, [](const AggregatePtr& each) { return each->name; });
  return found == known_.end() ? nullptr : *found;
}

net::Task<Asked<AggregateRows>> AggregateReader::list(std::string aggregate, journal::StreamId after,
                                                      std::size_t limit) {
  if (find(aggregate) == nullptr) {
    co_return std::unexpected(unknown(aggregate));
  }
  const auto rows =
      co_await journal_.list(journal::SummaryQuery{.record_class = journal::RecordClass::aggregate,
                                                   .name = std::move(aggregate),
                                                   .state = std::string(kAggregateState),
                                                   .shard = {},
                                                   .newest_first = false,
                                                   .after = after,
                                                   .limit = limit,
                                                   .changed_before = {},
                                                   .search = {}});
  if (!rows) {
    co_return std::unexpected(plain(refusal_of(rows.error())));
  }
  AggregateRows page;
  for (const journal::Summary& row : *rows) {
    auto id = aggregate_of(row.attributes);
    if (!id) {
      co_return refuse(Reason::store_unavailable, fmt::format("the row of stream {} is damaged: verify the "
                                                              "journal",
                                                              row.stream.value()));
    }
    page.rows.push_back({.id = std::move(*id), .created = row.created});
  }
  if (rows->size() == limit) {
    page.next = rows->back().stream;
  }
  co_return page;
}

net::Task<Asked<AggregateSeen>> AggregateReader::show(SightAsk ask) {
  AggregatePtr aggregate = find(ask.aggregate);
  if (aggregate == nullptr) {
    co_return std::unexpected(unknown(ask.aggregate));
  }
  if (looking_ >= kMaxSeenAtOnce) {
    co_return refuse(Reason::overloaded,
                     fmt::format("{} aggregates are being looked at, no more can be", kMaxSeenAtOnce),
                     std::chrono::seconds(1));
  }
  const Place place(looking_);
  co_return co_await look(std::move(aggregate), std::move(ask));
}

net::Task<Asked<AggregateSeen>> AggregateReader::look(AggregatePtr aggregate, SightAsk ask) {
  AggregateSight machine(std::move(aggregate), ask.id, ask.at);
  SightEffect next = machine.begin();
  while (!std::holds_alternative<effect::Seen>(next)) {
    CommandInput in = input::SnapshotFound{};
    if (auto* const find = std::get_if<effect::FindHolder>(&next)) {
      in = co_await carry_out(journal_, std::move(*find));
    } else if (const auto* const snapshot = std::get_if<effect::ReadSnapshot>(&next)) {
      in = co_await carry_out(journal_, *snapshot);
    } else {
      in = co_await carry_out(journal_, std::get<effect::ReadRecords>(next));
    }
    next = machine.step(std::move(in));
  }
  auto& outcome = std::get<effect::Seen>(next).outcome;
  if (!outcome) {
    co_return std::unexpected(plain(std::move(outcome.error())));
  }
  AggregateSeen seen{.sight = std::move(*outcome), .events = {}, .next = {}};
  if (auto refusal = co_await read_events(ask, seen)) {
    co_return std::unexpected(std::move(*refusal));
  }
  co_return seen;
}

net::Task<std::optional<Refusal>> AggregateReader::read_events(const SightAsk& ask, AggregateSeen& seen) {
  const auto page = co_await journal_.read(
      journal::StreamQuery{.record_class = journal::RecordClass::aggregate,
                           .stream = seen.sight.stream,
                           .after_version = ask.after,
                           .limits = {.records = ask.limit, .bytes = std::size_t{1} << 20}});
  if (!page) {
    co_return plain(refusal_of(page.error()));
  }
  for (const journal::RecordPtr& each : page->records) {
    const std::uint64_t version = each->record.version;
    if (version > seen.sight.version) {
      break;  // it has happened since, or is not asked for
    }
    auto event = journal::decode_event(each->record.body);
    if (!event) {
      co_return Refusal{.reason = Reason::store_unavailable,
                        .detail = fmt::format("event {} of {} '{}' cannot be read: {}", version,
                                              ask.aggregate, ask.id, event.error().message)};
    }
    seen.events.push_back({.version = version, .position = each->position, .event = std::move(*event)});
  }
  if (!seen.events.empty() && seen.events.back().version < seen.sight.version) {
    seen.next = seen.events.back().version;
  }
  co_return std::nullopt;
}

}  // namespace flotilla::cqrs
