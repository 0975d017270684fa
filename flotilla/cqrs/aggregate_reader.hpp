// Reading aggregates for people: which there are, and one with its state and its events.
//
// For: aggregate_api.hpp. What is shown was committed; of a journal that several processes share it is the
// same in each. Ownership: the journal outlives it. Threads: one loop's, the one that replaces what it knows.
// Limits: kMaxSeenAtOnce are folded at once, more are refused with `overloaded`; pages as below.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/cqrs/core/aggregate_sight.hpp"
#include "flotilla/cqrs/refusal.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::cqrs {

inline constexpr std::size_t kMaxSeenAtOnce = 16;
inline constexpr std::size_t kDefaultAggregates = 100;  // of a page
inline constexpr std::size_t kMaxAggregatePage = 1000;
inline constexpr std::size_t kMaxEventPage = 500;  // and 1 MiB of them, of which one always fits

struct AggregateRow {
  std::string id;
  journal::UtcMillis created;
};
struct AggregateRows {
  std::vector<AggregateRow> rows;
  std::optional<journal::StreamId> next;
};

struct SeenEvent {
  std::uint64_t version = 0;
  journal::Position position;
  journal::Event event;
};
struct AggregateSeen {
  Sight sight;
  std::vector<SeenEvent> events;  // none newer than the state
  std::optional<std::uint64_t> next;
};

struct SightAsk {
  std::string aggregate;
  std::string id;
  std::optional<std::uint64_t> at;
  std::uint64_t after = 0;  // of events: those after this version
  std::size_t limit = kDefaultAggregates;
};

class AggregateReader {
 public:
  explicit AggregateReader(journal::Journal& journal) noexcept : journal_(journal) {}
  AggregateReader(const AggregateReader&) = delete;
  AggregateReader& operator=(const AggregateReader&) = delete;

  // What the file says from now on.
  void replace(std::vector<AggregatePtr> aggregates) { known_ = std::move(aggregates); }
  [[nodiscard]] const std::vector<AggregatePtr>& known() const noexcept { return known_; }
  // Null: the file names none of that name.
  [[nodiscard]] AggregatePtr find(std::string_view name) const;

  // In the order of their creation within a shard. Errors: not_found, the store's.
  [[nodiscard]] net::Task<Asked<AggregateRows>> list(std::string aggregate, journal::StreamId after,
                                                     std::size_t limit);
  [[nodiscard]] net::Task<Asked<AggregateSeen>> show(SightAsk ask);

 private:
  [[nodiscard]] net::Task<Asked<AggregateSeen>> look(AggregatePtr aggregate, SightAsk ask);
  [[nodiscard]] net::Task<std::optional<Refusal>> read_events(const SightAsk& ask, AggregateSeen& seen);

  journal::Journal& journal_;
  std::vector<AggregatePtr> known_;
  std::size_t looking_ = 0;
};

}  // namespace flotilla::cqrs
