#include "flotilla/saga/core/definition.hpp"

#include <algorithm>
#include <array>

namespace flotilla::saga {

std::string_view to_string(StepKind kind) noexcept {
  constexpr std::array<std::string_view, 3> names{"compensatable", "pivot", "retriable"};
  return names[static_cast<std::size_t>(kind)];
}

std::string_view to_string(Publication::Cause cause) noexcept {
  constexpr std::array<std::string_view, Publication::kCauses> names{
      "accepted",  "done",      "refused",     "undone", "aborting",
      "suspended", "completed", "compensated", "failed", "rejected"};
  return names[static_cast<std::size_t>(cause)];
}

std::optional<StepIndex> Definition::find(std::string_view step) const noexcept {
  const auto found = std::ranges::find(steps, step, &Step::name);
  return found == steps.end() ? std::nullopt : std::optional(static_cast<StepIndex>(found - steps.begin()));
}

}  // namespace flotilla::saga
