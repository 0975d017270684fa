// An aggregate and its commands, as the machine that executes them sees it: pure functions over a state.
//
// For: command_run.hpp. Made of expressions (expression_aggregate.hpp) or of C++ types (code_aggregate.hpp).
// A State is whatever `evolve` makes of the events so far; nobody else looks into it. `fold` names the code
// of `evolve`: snapshots made by another code are not read. All functions are deterministic, have no clock
// and call nobody, so folding or deciding again gives the same. Ownership: immutable, shared. Threads: any
// number may use one at once. Limits: kMax... below.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/call/core/call_template.hpp"
#include "flotilla/call/core/text_template.hpp"
#include "flotilla/cqrs/core/row_fold.hpp"
#include "flotilla/cqrs/core/upcast.hpp"
#include "flotilla/expr/core/program.hpp"
#include "flotilla/json/schema/schema.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/resilience/core/retry.hpp"

namespace flotilla::cqrs {

inline constexpr std::size_t kMaxAggregateName = 64;
inline constexpr std::size_t kMaxAggregateId = 256;  // bytes
inline constexpr std::size_t kMaxDecided = 100;      // events of one command
inline constexpr std::size_t kMaxChecks = 8;
inline constexpr std::size_t kMaxCode = 64;  // bytes of a refusal's code
inline constexpr std::uint32_t kMaxConflictRetries = 100;

// Null only where a function says so.
using State = std::shared_ptr<const void>;

// What a command decided.
struct NewEvent {
  std::string type;  // the name of the topic it goes to
  json::Value data;
};
struct Refused {
  std::string code;
  std::string message;
};
using Verdict = std::variant<std::vector<NewEvent>, Refused>;

// A call that must answer 2xx before a command is decided.
struct Check {
  call::CallTemplate call;            // its expressions see the command
  std::optional<expr::Program> body;  // over the command; nothing: the command
  std::vector<std::pair<std::string, call::TextTemplate>> headers = {};  // over the command
  std::optional<resilience::RetryPolicy> retry = {};                     // nothing: the service's
  Duration timeout{0};                                                   // 0: the service's
};

struct Command {
  std::string name;
  std::optional<json::Schema> schema;
  // Which aggregate the command is for; errors in words.
  std::function<std::expected<std::string, std::string>(const json::Value& command)> id;
  std::vector<Check> checks;
  // Types of events that it is known to decide; there may be others.
  std::vector<std::string> types = {};
  // Errors, in words, are defects of the function.
  std::function<std::expected<Verdict, std::string>(const State& state, const json::Value& command)> decide;
};
using CommandPtr = std::shared_ptr<const Command>;

struct Aggregate {
  std::string name;
  std::uint64_t fold = 0;
  State initial;  // before the first event
  // Old events are brought to the newest form before they are folded. `fold` names this code, too.
  Upcasts upcasts;
  // Errors in words.
  std::function<std::expected<State, std::string>(const State& state, const EventValues& event)> evolve;
  // A state as text, and back; nothing: this state has none, and there is no snapshot.
  std::function<std::optional<std::string>(const State& state)> save;
  std::function<State(std::string_view text)> load;  // null: the text is none of ours
  std::uint32_t snapshot_every = 200;                // events; 0: never
  std::uint32_t retry_on_conflict = 3;
  Duration keep_replies = std::chrono::hours(24);
  std::vector<CommandPtr> commands;
};
using AggregatePtr = std::shared_ptr<const Aggregate>;

// The id of a command's aggregate as text, from what its expression or function gave: text, a number or a
// boolean of at most kMaxAggregateId bytes, and not nothing.
[[nodiscard]] std::expected<std::string, std::string> aggregate_id(const json::Value& value);

}  // namespace flotilla::cqrs
