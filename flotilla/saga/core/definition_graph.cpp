#include "flotilla/saga/core/definition_graph.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace flotilla::saga {
namespace {

class Linker {
 public:
  Linker(std::span<const StepDraft> drafts, Definition& into, Faults& faults)
      : drafts_(drafts), into_(into), faults_(faults) {}

  void run() {
    for (const StepIndex i : step_indices(drafts_.size())) {
      link(i);
    }
    close();
    if (find_cycle()) {
      return;  // what is before and after what means nothing then
    }
    find_pivot();
    for (const StepIndex i : step_indices(drafts_.size())) {
      check_side(i);
    }
  }

 private:
  void link(StepIndex i) {
    Step& step = into_.steps[i];
    if (!drafts_[i].after) {
      if (i > 0) {
        step.after.set(i - 1U);
      }
    } else {
      for (const WrittenText& name : *drafts_[i].after) {
        const auto other = into_.find(name.value);
        if (!other) {
          std::vector<std::string_view> known;
          for (const Step& s : into_.steps) {
            known.emplace_back(s.name);
          }
          faults_.add(name.at, fmt::format("step '{}' waits for '{}', which is no step of this saga{}",
                                           step.name, name.value, hint(name.value, known)));
        } else if (*other == i) {
          faults_.add(name.at, fmt::format("step '{}' waits for itself; take it out of `after`", step.name));
        } else {
          step.after.set(*other);
        }
      }
    }
    for (const StepIndex other : step_indices(drafts_.size())) {
      if (step.after.test(other)) {
        into_.steps[other].before.set(i);
      }
    }
    if (step.after.none()) {
      into_.roots.set(i);
    }
  }

  // The transitive closure, by Warshall's algorithm on words.
  void close() {
    for (Step& step : into_.steps) {
      step.ancestors = step.after;
    }
    for (const StepIndex via : step_indices(into_.steps.size())) {
      for (Step& step : into_.steps) {
        if (step.ancestors.test(via)) {
          step.ancestors |= into_.steps[via].ancestors;
        }
      }
    }
    for (const StepIndex i : step_indices(into_.steps.size())) {
      for (const StepIndex other : step_indices(into_.steps.size())) {
        if (into_.steps[other].ancestors.test(i)) {
          into_.steps[i].descendants.set(other);
        }
      }
    }
  }

  // Names the shortest circle of the first step that lies on one.
  bool find_cycle() {
    StepIndex first = 0;
    while (first < into_.steps.size() && !into_.steps[first].ancestors.test(first)) {
      ++first;
    }
    if (first == into_.steps.size()) {
      return false;
    }
    std::string circle = into_.steps[first].name;
    for (const StepIndex step : way_back_to(first)) {
      circle += " after " + into_.steps[step].name;
    }
    faults_.add(place_of_after(first),
                fmt::format("the steps wait for each other: {}; no step of them could ever begin", circle));
    return true;
  }

  // From a step on a circle along predecessors, breadth first, until it comes again (as the last element).
  [[nodiscard]] std::vector<StepIndex> way_back_to(StepIndex first) const {
    std::vector<StepIndex> reached{first};
    std::array<StepIndex, kMaxSteps> from{};
    StepSet seen;
    for (std::size_t i = 0; !seen.test(first); ++i) {
      for (const StepIndex next : step_indices(into_.steps.size())) {
        if (into_.steps[reached[i]].after.test(next) && !seen.test(next)) {
          seen.set(next);
          from[next] = reached[i];
          reached.push_back(next);
        }
      }
    }
    std::vector<StepIndex> way{first};
    for (StepIndex at = from[first]; at != first; at = from[at]) {
      way.push_back(at);
    }
    std::ranges::reverse(way);
    return way;
  }

  [[nodiscard]] Position place_of_after(StepIndex i) const {
    const auto& after = drafts_[i].after;
    return after && !after->empty() ? after->front().at : drafts_[i].name.at;
  }

  void find_pivot() {
    for (const StepIndex i : step_indices(drafts_.size())) {
      if (into_.steps[i].kind != StepKind::pivot) {
        continue;
      }
      if (into_.pivot) {
        faults_.add(drafts_[i].kind.at,
                    fmt::format("step '{}' would be a second pivot after '{}'; a saga has one point of no "
                                "return: make the earlier one compensatable, or this one retriable",
                                into_.steps[i].name, into_.steps[*into_.pivot].name));
      } else {
        into_.pivot = i;
      }
    }
  }

  // Every step stands on one side of the pivot, with the kind of that side.
  void check_side(StepIndex i) {
    const Step& step = into_.steps[i];
    const Position at = drafts_[i].kind.at.line != 0 ? drafts_[i].kind.at : drafts_[i].name.at;
    if (!into_.pivot) {
      if (step.kind == StepKind::retriable) {
        faults_.add(at, fmt::format("step '{}' is retriable, but no pivot comes before it, so a failure "
                                    "elsewhere could not undo it; name a pivot, or make it compensatable",
                                    step.name));
      }
      return;
    }
    const std::string& pivot = into_.steps[*into_.pivot].name;
    if (i == *into_.pivot || step.kind == StepKind::pivot) {
      return;  // a second pivot has its fault already
    }
    const bool behind = step.ancestors.test(*into_.pivot);
    if (behind && step.kind != StepKind::retriable) {
      faults_.add(at, fmt::format("step '{}' comes after the pivot '{}', from where there is no way back; "
                                  "write `kind: retriable`, or move it before the pivot",
                                  step.name, pivot));
    } else if (!behind && !into_.steps[*into_.pivot].ancestors.test(i)) {
      faults_.add(drafts_[i].name.at,
                  fmt::format("step '{0}' may still be open when the pivot '{1}' runs; write `after: [{1}]` "
                              "here, or add '{0}' to the `after` of '{1}'",
                              step.name, pivot));
    } else if (!behind && step.kind == StepKind::retriable) {
      faults_.add(at, fmt::format("step '{}' is retriable, but comes before the pivot '{}', so a failure in "
                                  "between could not undo it; make it compensatable, or move it after",
                                  step.name, pivot));
    }
  }

  std::span<const StepDraft> drafts_;
  Definition& into_;
  Faults& faults_;
};

}  // namespace

void link_steps(std::span<const StepDraft> drafts, Definition& into, Faults& faults) {
  Linker(drafts, into, faults).run();
}

}  // namespace flotilla::saga
