// One request through a composition: which calls to start now, which to give up, and the answer at the end.
//
// A state machine without I/O: the gateway starts the calls it is told to, reports each one's end, and sends
// the answer. What is decided here (docs/aggregation.md):
//   - a branch starts as soon as all it waits for have answered;
//   - a branch has answered when its status is 2xx and its body JSON (204 and no body: null);
//   - a required branch that fails ends the whole at once, and the calls still running are to be cancelled.
//   Its
//     status: 401, 403, 404 and 429 of the service as they are, because they speak of the client's request;
//     any other status 502 `bad-answer`; a call without answer the status of its reason (503 circuit-open,
//     504 timeout, 502 reset, ...);
//   - an optional branch that fails gets its default, and what waits for it is not called and gets its own;
//   - the answer is {branch: body} in the order of the file, the bodies spliced as they came, or what `shape`
//   makes
//     of it. A partial answer says so in its headers and is not cacheable.
// Ownership: holds references to plan and view, which must outlive it; owns what it was given otherwise.
// Threads: one owner. Limits: kMaxBranchBytes of one body, kMaxComposedBytes of all together.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "flotilla/base/reason.hpp"
#include "flotilla/gateway/core/compose_plan.hpp"
#include "flotilla/http/core/message.hpp"

namespace flotilla::gateway {

inline constexpr std::size_t kMaxBranchBytes = std::size_t{4} << 20;
inline constexpr std::size_t kMaxComposedBytes = std::size_t{16} << 20;

// The request as expressions see it; the fields are those of call::RequestScope.
struct ComposeInput {
  json::Value path;
  json::Value query;
  json::Value headers;
  json::Value body;
};

struct BranchCall {
  BranchId branch = 0;
  std::string target;  // path and query; method, service and timeout are the plan's
  http::Fields headers;
  std::optional<std::string> body;
};

// How a call ended: the service's answer, or why there is none.
struct BranchAnswer {
  std::uint16_t status = 200;
  std::string body;
  std::optional<std::uint32_t> retry_after = {};  // seconds
};
struct BranchFailure {
  Reason reason = Reason::reset;
  Effect effect = Effect::unknown;
  std::optional<std::uint32_t> retry_after = {};
};
using BranchResult = std::variant<BranchAnswer, BranchFailure>;

struct ComposeStep {
  std::vector<BranchCall> start;
  BranchSet cancel = 0;                  // running calls whose result is not needed any more
  std::optional<http::Response> answer;  // the run is over
};

class ComposeRun {
 public:
  ComposeRun(const ComposePlan& plan, const ComposeView& view, ComposeInput input);

  // Once, first.
  [[nodiscard]] ComposeStep start();
  // The end of a call that was started. After the answer: nothing happens.
  [[nodiscard]] ComposeStep on_result(BranchId branch, BranchResult result);
  // The request's own deadline: what has not answered has failed with `timeout`.
  [[nodiscard]] ComposeStep on_deadline();

 private:
  enum class State : std::uint8_t { unused, waiting, running, answered, failed };
  struct Failure {
    Reason reason = Reason::reset;
    std::uint16_t status = 0;             // of the service's answer, if there was one
    std::optional<BranchId> predecessor;  // not called, because this one failed
    Effect effect = Effect::unknown;
    std::optional<std::uint32_t> retry_after;
    std::string detail;
  };
  struct Progress {
    State state = State::unused;
    std::string body;
    Failure failure;
  };

  void settle(BranchId id, BranchResult result);
  void settle_answer(BranchId id, BranchAnswer answer);
  // Starts what can start and ends what can end.
  [[nodiscard]] ComposeStep advance();
  [[nodiscard]] bool start_or_skip(BranchId id, ComposeStep& step);
  [[nodiscard]] std::expected<BranchCall, call::RenderFault> render(BranchId id) const;
  [[nodiscard]] json::Value bodies(BranchSet of) const;
  void finish(ComposeStep& step);
  [[nodiscard]] http::Response failed(BranchId id) const;
  [[nodiscard]] http::Response composed() const;
  [[nodiscard]] std::string spliced() const;
  [[nodiscard]] std::string missing() const;
  [[nodiscard]] std::string_view body_of(BranchId id) const;

  const ComposePlan& plan_;
  const ComposeView& view_;
  ComposeInput input_;
  std::array<Progress, kMaxBranches> progress_;
  std::size_t total_bytes_ = 0;
  bool finished_ = false;
};

}  // namespace flotilla::gateway
