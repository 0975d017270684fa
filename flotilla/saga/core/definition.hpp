// What a saga is: its steps, their order, and everything a run of it needs to know, compiled and checked.
//
// For: the engine, which folds records over one; made from a draft (definition_draft.hpp) by
// definition_check.hpp, whether the draft came from the file, the C++ builder or a stored definition.
// An instance pins `hash` for its whole life; `canonical` is what the journal keeps, so that the same
// Definition can be made again after the file has changed (definition_json.hpp).
// The rules that hold for every Definition, so that the engine need not ask again:
//   the graph is acyclic; at most one pivot; a step that is not after the pivot is one of its ancestors, so
//   when the pivot is exposed nothing else is open; the steps after it, and only they, are retriable.
// Every expression and template of it sees, as `.`, {input, steps, saga}: `steps` the answers' bodies of the
// step's ancestors, `saga` {id, name} and, once it aborts, `cause`.
// Ownership: a value, shared as DefinitionPtr. Threads: immutable once made. Limits: kMax... below.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "flotilla/base/strong.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/call/core/call_template.hpp"
#include "flotilla/call/core/request_scope.hpp"
#include "flotilla/call/core/text_template.hpp"
#include "flotilla/json/schema/schema.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/resilience/core/retry.hpp"
#include "flotilla/saga/core/verdict.hpp"

namespace flotilla::saga {

inline constexpr std::size_t kMaxSteps = 64;  // a set of steps is one word
inline constexpr std::size_t kMaxLocks = 16;
inline constexpr std::size_t kMaxPublications = 64;
inline constexpr std::size_t kMaxSearched = 8;      // attributes to search by
inline constexpr std::size_t kMaxSearchText = 128;  // bytes of the value of one
inline constexpr std::size_t kMaxRedactions = 32;
inline constexpr std::size_t kMaxNesting = 8;                      // sagas within sagas
inline constexpr std::size_t kMaxNameBytes = 64;                   // of a saga, a step, a signal, a topic
inline constexpr std::size_t kMaxDefinitionBytes = 1024UL * 1024;  // of its canonical JSON

// 64 lower-case hexadecimal digits: SHA-256 of the canonical JSON.
using DefinitionHash = Strong<struct DefinitionHashTag, std::string>;

// The position of a step in Definition::steps, below kMaxSteps.
using StepIndex = std::uint8_t;
using StepSet = std::bitset<kMaxSteps>;
// The first `count` of them; at most kMaxSteps.
[[nodiscard]] constexpr auto step_indices(std::size_t count) noexcept {
  return std::views::iota(StepIndex{0}, static_cast<StepIndex>(count));
}

enum class StepKind : std::uint8_t {
  compensatable,  // can be undone, or says why it need not be
  pivot,          // once done, the saga goes only forward
  retriable,      // after the pivot: tried until it succeeds
};
[[nodiscard]] std::string_view to_string(StepKind kind) noexcept;

// One request, rendered once from the scope above.
struct Request {
  call::CallTemplate target;
  // An expression's value, a value sent as it is, or no body.
  std::variant<std::monostate, call::Expression, json::Value> body;
  std::vector<std::pair<std::string, call::TextTemplate>> headers;  // names in lower case
  Duration timeout{0};                                              // of one attempt
};

// How often a request is sent again. The pause before a resending is drawn below its ceiling.
struct Retry {
  std::uint32_t attempts = 0;      // the first included; 0: no limit
  std::optional<Duration> within;  // from the first attempt on; whichever bound is met first ends it
  Duration first{0};
  Duration cap{0};
  double factor = 2;

  // For resilience::backoff; `attempts` is not part of it.
  [[nodiscard]] resilience::RetryPolicy policy() const noexcept {
    return {.first = first, .cap = cap, .factor = factor, .retry_after_cap = cap};
  }
};

// A saga run as one step. The child is started from the definition pinned here, whatever is current then.
struct NestedSaga {
  std::string name;
  DefinitionHash hash;
  bool has_pivot = false;  // such a child is terminal at its end; one without a pivot is held until we decide
  call::Expression input;
};

// Waits for a signal of that name; the step's output is its payload.
struct SignalWait {
  std::string signal;
  std::optional<Duration> within;  // none: until the saga's deadline
  bool abort_when_over = true;     // else the step is done, its output null
};

struct TimerWait {
  Duration length{0};
};

struct Step {
  std::string name;
  StepKind kind = StepKind::compensatable;
  std::variant<Request, NestedSaga, SignalWait, TimerWait> action;
  // A compensatable step without one says why in `no_undo_because`, is a wait, or is a nested saga without a
  // pivot, which is undone by its own reverse pass. Of a pivot: only for `abort_when_unknown`.
  std::optional<Request> undo;
  std::string no_undo_because;
  std::optional<Request> status;         // asks whether the action took effect
  std::optional<call::Expression> when;  // false or null skips the step; the pivot has none

  Retry retry;       // of the action; of a retriable step without limit
  Retry undo_retry;  // without limit
  // When the attempts are spent and the effect is unknown: abort and undo this step too, or suspend.
  bool abort_when_unknown = true;

  std::vector<StatusOutcome> outcomes;  // in order of status, each status once
  bool accept_202 = false;
  bool undo_404_ok = false;
  bool replays_answers = false;        // `idempotent: key`
  bool barrier = false;                // an action that arrives after its undo does nothing there
  json::Value output_schema;           // a JSON Schema document, or null
  std::optional<json::Schema> output;  // compiled; an action's answer that fails it suspends the saga

  StepSet after;      // direct predecessors
  StepSet before;     // direct successors
  StepSet ancestors;  // everything that is done, or skipped, when it is exposed
  StepSet descendants;

  // Points into this step.
  [[nodiscard]] VerdictRules verdict_rules() const noexcept {
    return {.outcomes = outcomes,
            .accept_202 = accept_202,
            .undo_404_ok = undo_404_ok,
            .replays_answers = replays_answers};
  }
};

// All keys are claimed together with the record that accepts the saga, and released by its last one.
struct Locks {
  enum class IfHeld : std::uint8_t {
    queue,   // until they are free, or the deadline
    reject,  // at once, with 423
    wait,    // queue for at most `wait`
  };
  std::vector<call::TextTemplate> keys;
  std::optional<call::Expression> when;  // false or null: this input needs no lock; sees `input` and `saga`
  IfHeld if_held = IfHeld::queue;
  Duration wait{0};
};

// An event written in the same batch as the record that causes it.
struct Publication {
  enum class Cause : std::uint8_t {
    accepted,
    done,     // of a step
    refused,  // of a step
    undone,   // of a step
    aborting,
    suspended,
    completed,
    compensated,
    failed,
    rejected,
  };
  static constexpr std::size_t kCauses = 10;
  Cause cause = Cause::accepted;
  StepIndex step = 0;  // of done, refused, undone
  std::string topic;
  call::Expression data;
};
[[nodiscard]] std::string_view to_string(Publication::Cause cause) noexcept;

// A value that nobody is shown: of the input, a step's output or the result, at `members` below it; each
// element of a list on the way is meant.
struct Redaction {
  enum class Of : std::uint8_t { input, step, result };
  std::string text;  // as it was written: .steps.charge.card.number
  Of of = Of::input;
  StepIndex step = 0;
  std::vector<std::string> members;  // none: all of it
};

struct Definition {
  std::string name;
  std::uint32_t version = 0;  // for people; part of the hash
  std::vector<Step> steps;    // at least one, in the order of the file; the index is part of keys and records
  std::optional<StepIndex> pivot;
  StepSet roots;  // steps without `after`

  json::Value input_schema;           // a JSON Schema document, or null
  std::optional<json::Schema> input;  // compiled; none accepts everything
  std::optional<Duration> deadline;   // from acceptance on
  Locks locks;
  std::vector<Publication> publish;
  std::optional<call::Expression> result;  // of a completed saga; null without one
  bool require_key = false;                // a start without an idempotency key is refused
  std::vector<std::pair<std::string, call::Expression>> search;  // by name; they see `input` and `saga`
  std::vector<Redaction> redact;

  bool drain_on_failure = false;   // a failure lets open branches end instead of starting nothing new
  bool independent_undo = false;   // a blocked undo does not stop the undo of other branches
  bool fail_when_blocked = false;  // a blocked undo ends the saga as failed instead of suspending it
  Duration keep_completed{0};      // how long an ended saga is kept; a failed one for ever
  Duration keep_compensated{0};

  std::string canonical;  // JSON, every default written out
  DefinitionHash hash;

  [[nodiscard]] std::optional<StepIndex> find(std::string_view step) const noexcept;
};
using DefinitionPtr = std::shared_ptr<const Definition>;

// Every service its requests go to, each once, in the order of the steps.
[[nodiscard]] std::vector<ServiceName> services_of(const Definition& definition);

}  // namespace flotilla::saga
