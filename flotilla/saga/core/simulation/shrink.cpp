#include "flotilla/saga/core/simulation/shrink.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace flotilla::saga::simulation {
namespace {

Outcome run(const WorldConfig& config, const Catalogue& catalogue) {
  Coverage ignored;
  return World(config, catalogue, ignored).run();
}

std::string_view invariant_of(std::string_view violation) { return violation.substr(0, violation.find(':')); }

}  // namespace

Shrunk shrink(const WorldConfig& config, const Catalogue& catalogue) {
  Shrunk shrunk{.config = config, .violation = {}};
  const Outcome whole = run(config, catalogue);
  if (whole.violation.empty()) {
    return shrunk;
  }
  shrunk.violation = whole.violation;
  const auto try_it = [&](const WorldConfig& smaller) {
    Outcome outcome = run(smaller, catalogue);
    const bool same =
        !outcome.violation.empty() && invariant_of(outcome.violation) == invariant_of(whole.violation);
    if (same) {
      shrunk.config = smaller;
      shrunk.config.events = std::min(smaller.events, std::max<std::size_t>(outcome.events, 1));
      shrunk.violation = std::move(outcome.violation);
    }
    return same;
  };
  (void)try_it(config);  // nothing that comes after the violation is needed
  bool smaller = true;
  while (smaller) {
    smaller = false;
    for (std::size_t i = 0; i < kFaultNames.size(); ++i) {
      WorldConfig fewer = shrunk.config;
      fewer.without |= 1U << i;
      smaller |= fewer.without != shrunk.config.without && try_it(fewer);
    }
    for (const std::size_t share : {2U, 4U, 8U}) {
      WorldConfig shorter = shrunk.config;
      shorter.events -= shorter.events / share;
      smaller |= shorter.events != shrunk.config.events && try_it(shorter);
    }
  }
  return shrunk;
}

std::string to_string(const Shrunk& shrunk) {
  std::string text = fmt::format("{} events", shrunk.config.events);
  std::string_view before = ", with ";
  for (std::size_t i = 0; i < kFaultNames.size(); ++i) {
    if ((shrunk.config.without >> i & 1U) == 0) {
      text += fmt::format("{}{}", before, kFaultNames[i]);
      before = ", ";
    }
  }
  return text;
}

}  // namespace flotilla::saga::simulation
