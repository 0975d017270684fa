#include "flotilla/saga/core/simulation/small_space.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/saga/core/builder.hpp"
#include "flotilla/saga/core/simulation/small_world.hpp"

namespace flotilla::saga::simulation {
namespace {

using namespace std::chrono_literals;

// `kinds`: c compensatable, p pivot, r retriable; `after`: for each step those it waits for, as digits, or
// nothing for a sequence.
struct SmallShape {
  std::string_view kinds;
  std::vector<std::string_view> after;
};

const std::vector<SmallShape>& shapes() {
  static const std::vector<SmallShape> all{
      {.kinds = "c", .after = {}},
      {.kinds = "p", .after = {}},
      {.kinds = "cc", .after = {}},
      {.kinds = "cp", .after = {}},
      {.kinds = "pr", .after = {}},
      {.kinds = "cc", .after = {"", ""}},
      {.kinds = "ccc", .after = {}},
      {.kinds = "ccp", .after = {}},
      {.kinds = "cpr", .after = {}},
      {.kinds = "prr", .after = {}},
      {.kinds = "ccc", .after = {"", "", ""}},
      {.kinds = "ccc", .after = {"", "", "01"}},
      {.kinds = "ccp", .after = {"", "", "01"}},
      {.kinds = "ccc", .after = {"", "0", "0"}},
      {.kinds = "prr", .after = {"", "0", "0"}},
  };
  return all;
}

DefinitionPtr build(const SmallShape& shape, std::size_t number, std::uint32_t attempts) {
  SagaBuilder saga(fmt::format("{}-{}-{}", shape.kinds, number, attempts));
  for (std::size_t i = 0; i < shape.kinds.size(); ++i) {
    const std::string name(1, static_cast<char>('a' + i));
    StepBuilder step(name);
    step.action("POST s/" + name).timeout(1s).replays_answers();
    if (!shape.after.empty()) {
      const std::string_view after = shape.after[i];
      if (after.empty()) {
        step.after({});
      } else if (after == "0") {
        step.after({"a"});
      } else {
        step.after({"a", "b"});
      }
    }
    if (shape.kinds[i] == 'c') {
      step.undo("DELETE s/" + name);
    } else if (shape.kinds[i] == 'p') {
      step.pivot();
    } else {
      step.retriable();
    }
    if (shape.kinds[i] == 'r') {
      step.retry({.attempts = {}, .within = {}, .first = 100ms, .cap = 1s, .factor = {}});
    } else {
      step.retry({.attempts = attempts, .within = {}, .first = 100ms, .cap = 1s, .factor = {}});
    }
    saga.step(step);
  }
  auto built = saga.build({});
  FLOTILLA_ASSERT(built.has_value());
  return *std::move(built);
}

}  // namespace

std::string to_string(const SmallCase& small) {
  constexpr std::array<std::string_view, kFirsts> names{"done", "refused", "lost", "again"};
  std::string text = small.definition->name + ":";
  for (const First first : small.actions) {
    text += fmt::format(" {}", names[static_cast<std::size_t>(first)]);
  }
  return text + fmt::format(", undos {}, crash at {}, twice {}", names[static_cast<std::size_t>(small.undos)],
                            small.crash_at, small.twice_at);
}

SmallSpace::SmallSpace(EngineFaults faults) : faults_(faults) {
  for (std::size_t i = 0; i < shapes().size(); ++i) {
    const SmallShape& shape = shapes()[i];
    if (shape.kinds.size() < 3) {
      add(build(shape, i, 1));
      add(build(shape, i, 3));
    } else {
      add(build(shape, i, 2));
    }
  }
}

void SmallSpace::add(const DefinitionPtr& definition) {
  catalogue_.add(definition);
  const std::size_t steps = definition->steps.size();
  std::uint32_t vectors = 1;
  for (std::size_t i = 0; i < steps; ++i) {
    vectors *= kFirsts;
  }
  for (std::uint32_t vector = 0; vector < vectors; ++vector) {
    SmallCase small{.definition = definition, .actions = {}};
    for (std::uint32_t rest = vector, i = 0; i < steps; ++i, rest /= kFirsts) {
      small.actions.push_back(static_cast<First>(rest % kFirsts));
    }
    for (const First undos : {First::done, First::lost, First::refused, First::again}) {
      if (vector != 0 || undos == First::done) {  // without a failure nothing is undone
        small.undos = undos;
        bases_.push_back(small);
      }
    }
  }
}

SmallOutcome SmallSpace::run(const SmallCase& small) {
  return SmallWorld(small, catalogue_, coverage_, faults_).run();
}

SmallSpace::Tried SmallSpace::all_of(std::size_t base) {
  Tried tried;
  SmallCase small = bases_[base];
  const auto attempt = [&] {
    SmallOutcome outcome = run(small);
    ++tried.runs;
    if (!outcome.violation.empty()) {
      tried.violation = to_string(small) + ": " + outcome.violation;
    }
    return outcome;
  };
  // A crash changes how many messages there are, and a duplicate how many boundaries: each is asked of the
  // run that has the other.
  std::uint32_t boundaries = 0;
  for (small.crash_at = 0; small.crash_at <= boundaries && tried.violation.empty(); ++small.crash_at) {
    std::uint32_t messages = 0;
    for (small.twice_at = 0; small.twice_at <= messages && tried.violation.empty(); ++small.twice_at) {
      const SmallOutcome outcome = attempt();
      if (small.twice_at == 0) {
        messages = outcome.messages;
      }
      if (small.crash_at == 0) {
        boundaries = std::max(boundaries, outcome.boundaries);
      }
    }
  }
  return tried;
}

}  // namespace flotilla::saga::simulation
