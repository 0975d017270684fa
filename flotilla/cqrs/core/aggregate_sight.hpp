// Looking at one aggregate: its state, folded as a command would fold it, now or as of an earlier version.
//
// For: the shell (aggregate_reader.hpp), which carries out one effect at a time and tells what came of it;
// the simulation. The state is that of a snapshot and the events after it; as of an earlier version than the
// snapshot's it is folded from the first event on. Nothing is written.
// Ownership: shares the definition. Threads: one at a time. Limits: aggregate.hpp; kCommandPage events are
// read at once.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <variant>

#include "flotilla/cqrs/core/aggregate.hpp"
#include "flotilla/cqrs/core/command_faults.hpp"
#include "flotilla/cqrs/core/command_io.hpp"

namespace flotilla::cqrs {

struct Sight {
  journal::StreamId stream;
  std::uint64_t newest = 0;          // version of the aggregate
  std::uint64_t version = 0;         // whose state this is
  std::optional<std::string> state;  // as `save` writes it; nothing: it has no text
  std::uint64_t snapshot = 0;        // version of the one that it was folded from; 0: none
  std::uint64_t folded = 0;          // events
  journal::Position position;        // the aggregate's shard was seen up to here
};

namespace effect {
struct Seen {  // the end. Errors: not_found; store_unavailable, with why it cannot be known
  std::expected<Sight, CommandRefusal> outcome;
};
}  // namespace effect

using SightEffect = std::variant<effect::FindHolder, effect::ReadSnapshot, effect::ReadRecords, effect::Seen>;

class AggregateSight {
 public:
  // `at`: as of which version; nothing: now.
  AggregateSight(AggregatePtr aggregate, std::string id, std::optional<std::uint64_t> at = {},
                 CommandFault planted = CommandFault::none);

  [[nodiscard]] SightEffect begin() const;
  // Of the inputs Holder, SnapshotFound, Records and Failed, as it was asked for.
  [[nodiscard]] SightEffect step(CommandInput in);

 private:
  [[nodiscard]] SightEffect found(const input::Holder& in);
  [[nodiscard]] SightEffect begin_at(const input::SnapshotFound& in);
  [[nodiscard]] SightEffect fold(const input::Records& in);
  [[nodiscard]] SightEffect read_on() const;
  [[nodiscard]] SightEffect refuse(Reason reason, std::string detail) const;

  AggregatePtr aggregate_;
  std::string id_;
  std::optional<std::uint64_t> at_;
  CommandFault planted_;
  State state_;  // at version sight_.newest, or at_ once that was passed
  Sight sight_;
};

}  // namespace flotilla::cqrs
