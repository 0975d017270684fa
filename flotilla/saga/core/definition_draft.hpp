// A saga as somebody wrote it: texts, and only what was said; nothing compiled, nothing checked.
//
// For: the readers (the file, a stored definition) and the C++ builder, which make drafts, and
// definition_check.hpp, which makes a Definition of one or says, with its place, what is wrong.
// Ownership: values. Threads: plain data. Limits: none of its own.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "flotilla/base/time.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/saga/core/definition.hpp"

namespace flotilla::saga {

// Line and column in the file, from 1; 0 for what came from elsewhere.
struct Position {
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  friend constexpr auto operator<=>(const Position&, const Position&) = default;
};

// A value and where it was written.
template <class T>
struct Written {
  T value{};
  Position at{};
};
using WrittenText = Written<std::string>;

struct RetryDraft {
  std::optional<std::uint32_t> attempts;
  std::optional<Duration> within;
  std::optional<Duration> first;
  std::optional<Duration> cap;
  std::optional<double> factor;
};

struct RequestDraft {
  WrittenText call;                                                          // METHOD service/path
  std::optional<Written<std::variant<std::string, json::Value>>> body = {};  // an expression, or a literal
  std::vector<std::pair<std::string, WrittenText>> headers = {};
  std::optional<Written<Duration>> timeout = {};
  std::optional<Written<RetryDraft>> retry = {};
};

struct NestedDraft {
  WrittenText name;
  std::optional<WrittenText> input = {};
  // In a stored definition; else the definition of that name is looked up.
  DefinitionHash hash = {};
  bool has_pivot = false;
};

struct StepDraft {
  WrittenText name;
  Written<StepKind> kind = {};
  // One of these four.
  std::optional<RequestDraft> action = {};
  std::optional<NestedDraft> saga = {};
  std::optional<Written<SignalWait>> signal = {};
  std::optional<Written<TimerWait>> timer = {};

  std::optional<std::vector<WrittenText>> after = {};  // none: the step before it
  std::optional<WrittenText> when = {};
  std::optional<RequestDraft> undo = {};
  std::optional<Position> no_undo = {};  // `undo: none`
  std::optional<WrittenText> because = {};
  std::optional<RequestDraft> status = {};
  std::optional<Written<bool>> abort_when_unknown = {};
  std::vector<Written<StatusOutcome>> outcomes = {};
  std::optional<Written<bool>> accept_202 = {};
  std::optional<Written<bool>> undo_404_ok = {};
  std::optional<Written<bool>> replays_answers = {};
  std::optional<Written<bool>> barrier = {};
  Written<json::Value> output_schema = {};
};

struct LocksDraft {
  std::vector<WrittenText> keys = {};
  std::optional<WrittenText> when = {};
  Locks::IfHeld if_held = Locks::IfHeld::queue;
  Written<Duration> wait = {};
};

struct PublicationDraft {
  WrittenText cause;  // `accepted`, `done.STEP`
  WrittenText topic;
  std::optional<WrittenText> data = {};  // none: `.input`
};

struct SagaDraft {
  WrittenText name;
  std::uint32_t version = 0;
  std::vector<StepDraft> steps = {};
  Written<json::Value> input_schema = {};
  std::optional<Written<Duration>> deadline = {};
  LocksDraft locks = {};
  std::vector<PublicationDraft> publish = {};
  std::optional<WrittenText> result = {};
  bool require_key = false;
  std::vector<std::pair<WrittenText, WrittenText>> search = {};  // name, expression
  std::vector<WrittenText> redact = {};
  bool drain_on_failure = false;
  bool independent_undo = false;
  bool fail_when_blocked = false;
  std::optional<Written<Duration>> keep_completed = {};
  std::optional<Written<Duration>> keep_compensated = {};
};

}  // namespace flotilla::saga
