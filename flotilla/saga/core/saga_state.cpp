#include "flotilla/saga/core/saga_state.hpp"

#include <array>

namespace flotilla::saga {

std::string_view to_string(Phase phase) noexcept {
  constexpr std::array<std::string_view, 9> names{"none",        "running",      "committed",
                                                  "held",        "compensating", "completed",
                                                  "compensated", "failed",       "rejected"};
  return names[static_cast<std::size_t>(phase)];
}

std::string_view to_string(StepState::At at) noexcept {
  constexpr std::array<std::string_view, 11> names{"idle",     "exposed", "done",   "refused",
                                                   "unknown",  "undoing", "undone", "undo-blocked",
                                                   "forgiven", "skipped", "never"};
  return names[static_cast<std::size_t>(at)];
}

bool has_undo(const Step& step) noexcept {
  const auto* nested = std::get_if<NestedSaga>(&step.action);
  return step.undo.has_value() || (nested != nullptr && !nested->has_pivot);
}

bool needs_undo(const SagaState& state, StepIndex step) noexcept {
  switch (state.steps[step].at) {
    case StepState::At::exposed:
    case StepState::At::done:
    case StepState::At::unknown:
      return has_undo(state.definition->steps[step]);
    case StepState::At::undoing:
    case StepState::At::blocked:
      return true;
    default:
      return false;
  }
}

}  // namespace flotilla::saga
