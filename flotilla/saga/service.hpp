// The port of sagas: what the API, the gateway's action and the command line ask of them.
//
// For: `runner.hpp`, which implements it over the engine and the journal, and fakes in tests of those who
// ask. The JSON shapes of DESIGN 4.4 are made in one place (core/report.hpp) and handed out whole, so every
// door shows the same.
// Ownership: values in, values out. Threads: every function may be called on any loop of the process; the
// task belongs on that loop and resumes there. Destroying a task abandons the answer, not what was asked.
// Errors: a SagaProblem; its reason gives the status unless `status` names another one.
//   All of them can answer store_unavailable, overloaded and draining; more stands beside each.
// Limits: kMaxPayload of inputs and signals, kMaxKeyBytes of keys, kMaxWait of waiting, kMaxListed of a page.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flotilla/base/reason.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/net/task.hpp"
#include "flotilla/saga/core/record.hpp"
#include "flotilla/saga/core/saga_id.hpp"

namespace flotilla::saga {

inline constexpr std::size_t kMaxKeyBytes = 255;
inline constexpr Duration kMaxWait = std::chrono::seconds(60);
inline constexpr std::size_t kMaxListed = 1000;

struct SagaProblem {
  Reason reason = Reason::invalid;
  std::string detail;        // what happened and the way out
  std::uint16_t status = 0;  // 0: the reason's usual one; 423 for a lock that is held
  Duration retry_after{0};   // zero: no estimate
};
template <class T>
using Asked = std::expected<T, SagaProblem>;

// One saga as it was at one moment.
struct SagaView {
  SagaId id;
  std::string state;      // "scheduled", "running", ... as DESIGN 4.4 lists them
  bool terminal = false;  // completed, compensated, failed or rejected: nothing will change
  // {id, name, state, result?, cause?: {step, reason, status}, created, steps: [{name, kind, state, attempts,
  // output?}], ...}; with a timeline where it was asked for.
  json::Value body;
};

struct StartRequest {
  std::string name;       // of the definition
  std::string principal;  // who asks: keys of different principals never meet
  std::string key;        // the caller's idempotency key, unquoted; empty without one
  json::Value input;
  std::string trace;        // traceparent; empty without one
  std::string correlation;  // empty: the saga's id
  Duration wait{0};         // for the end, at most kMaxWait; what runs on then is answered as it is
};
struct StartResult {
  SagaView saga;
  bool existing = false;  // the key was used before, with this input
};

struct SignalRequest {
  SagaId saga;
  std::string name;
  std::string id;  // repeating it delivers nothing; empty: every request is a new signal
  json::Value payload;
};
struct SignalResult {
  bool duplicate = false;
};

struct CancelRequest {
  SagaId saga;
  std::string who;
  std::string why;
};
struct CancelResult {
  SagaView saga;
  bool pivot_decides = false;  // the pivot is on its way: cancelled only if it is refused
};

// A person's verb on one saga (record.hpp: Verb).
struct OperateRequest {
  SagaId saga;
  Verb verb = Verb::resume;
  std::string step;  // its name; empty: that of the suspension
  std::string who;
  std::string why;
  std::optional<std::uint64_t> expected_seq;  // `seq` of the view the person saw
  json::Value payload;                        // of set-result: the step's output
  bool has_payload = true;                    // where an undo is taken for done, there may be none
  std::string version;  // of migrate: a definition's hash; empty: the file's current one
};

// A service reports the end of what it answered 202, under the key of that request.
struct CallbackRequest {
  std::string key;      // as the service got it in Idempotency-Key, unquoted
  std::string outcome;  // Saga-Outcome; empty: success
  std::string body;
};

struct ListRequest {
  std::string name;   // empty: any
  std::string state;  // empty: any
  std::string after;  // `next` of the page before; empty: from the newest
  std::size_t limit = 100;
  std::vector<std::pair<std::string, std::string>> search = {};  // attributes it must have, by name
};
// The same of what is counted.
struct CountRequest {
  std::string name;
  std::string state;
  std::vector<std::pair<std::string, std::string>> search = {};
};
struct SagaPage {
  json::Value items;  // [{id, name, state, reason?, step?, search?, created, changed}]
  std::string next;   // empty at the end
};

class Sagas {
 public:
  Sagas() = default;
  Sagas(const Sagas&) = delete;
  Sagas& operator=(const Sagas&) = delete;
  virtual ~Sagas() = default;

  // Durable when it answers. Errors: malformed (no key, where the definition requires one), not_found (no
  // such definition), invalid (the input against its schema, a lock that cannot be named), key_reused,
  // too_large, conflict with 423 (locked), conflict (the key's first request is not durable yet).
  [[nodiscard]] virtual net::Task<Asked<StartResult>> start(StartRequest request) = 0;

  // Error: not_found.
  [[nodiscard]] virtual net::Task<Asked<SagaView>> show(SagaId saga, bool timeline) = 0;

  // Newest first. Error: invalid (a state or token that does not exist).
  [[nodiscard]] virtual net::Task<Asked<SagaPage>> list(ListRequest request) = 0;

  // [{name, state, count}], ordered by name and state. Error: invalid (a state that does not exist).
  [[nodiscard]] virtual net::Task<Asked<json::Value>> count(CountRequest request) = 0;

  // Errors: not_found, conflict (it can no longer be cancelled; the detail names its state).
  [[nodiscard]] virtual net::Task<Asked<CancelResult>> cancel(CancelRequest request) = 0;

  // Errors: not_found, conflict (it has ended), too_large.
  [[nodiscard]] virtual net::Task<Asked<SignalResult>> signal(SignalRequest request) = 0;

  // Errors: not_found (the saga, its step, the definition), conflict (the state does not allow it, or is not
  // the one that was seen), invalid (a payload).
  [[nodiscard]] virtual net::Task<Asked<SagaView>> operate(OperateRequest request) = 0;

  // Errors: forbidden (no key of ours), not_found, too_large. Repeating one does no harm.
  [[nodiscard]] virtual net::Task<Asked<std::monostate>> callback(CallbackRequest request) = 0;
};

}  // namespace flotilla::saga
