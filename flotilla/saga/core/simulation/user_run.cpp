#include "flotilla/saga/core/simulation/user_run.hpp"

#include <algorithm>

namespace flotilla::saga::simulation {

std::vector<DefinitionPtr> with_nested(const DefinitionPtr& saga, const std::vector<DefinitionPtr>& known) {
  std::vector<DefinitionPtr> all{saga};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const DefinitionPtr outer = all[i];
    for (const Step& step : outer->steps) {
      const auto* nested = std::get_if<NestedSaga>(&step.action);
      const auto found =
          nested == nullptr ? known.end() : std::ranges::find_if(known, [&](const DefinitionPtr& each) {
            return each->hash == nested->hash;
          });
      if (found != known.end() && std::ranges::find(all, *found) == all.end()) {
        all.push_back(*found);
      }
    }
  }
  return all;
}

UserRun::UserRun(UserRunConfig config)
    : config_(std::move(config)), catalogue_(config_.all, config_.saga, config_.input) {}

bool UserRun::next() {
  if (done_ == config_.seeds || violations_.size() == kMaxViolations) {
    return false;
  }
  const std::uint64_t seed = config_.first + done_++;
  const Outcome outcome =
      World({.seed = seed, .events = config_.events, .faults = config_.faults}, catalogue_, coverage_).run();
  if (!outcome.violation.empty()) {
    const auto only = outcome.saga.is_none() ? std::nullopt : std::optional(outcome.saga);
    violations_.push_back({.what = outcome.violation,
                           .seed = seed,
                           .timeline = text_of(again(seed).timeline, only, kMaxTimelineLines)});
  }
  return true;
}

Outcome UserRun::again(std::uint64_t seed) const {
  Coverage ignored;
  return World({.seed = seed, .events = config_.events, .faults = config_.faults, .trace = true}, catalogue_,
               ignored)
      .run();
}

std::string UserRun::timeline_of(const Finding& finding) const {
  return text_of(again(finding.seed).timeline, finding.saga, kMaxTimelineLines);
}

std::string UserRun::trace(std::uint64_t seed) const { return text_of(again(seed).timeline); }

}  // namespace flotilla::saga::simulation
