// Sagas written in C++: the same drafts, checks and definitions as from the file, hash included.
//
//   const auto place_order = SagaBuilder("place-order")
//       .step(StepBuilder("reserve").action("POST order-service/reservations", "{order: .input.order_id}")
//                 .undo("DELETE order-service/reservations/{.input.order_id}"))
//       .step(StepBuilder("ship").pivot().action("POST shipping-service/shipments"))
//       .build();
//
// Texts are those of the file: calls, expressions, templates (docs/sagas.md). Nothing is checked before
// build(). Ownership: values; a step is copied into its saga. Threads: one. Limits: those of definitions.
#pragma once

#include <initializer_list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "flotilla/base/error.hpp"
#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/core/definition_draft.hpp"

namespace flotilla::saga {

class StepBuilder {
 public:
  explicit StepBuilder(std::string name) { draft_.name.value = std::move(name); }

  // A body is an expression; without one, and empty, nothing is sent.
  StepBuilder& action(std::string_view call, std::string_view body = {});
  StepBuilder& undo(std::string_view call, std::string_view body = {});
  StepBuilder& no_undo(std::string because);
  StepBuilder& status(std::string_view call);
  // Of the action; after it. A body that is sent as it is, instead of an expression.
  StepBuilder& body(json::Value literal);
  StepBuilder& header(std::string name, std::string value);
  StepBuilder& timeout(Duration of_an_attempt);
  StepBuilder& retry(const RetryDraft& retry);
  // Of the undo; after it.
  StepBuilder& undo_timeout(Duration of_an_attempt);
  StepBuilder& undo_retry(const RetryDraft& backoff);

  // A step that runs another saga, or waits, instead of an action.
  StepBuilder& saga(std::string name, std::string input);
  StepBuilder& signal(SignalWait wait);
  StepBuilder& timer(Duration length);

  StepBuilder& pivot() { return kind(StepKind::pivot); }
  StepBuilder& retriable() { return kind(StepKind::retriable); }
  // The steps before it; without this the one added before. None: it is a root.
  StepBuilder& after(std::initializer_list<std::string_view> names);
  StepBuilder& when(std::string condition);
  StepBuilder& suspend_when_unknown();
  StepBuilder& abort_when_unknown();
  StepBuilder& outcome(std::uint16_t status, Verdict verdict);
  StepBuilder& accept_202();
  StepBuilder& undo_404_ok();
  StepBuilder& replays_answers();  // `idempotent: key`
  StepBuilder& barrier();
  StepBuilder& output_schema(json::Value schema);

  [[nodiscard]] const StepDraft& draft() const noexcept { return draft_; }

 private:
  StepBuilder& kind(StepKind kind) {
    draft_.kind.value = kind;
    return *this;
  }
  StepDraft draft_;
};

class SagaBuilder {
 public:
  explicit SagaBuilder(std::string name) { draft_.name.value = std::move(name); }

  SagaBuilder& version(std::uint32_t number);
  SagaBuilder& input_schema(json::Value schema);
  SagaBuilder& deadline(Duration from_acceptance);
  SagaBuilder& lock(std::string key);
  SagaBuilder& lock_when(std::string condition);
  SagaBuilder& reject_if_locked();
  SagaBuilder& wait_for_locks(Duration at_most);
  // `cause` as in the file: "accepted", "done.charge". Without data it is the saga's input.
  SagaBuilder& publish(std::string cause, std::string topic, std::string data = ".input");
  SagaBuilder& step(const StepBuilder& step);
  SagaBuilder& result(std::string expression);
  SagaBuilder& require_key();
  SagaBuilder& search(std::string name, std::string expression);
  SagaBuilder& redact(std::string path);
  SagaBuilder& drain_on_failure();
  SagaBuilder& independent_undo();
  SagaBuilder& fail_when_blocked();
  SagaBuilder& keep_completed(Duration length);
  SagaBuilder& keep_compensated(Duration length);

  [[nodiscard]] const SagaDraft& draft() const noexcept { return draft_; }
  // `known` are the definitions its steps may run. Errors: the first fault of definition_check.hpp.
  [[nodiscard]] Result<DefinitionPtr> build(std::span<const DefinitionPtr> known = {}) const;

 private:
  SagaDraft draft_;
};

}  // namespace flotilla::saga
