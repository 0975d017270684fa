// A saga whose steps and undos are functions of this program.
//
//   const CodeSaga order = CodeSaga("order", 1)
//       .step("reserve", reserve).undo(release)
//       .step("charge", charge).undo(refund)
//       .step("ship", ship).pivot()
//       .result("{shipment: .steps.ship.id}");
//
// For: embedded.hpp. What does not name a step (undo, pivot, ...) is said of the step added last.
// A running saga keeps the definition it was started with, and finds its functions by the saga's name, its
// version and the step's name, all of which are in the definition's hash. So a saga whose steps change, or
// whose functions mean something else, needs a new version; give the old one to Embedded as well until the
// last saga of it has ended.
// Nothing is checked before build(). Ownership: values; functions are copied. Threads: one. Limits: those of
// definitions (core/definition.hpp).
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/saga/core/builder.hpp"
#include "flotilla/saga/step_function.hpp"

namespace flotilla::saga {

// By "SAGA/VERSION/STEP", with "/undo" behind it for an undo.
using StepFunctions = std::map<std::string, StepFunction, std::less<>>;

class CodeSaga {
 public:
  CodeSaga(std::string name, std::uint32_t version);

  CodeSaga& step(std::string name, StepFunction action);
  // A step that waits: for a signal or for time. Not one that calls a service or runs another saga.
  CodeSaga& step(StepBuilder wait);

  CodeSaga& undo(StepFunction undo);
  CodeSaga& no_undo(std::string because);
  CodeSaga& pivot();
  CodeSaga& retriable();
  // As StepBuilder and SagaBuilder have them. Expressions are those of docs/expressions.md.
  CodeSaga& after(std::initializer_list<std::string_view> names);
  CodeSaga& when(std::string condition);
  CodeSaga& timeout(Duration of_an_attempt);       // of the action; 5 s
  CodeSaga& undo_timeout(Duration of_an_attempt);  // 5 s
  CodeSaga& retry(const RetryDraft& retry);
  CodeSaga& undo_retry(const RetryDraft& backoff);
  CodeSaga& suspend_when_unknown();
  // What this step's function asked elsewhere to do can do nothing once its undo has answered. Without it an
  // undo after a crash waits for the action's timeout and a second, since what the dead process sent may be
  // on its way yet.
  CodeSaga& barrier();

  CodeSaga& input_schema(json::Value schema);
  CodeSaga& deadline(Duration from_acceptance);
  CodeSaga& lock(std::string key);
  CodeSaga& result(std::string expression);

  // Errors: invalid; a function that is null, an undo without a step, and those of SagaBuilder::build().
  [[nodiscard]] Result<DefinitionPtr> build() const;
  // Of all steps.
  [[nodiscard]] const StepFunctions& functions() const noexcept { return functions_; }

 private:
  struct CodeStep {
    StepBuilder builder;
    std::string name;
    bool is_function = false;
    bool has_undo = false;
    std::optional<std::vector<std::string>> after;  // none: the step before
    std::optional<Duration> timeout;
    std::optional<Duration> undo_timeout;
    std::optional<RetryDraft> retry;
    std::optional<RetryDraft> undo_retry;
  };

  [[nodiscard]] CodeStep& last();
  void add_function(std::string name, StepFunction function);
  [[nodiscard]] std::string call_of(std::string_view step) const;
  [[nodiscard]] std::vector<std::string> before(std::size_t index) const;
  [[nodiscard]] StepBuilder complete(std::size_t index) const;

  std::string name_;
  std::uint32_t version_;
  SagaBuilder saga_;
  std::vector<CodeStep> steps_;
  StepFunctions functions_;
  std::string fault_;  // the first; build() tells it
};

}  // namespace flotilla::saga
