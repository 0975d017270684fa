// One business transaction as far as it has come: its events, what is expected next, and how it stands.
//
// For: choreography_fold.hpp, which makes it event by event and keeps it as a row; the API, which shows it.
// Ownership: a plain value. Threads: pure functions. Limits: below; what exceeds them is counted in it and
// left out, so that no transaction grows without end, nor stops the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/position.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::events {

inline constexpr std::size_t kMaxInstanceEvents = 200;
inline constexpr std::size_t kMaxWaits = 64;
inline constexpr std::size_t kMaxCorrelations = 16;
inline constexpr std::size_t kMaxInstanceSagas = 32;
inline constexpr std::size_t kMaxInstanceText = 256;  // bytes of an id, a source, a type; longer ones are cut
inline constexpr std::uint32_t kDeepCausation = 64;   // an event deeper than that is flagged

enum class InstanceState : std::uint8_t { open, overdue, ok, undone };
inline constexpr std::size_t kInstanceStates = 4;
// "open", "overdue", "ok", "undone".
[[nodiscard]] std::string_view to_string(InstanceState state) noexcept;
[[nodiscard]] std::optional<InstanceState> parse_instance_state(std::string_view text) noexcept;

// A delivery that came to nothing.
struct DeadDelivery {
  std::string group;
  std::string topic;  // of the dead letter
  journal::Position position;
  std::string reason;
  std::string code;
  std::uint32_t attempts = 0;
  friend bool operator==(const DeadDelivery&, const DeadDelivery&) = default;
};

struct InstanceEvent {
  journal::Position position;
  std::string topic;
  std::string id;
  std::string source;
  std::string type;
  std::string correlation;
  std::string cause;  // id of the event that caused it; empty: none
  std::int64_t recorded_ms = 0;
  std::uint32_t depth = 1;  // of causation within the transaction
  bool unexpected = false;
  bool late = false;  // it had been due before
  std::vector<DeadDelivery> dead;
  friend bool operator==(const InstanceEvent&, const InstanceEvent&) = default;
};

// What is expected since an event.
struct Wait {
  std::size_t expectation = 0;  // its number in the choreography
  journal::Position position;   // of the event that it follows
  std::string event;            // the id of that
  std::int64_t due_ms = 0;      // 0: whenever
  std::int64_t told_ms = 0;     // when it was told that this is overdue; 0: it was not
  std::vector<std::string> missing;
  friend bool operator==(const Wait&, const Wait&) = default;
};

struct Instance {
  std::string id;
  std::int64_t started_ms = 0;
  std::int64_t changed_ms = 0;
  journal::Position first;           // of its first event
  bool started = false;              // by an event of the choreography's `start`
  std::optional<InstanceState> end;  // what the last event that ends it said
  InstanceState state = InstanceState::open;
  std::vector<InstanceEvent> events;
  std::vector<Wait> waits;  // in the order in which they began
  std::vector<std::string> correlations;
  std::vector<std::string> sagas;
  std::uint64_t count = 0;  // of all its events, with those that are left out
  std::uint64_t unexpected = 0;
  std::uint64_t late = 0;
  std::uint64_t dead = 0;      // letters
  std::uint64_t told = 0;      // times that it was told that something is overdue
  std::uint64_t left_out = 0;  // events, waits and correlations beyond the limits
  std::uint32_t depth = 0;     // the greatest of its events
  friend bool operator==(const Instance&, const Instance&) = default;

  // The earliest time at which something is due that was not told yet; 0: there is none.
  [[nodiscard]] std::int64_t due_ms() const noexcept;
};

// Open waits that are beyond their time make it overdue, whether or not that was told.
[[nodiscard]] InstanceState state_at(const Instance& instance, std::int64_t now_ms) noexcept;

// As rows and ids of alerts have it: "17" in the first shard, which is the only one of an embedded store,
// "5-17" in another.
[[nodiscard]] std::string short_text(journal::Position position);

[[nodiscard]] json::Value to_json(const Instance& instance);
// A position in a row.
[[nodiscard]] json::Value to_json(journal::Position position);
[[nodiscard]] std::optional<journal::Position> read_position(const json::Value& value);
// Errors: invalid (damaged).
[[nodiscard]] Result<Instance> read_instance(const json::Value& value);

}  // namespace flotilla::events
