#include "flotilla/saga/core/definition_graph.hpp"

#include <gtest/gtest.h>

#include "flotilla/base/random.hpp"

namespace flotilla::saga {
namespace {

struct Graph {
  std::vector<StepDraft> drafts;
  Definition saga;
  std::vector<Fault> faults;
};

Graph linked(std::vector<StepDraft> drafts) {
  Graph graph{.drafts = std::move(drafts), .saga = {}, .faults = {}};
  for (const StepDraft& draft : graph.drafts) {
    Step step;
    step.name = draft.name.value;
    step.kind = draft.kind.value;
    graph.saga.steps.push_back(std::move(step));
  }
  Faults faults;
  link_steps(graph.drafts, graph.saga, faults);
  graph.faults = faults.take();
  return graph;
}

// Steps named 0.., each waiting for some of the others, mostly earlier ones; kinds at random.
std::vector<StepDraft> random_steps(Random& random) {
  const auto count = static_cast<std::size_t>(1 + random.below(8));
  const bool any_order = random.below(4) == 0;
  const std::size_t pivot = random.below(2 * count);
  std::vector<StepDraft> drafts;
  for (std::size_t i = 0; i < count; ++i) {
    StepDraft draft{.name = {std::to_string(i)}};
    draft.after.emplace();
    for (std::size_t other = 0; other < count; ++other) {
      if (other != i && (any_order || other < i) && random.below(3) == 0) {
        draft.after->push_back({std::to_string(other)});
      }
    }
    draft.kind.value = i == pivot                           ? StepKind::pivot
                       : i > pivot && random.below(10) != 0 ? StepKind::retriable
                       : random.below(20) == 0              ? StepKind::retriable
                                                            : StepKind::compensatable;
    drafts.push_back(std::move(draft));
  }
  return drafts;
}

// Whether `from` comes before `to`, by following `after` with no regard to efficiency.
bool comes_before(const std::vector<StepDraft>& drafts, std::size_t from, std::size_t to, std::size_t depth) {
  if (depth > drafts.size()) {
    return false;
  }
  for (const WrittenText& name : *drafts[to].after) {
    const auto other = static_cast<std::size_t>(std::stoul(name.value));
    if (other == from || comes_before(drafts, from, other, depth + 1)) {
      return true;
    }
  }
  return false;
}

// The rules of definition.hpp, as they are written there.
bool is_sound(const std::vector<StepDraft>& drafts) {
  std::vector<std::size_t> pivots;
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    if (comes_before(drafts, i, i, 0)) {
      return false;
    }
    if (drafts[i].kind.value == StepKind::pivot) {
      pivots.push_back(i);
    }
  }
  if (pivots.size() > 1) {
    return false;
  }
  for (std::size_t i = 0; i < drafts.size(); ++i) {
    const bool retriable = drafts[i].kind.value == StepKind::retriable;
    if (pivots.empty() ? retriable
                       : i != pivots[0] && (comes_before(drafts, pivots[0], i, 0)
                                                ? !retriable
                                                : retriable || !comes_before(drafts, i, pivots[0], 0))) {
      return false;
    }
  }
  return true;
}

TEST(DefinitionGraph, AgreesWithTheRulesOnRandomGraphs) {
  constexpr std::uint64_t kSeed = 20'261'124;
  SCOPED_TRACE(testing::Message() << "seed " << kSeed);
  Random random(kSeed);
  std::size_t sound = 0;
  std::size_t with_pivot = 0;
  constexpr std::size_t kGraphs = 20'000;
  for (std::size_t i = 0; i < kGraphs; ++i) {
    const Graph graph = linked(random_steps(random));
    const bool expected = is_sound(graph.drafts);
    ASSERT_EQ(graph.faults.empty(), expected) << "graph " << i;
    if (!expected) {
      continue;
    }
    ++sound;
    with_pivot += graph.saga.pivot.has_value() ? 1 : 0;
    for (std::size_t a = 0; a < graph.drafts.size(); ++a) {
      ASSERT_EQ(graph.saga.roots.test(a), graph.drafts[a].after->empty());
      for (std::size_t b = 0; b < graph.drafts.size(); ++b) {
        const bool before = comes_before(graph.drafts, a, b, 0);
        ASSERT_EQ(graph.saga.steps[b].ancestors.test(a), before);
        ASSERT_EQ(graph.saga.steps[a].descendants.test(b), before);
        ASSERT_EQ(graph.saga.steps[a].before.test(b), graph.saga.steps[b].after.test(a));
      }
    }
  }
  // Both sides are met often enough to mean something.
  EXPECT_GT(sound, kGraphs / 20);
  EXPECT_GT(with_pivot, kGraphs / 100);
  EXPECT_LT(sound, kGraphs * 19 / 20);
}

}  // namespace
}  // namespace flotilla::saga
