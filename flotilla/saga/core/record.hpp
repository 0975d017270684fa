// The records of a saga: what happened, in an order that is never changed. A saga is the fold of these.
//
// For: the engine, which decides them; saga_state.hpp, which folds them; the runner, which appends their
// bytes to the saga's stream. Type numbers and tags are on disk: they are never reused.
// What must be durable before what is said beside each record. A record also carries the exposures that it
// causes: an exposed step's request is rendered once and stands there, so that every resending of it, by
// whatever process, sends the same bytes. There is no record of an attempt.
// Ownership: a Record owns its body. Threads: plain values. Limits: kMaxPayload for what comes from outside.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/saga/core/saga_id.hpp"
#include "flotilla/saga/core/verdict.hpp"

namespace flotilla::saga {

inline constexpr std::size_t kMaxPayload = std::size_t{256} << 10;  // input, output, signal

// Milliseconds since the Unix epoch, UTC; 0 is "none" where a record says so.
using Millis64 = std::int64_t;

struct RenderedRequest {
  std::string method;
  std::string service;
  std::string target;                                        // path and query
  std::vector<std::pair<std::string, std::string>> headers;  // with content-type where there is a body
  std::string body;
  friend bool operator==(const RenderedRequest&, const RenderedRequest&) = default;
};
// Shared by the state, the effects that send it, and copies of the state.
using RequestPtr = std::shared_ptr<const RenderedRequest>;

// What a step may do from now on.
struct Exposure {
  enum class Kind : std::uint8_t {
    request,  // send `request`
    child,    // start the nested saga with input `request->body`; or undo it
    wait,     // wait for a signal or a timer
    skip,     // its `when` is not true: it is settled
  };
  std::uint8_t step = 0;
  Op op = Op::action;
  Kind kind = Kind::request;
  RequestPtr request;  // of request and child
};

// The step that started a nested saga.
struct Parent {
  SagaId saga;
  std::uint8_t step = 0;
  [[nodiscard]] bool is_none() const noexcept { return saga.is_none(); }
  friend bool operator==(const Parent&, const Parent&) = default;
};

// Why a saga aborts.
enum class Cause : std::uint8_t { none, step, deadline, cancel, operator_, parent };
[[nodiscard]] std::string_view to_string(Cause cause) noexcept;

enum class SuspendReason : std::uint8_t {
  none,
  config,            // an answer says that we, or the service, are set up wrongly
  pivot_unknown,     // nobody knows whether the pivot took effect
  step_unknown,      // the same of a step that says not to abort then
  undo_blocked,      // a service refuses to undo
  step_refused,      // a step after the pivot, which may not refuse, refused
  cannot_render,     // a request or condition cannot be made of what is there
  output_too_large,  // the answer succeeded but exceeds kMaxPayload: it is not kept
  too_long,          // the saga has more records than is sane
  operator_,         // a person
};
[[nodiscard]] std::string_view to_string(SuspendReason reason) noexcept;

enum class Verb : std::uint8_t { suspend, resume, retry, set_result, forgive, abort, fail, migrate };
inline constexpr std::size_t kVerbs = 8;
// "suspend", "resume", "retry", "set-result", ...
[[nodiscard]] std::string_view to_string(Verb verb) noexcept;
[[nodiscard]] std::optional<Verb> parse_verb(std::string_view text) noexcept;

enum class TimerUse : std::uint8_t {
  retry,  // an operation's next attempt
  wait,   // a timer step, or the end of a signal step's patience
};

namespace record {

// Before the answer to the submitter, and the first attempt.
struct Accepted {
  SagaId id;
  std::string definition;  // hash
  std::string input;       // JSON
  std::string key;         // the submitter's idempotency key; empty without one
  Parent parent;           // none without one
  std::vector<std::string> locks;
  Millis64 deadline = 0;
  std::string trace;  // traceparent
  std::string correlation;
};
// Before any successor's attempt and any reader sees it.
struct StepDone {
  std::uint8_t step = 0;
  std::uint16_t status = 0;  // 0: not by an answer
  std::string output;        // JSON
  std::uint32_t attempts = 0;
  std::string signal;  // id of the signal that was consumed
};
// Together with Aborting, and so before the first undo; alone while other branches drain, or suspended.
struct StepRefused {
  std::uint8_t step = 0;
  std::uint16_t status = 0;
  std::string detail;
  std::uint32_t attempts = 0;
};
// Before what it causes: abort or suspension; of an aborted saga, before the undo of this step or those
// before.
struct StepUnknown {
  std::uint8_t step = 0;
  std::string detail;
  std::uint32_t attempts = 0;
};
// Before the first undo of the saga.
struct Aborting {
  Cause cause = Cause::none;
  std::uint8_t step = 0;  // of Cause::step
  std::uint16_t status = 0;
  std::string detail;
  std::uint64_t unsent = 0;  // set of exposed steps that surely were never sent: no undo
};
// While the pivot decides; before the answer to whoever cancels.
struct CancelRequested {
  std::string who;
  std::string why;
};
// Before the undo of any predecessor.
struct StepUndone {
  std::uint8_t step = 0;
  std::uint16_t status = 0;
  bool null_undo = false;
  std::uint32_t attempts = 0;
};
// Before the alert and the suspension.
struct UndoBlocked {
  std::uint8_t step = 0;
  std::uint16_t status = 0;
  std::string detail;
  std::uint32_t attempts = 0;
};
// Before sleeping longer than kLongestUnrecordedWait.
struct TimerSet {
  std::uint32_t id = 0;
  Millis64 due = 0;
  TimerUse use = TimerUse::retry;
  std::uint8_t step = 0;
  Op op = Op::action;
};
// Before acting on it.
struct TimerFired {
  std::uint32_t id = 0;
};
// Before the answer to the sender.
struct Signal {
  std::string id;
  std::string name;
  std::string payload;  // JSON
};
// Before the alert.
struct Suspended {
  SuspendReason reason = SuspendReason::none;
  std::uint8_t step = 0;
  Op op = Op::action;
  std::string detail;
};
// Before the next attempt.
struct Resumed {
  std::string by;
};
// Before its answer.
struct Operator {
  Verb verb = Verb::suspend;
  std::uint8_t step = 0;
  Op op = Op::action;
  std::string who;
  std::string why;
  std::string payload;  // of set-result: JSON; of migrate: the hash
};
// Before the parent's StepDone: all steps of a nested saga are done, and it can still be undone.
struct Held {
  std::string result;
};
// Each before the final event and the answer to whoever waits.
struct Completed {
  std::string result;  // JSON
};
struct Compensated {};
struct Failed {
  std::uint64_t residue = 0;  // set of steps whose effect stays
};
struct Rejected {
  Cause cause = Cause::none;
  std::string detail;
};

}  // namespace record

// In the order of their type numbers, from 1.
using RecordBody = std::variant<record::Accepted, record::StepDone, record::StepRefused, record::StepUnknown,
                                record::Aborting, record::CancelRequested, record::StepUndone,
                                record::UndoBlocked, record::TimerSet, record::TimerFired, record::Signal,
                                record::Suspended, record::Resumed, record::Operator, record::Held,
                                record::Completed, record::Compensated, record::Failed, record::Rejected>;
inline constexpr std::size_t kRecordTypes = std::variant_size_v<RecordBody>;

struct Record {
  RecordBody body;
  std::vector<Exposure> exposed;

  // From 1.
  [[nodiscard]] std::uint16_t type() const noexcept { return static_cast<std::uint16_t>(body.index() + 1); }
};

// "accepted", "step-done", ...; of types 1..kRecordTypes.
[[nodiscard]] std::string_view record_name(std::uint16_t type) noexcept;

// The body, as fields of flotilla/journal/core/body.hpp; numbers that are 0 and texts that are empty are left
// out, so one content has one encoding.
[[nodiscard]] std::string encode(const Record& record);
// Errors: unsupported (a type of a newer version), invalid (damaged, an unknown field, an impossible value).
[[nodiscard]] Result<Record> decode(std::uint16_t type, std::string_view bytes);

}  // namespace flotilla::saga
