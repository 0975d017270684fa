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

std::vector<ServiceName> services_of(const Definition& definition) {
  std::vector<ServiceName> services;
  const auto add = [&](const Request* request) {
    if (request != nullptr && std::ranges::find(services, request->target.service()) == services.end()) {
      services.push_back(request->target.service());
    }
  };
  for (const Step& step : definition.steps) {
    add(std::get_if<Request>(&step.action));
    add(step.undo ? &*step.undo : nullptr);
    add(step.status ? &*step.status : nullptr);
  }
  return services;
}

}  // namespace flotilla::saga
