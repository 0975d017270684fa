#include "flotilla/cqrs/core/aggregate_sight.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/cqrs/core/aggregate_fold.hpp"
#include "flotilla/cqrs/core/command_record.hpp"

namespace flotilla::cqrs {

AggregateSight::AggregateSight(AggregatePtr aggregate, std::string id, std::optional<std::uint64_t> at,
                               CommandFault planted)
    : aggregate_(std::move(aggregate)),
      id_(std::move(id)),
      at_(at),
      planted_(planted),
      state_(aggregate_->initial) {}

SightEffect AggregateSight::begin() const {
  return effect::FindHolder{.scope = aggregate_scope(aggregate_->name), .key = id_};
}

SightEffect AggregateSight::step(CommandInput in) {
  if (const auto* const holder = std::get_if<input::Holder>(&in)) {
    return found(*holder);
  }
  if (const auto* const snapshot = std::get_if<input::SnapshotFound>(&in)) {
    return begin_at(*snapshot);
  }
  if (const auto* const records = std::get_if<input::Records>(&in)) {
    return fold(*records);
  }
  auto* const failed = std::get_if<input::Failed>(&in);
  FLOTILLA_ASSERT(failed != nullptr);
  return effect::Seen{std::unexpected(std::move(failed->refusal))};
}

SightEffect AggregateSight::found(const input::Holder& in) {
  if (!in.holder) {
    return refuse(Reason::not_found,
                  fmt::format("there is no {} '{}': nothing has happened to it", aggregate_->name, id_));
  }
  sight_.stream = in.holder->stream;
  if (aggregate_->snapshot_every == 0) {
    return read_on();
  }
  return effect::ReadSnapshot{.stream = sight_.stream, .fold = aggregate_->fold};
}

// One that is newer than what is asked for is of no use: events are not folded backwards.
SightEffect AggregateSight::begin_at(const input::SnapshotFound& in) {
  const bool useful =
      in.version > 0 && (in.version <= at_.value_or(in.version) || planted_ == CommandFault::sight_too_new);
  if (State loaded = useful ? aggregate_->load(in.state) : nullptr) {
    state_ = std::move(loaded);
    sight_.newest = sight_.version = sight_.snapshot = in.version;
    sight_.newest += planted_ == CommandFault::sight_skips_event ? 1 : 0;
  }
  return read_on();
}

SightEffect AggregateSight::read_on() const {
  return effect::ReadRecords{.stream = sight_.stream, .after = sight_.newest, .limit = kCommandPage};
}

SightEffect AggregateSight::fold(const input::Records& in) {
  for (const KeptRecord& record : in.records) {
    if (!at_ || sight_.newest < *at_) {
      auto next = fold_record(*aggregate_, id_, state_, sight_.newest, record);
      if (!next) {
        return refuse(Reason::store_unavailable, std::move(next.error()));
      }
      state_ = std::move(*next);
      sight_.version = record.version;
      ++sight_.folded;
    }
    sight_.newest = record.version;  // the rest is counted only
  }
  if (!in.at_end && planted_ != CommandFault::sight_of_one_page) {
    return read_on();
  }
  if (at_ && *at_ > sight_.newest) {
    return refuse(Reason::not_found, fmt::format("{} '{}' is at version {}, there is no version {} of it yet",
                                                 aggregate_->name, id_, sight_.newest, *at_));
  }
  sight_.position = in.seen;
  sight_.state = aggregate_->save ? aggregate_->save(state_) : std::nullopt;
  return effect::Seen{std::move(sight_)};
}

SightEffect AggregateSight::refuse(Reason reason, std::string detail) const {
  return effect::Seen{std::unexpected(CommandRefusal{.reason = reason, .detail = std::move(detail)})};
}

}  // namespace flotilla::cqrs
