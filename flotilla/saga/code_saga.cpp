#include "flotilla/saga/code_saga.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/json/writer.hpp"

namespace flotilla::saga {
namespace {

// What a function is given, as the expression of a request's body: so it is rendered once, stands in the
// journal, and is the same at every call. A step may read only what is surely done before it.
std::string given(const std::vector<std::string>& before, bool undo) {
  std::string steps;
  for (const std::string& name : before) {
    const std::string quoted = json::write(json::Value(name));
    steps += fmt::format("{}{}: .steps[{}]", steps.empty() ? "" : ", ", quoted, quoted);
  }
  return fmt::format("{{input: .input, steps: {{{}}}{}}}", steps, undo ? ", cause: .saga.cause" : "");
}

}  // namespace

CodeSaga::CodeSaga(std::string name, std::uint32_t version)
    : name_(name), version_(version), saga_(std::move(name)) {
  saga_.version(version);
}

CodeSaga& CodeSaga::step(std::string name, StepFunction action) {
  add_function(name, std::move(action));
  steps_.push_back({.builder = StepBuilder(name), .name = std::move(name), .is_function = true});
  return *this;
}

CodeSaga& CodeSaga::step(StepBuilder wait) {
  const StepDraft& draft = wait.draft();
  if (fault_.empty() && (draft.action || draft.undo || draft.saga || draft.status)) {
    fault_ =
        fmt::format("step '{}' calls a service or runs a saga; a saga of functions has functions and waits",
                    draft.name.value);
  }
  CodeStep step{.builder = wait, .name = draft.name.value};
  if (draft.after) {
    step.after.emplace();
    for (const WrittenText& name : *draft.after) {
      step.after->push_back(name.value);
    }
  }
  steps_.push_back(std::move(step));
  return *this;
}

CodeSaga::CodeStep& CodeSaga::last() {
  if (steps_.empty()) {
    if (fault_.empty()) {
      fault_ = "something is said of a step before there is one; begin with step()";
    }
    steps_.push_back({.builder = StepBuilder(""), .name = ""});
  }
  return steps_.back();
}

void CodeSaga::add_function(std::string name, StepFunction function) {
  if (fault_.empty() && !function) {
    fault_ = fmt::format("the function of '{}' is null", name);
  }
  functions_.insert_or_assign(fmt::format("{}/{}/{}", name_, version_, name), std::move(function));
}

CodeSaga& CodeSaga::undo(StepFunction undo) {
  CodeStep& step = last();
  step.has_undo = true;
  add_function(step.name + "/undo", std::move(undo));
  return *this;
}
CodeSaga& CodeSaga::no_undo(std::string because) {
  last().builder.no_undo(std::move(because));
  return *this;
}
CodeSaga& CodeSaga::pivot() {
  last().builder.pivot();
  return *this;
}
CodeSaga& CodeSaga::retriable() {
  last().builder.retriable();
  return *this;
}
CodeSaga& CodeSaga::after(std::initializer_list<std::string_view> names) {
  CodeStep& step = last();
  step.builder.after(names);
  step.after.emplace(names.begin(), names.end());
  return *this;
}
CodeSaga& CodeSaga::when(std::string condition) {
  last().builder.when(std::move(condition));
  return *this;
}
CodeSaga& CodeSaga::timeout(Duration of_an_attempt) {
  last().timeout = of_an_attempt;
  return *this;
}
CodeSaga& CodeSaga::undo_timeout(Duration of_an_attempt) {
  last().undo_timeout = of_an_attempt;
  return *this;
}
CodeSaga& CodeSaga::retry(const RetryDraft& retry) {
  last().retry = retry;
  return *this;
}
CodeSaga& CodeSaga::undo_retry(const RetryDraft& backoff) {
  last().undo_retry = backoff;
  return *this;
}
CodeSaga& CodeSaga::suspend_when_unknown() {
  last().builder.suspend_when_unknown();
  return *this;
}
CodeSaga& CodeSaga::barrier() {
  last().builder.barrier();
  return *this;
}
CodeSaga& CodeSaga::input_schema(json::Value schema) {
  saga_.input_schema(std::move(schema));
  return *this;
}
CodeSaga& CodeSaga::deadline(Duration from_acceptance) {
  saga_.deadline(from_acceptance);
  return *this;
}
CodeSaga& CodeSaga::lock(std::string key) {
  saga_.lock(std::move(key));
  return *this;
}
CodeSaga& CodeSaga::result(std::string expression) {
  saga_.result(std::move(expression));
  return *this;
}

std::string CodeSaga::call_of(std::string_view step) const {
  return fmt::format("POST {}/{}/{}", name_, version_, step);
}

// The names of all steps that come before that one, in the order of the steps.
std::vector<std::string> CodeSaga::before(std::size_t index) const {
  std::vector<bool> found(steps_.size(), false);
  std::vector<std::size_t> todo{index};
  while (!todo.empty()) {
    const std::size_t at = todo.back();
    todo.pop_back();
    for (std::size_t i = 0; i < steps_.size(); ++i) {
      const bool direct =
          steps_[at].after ? std::ranges::find(*steps_[at].after, steps_[i].name) != steps_[at].after->end()
                           : i + 1 == at;
      if (direct && !found[i]) {
        found[i] = true;
        todo.push_back(i);
      }
    }
  }
  std::vector<std::string> names;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    if (found[i] && i != index) {  // its own name: a cycle, which the check refuses
      names.push_back(steps_[i].name);
    }
  }
  return names;
}

StepBuilder CodeSaga::complete(std::size_t index) const {
  const CodeStep& step = steps_[index];
  StepBuilder builder = step.builder;
  if (!step.is_function) {
    return builder;
  }
  builder.action(call_of(step.name), given(before(index), false));
  if (step.timeout) {
    builder.timeout(*step.timeout);
  }
  if (step.retry) {
    builder.retry(*step.retry);
  }
  if (step.has_undo) {
    builder.undo(call_of(step.name) + "/undo", given(before(index), true));
    if (step.undo_timeout) {
      builder.undo_timeout(*step.undo_timeout);
    }
    if (step.undo_retry) {
      builder.undo_retry(*step.undo_retry);
    }
  }
  return builder;
}

Result<DefinitionPtr> CodeSaga::build() const {
  if (!fault_.empty()) {
    return fail(Errc::invalid, fmt::format("saga '{}': {}", name_, fault_));
  }
  SagaBuilder saga = saga_;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    saga.step(complete(i));
  }
  return saga.build();
}

}  // namespace flotilla::saga
