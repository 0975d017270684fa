#include "flotilla/saga/core/simulation/user_report.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

namespace flotilla::saga::simulation {
namespace {

using json::Value;

// In single quotes where a shell needs them.
std::string quoted(const std::string& text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '.' || c == '_' || c == '-' || c == ':';
  };
  if (!text.empty() && std::ranges::all_of(text, plain)) {
    return text;
  }
  std::string out = "'";
  for (const char c : text) {
    out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return out + "'";
}

const Definition* definition_of(const UserRun& run, std::string_view name) {
  const auto found = std::ranges::find_if(run.config().all, [&](const auto& d) { return d->name == name; });
  return found == run.config().all.end() ? nullptr : found->get();
}

std::string call_of(const Step& step, Op op) {
  const auto* action = std::get_if<Request>(&step.action);
  const Request* request = op == Op::undo && step.undo ? &*step.undo : action;
  return request == nullptr ? "" : request->target.text();
}

bool accepted(const UserReportConfig& config, Finding::Kind kind, const std::string& step) {
  const std::string name(to_string(kind));
  return config.accept.contains(name) || config.accept.contains(name + ":" + step);
}

// What it means, and the way out.
std::string explain(Finding::Kind kind, const Step& step, const Finding& finding) {
  switch (kind) {
    case Finding::Kind::twice:
      return fmt::format(
          "'{}' took effect more than once: when an answer is lost it is sent again, and "
          "nothing says that `{}` knows a repeated Idempotency-Key. Write `idempotent: key` or "
          "`barrier: true` if it does; see docs/sagas.md",
          step.name, call_of(step, Op::action));
    case Finding::Kind::undo_twice:
      return fmt::format(
          "the undo of '{}' acted more often than its action: nothing says that `{}` knows a "
          "repeated Idempotency-Key, or an action that never came. Write `idempotent: key` or "
          "`barrier: true` if it does; see docs/sagas.md",
          step.name, call_of(step, Op::undo));
    case Finding::Kind::left_behind:
      return fmt::format(
          "a saga ended compensated, and what '{}' did is still there (`undo: none`: {}). Give "
          "it an undo, or move it after the pivot",
          step.name, step.no_undo_because);
    case Finding::Kind::not_undone:
      return fmt::format(
          "a saga ended compensated, and an effect of '{}' is still there: a repeated request was refused "
          "although the first had worked, or it arrived after its undo. A service that knows nothing of keys "
          "cannot tell",
          step.name);
    case Finding::Kind::no_text:
      return fmt::format(
          "a text cannot be made of the input and the answers that were made up, at step '{}': {}. "
          "Give an input with --input, or mend the text",
          step.name, finding.detail);
  }
  return {};
}

struct Found {
  Finding::Kind kind;
  const Step* step;
  const Finding* finding;
  std::string saga;
  bool accepted;
};

std::vector<Found> findings_of(const UserRun& run, const UserReportConfig& config) {
  std::vector<Found> all;
  for (const auto& [key, finding] : run.coverage().findings) {
    const auto& [kind, saga, index] = key;
    if (const Definition* definition = definition_of(run, saga)) {
      const Step& step = definition->steps[index];
      all.push_back({.kind = kind,
                     .step = &step,
                     .finding = &finding,
                     .saga = saga,
                     .accepted = accepted(config, kind, step.name)});
    }
  }
  return all;
}

// The ways in which a step can be reached, and how often it was; empty names do not apply to it.
struct Way {
  std::string_view name;
  std::uint64_t times = 0;
  bool applies = false;
};
std::array<Way, 6> ways_of(const Step& step, const StepTally& tally) {
  const auto* request = std::get_if<Request>(&step.action);
  const bool nested = std::holds_alternative<NestedSaga>(step.action);
  return {{{.name = "done", .times = tally.done, .applies = true},
           {.name = "refused", .times = tally.refused, .applies = request != nullptr || nested},
           {.name = "unknown",
            .times = tally.unknown,
            .applies = request != nullptr && step.kind != StepKind::retriable},
           {.name = "skipped", .times = tally.skipped, .applies = step.when.has_value()},
           {.name = "undone",
            .times = tally.undone,
            .applies = step.undo.has_value() || (nested && step.no_undo_because.empty())},
           {.name = "blocked", .times = tally.blocked, .applies = step.undo.has_value()}}};
}

SagaTally tally_of(const UserRun& run, const Definition& definition) {
  const auto found = run.coverage().tallies.find(definition.name);
  SagaTally tally = found == run.coverage().tallies.end() ? SagaTally() : found->second;
  tally.steps.resize(definition.steps.size());
  return tally;
}

std::string table_of(const Definition& definition, const SagaTally& tally) {
  std::string text = fmt::format("  {:<20} {:<14} {:<8}", "step", "kind", "service");
  for (const std::string_view way : {"done", "refused", "unknown", "skipped", "undone", "blocked"}) {
    text += fmt::format(" {:>8}", way);
  }
  text += "\n";
  for (std::size_t i = 0; i < definition.steps.size(); ++i) {
    const Step& step = definition.steps[i];
    const bool wait =
        std::holds_alternative<SignalWait>(step.action) || std::holds_alternative<TimerWait>(step.action);
    const bool nested = std::holds_alternative<NestedSaga>(step.action);
    text += fmt::format("  {:<20} {:<14} {:<8}", step.name, to_string(step.kind),
                        wait     ? "wait"
                        : nested ? "saga"
                                 : to_string(declared_grade(step, Op::action)));
    for (const Way& way : ways_of(step, tally.steps[i])) {
      text += fmt::format(" {:>8}", way.applies ? fmt::to_string(way.times) : "-");
    }
    text += "\n";
  }
  return text;
}

// Transitions that such a definition cannot make are not missed.
bool can_happen(const UserRun& run, Transition transition) {
  using enum Transition;
  bool pivot = false;
  bool nested = false;
  bool held = false;
  bool request = false;
  bool undo = false;
  bool retriable = false;
  bool locks = false;
  bool unknown_aborts = false;
  bool unknown_suspends = false;
  bool deadline = false;
  for (const DefinitionPtr& each : run.config().all) {
    pivot |= each->pivot.has_value();
    nested |= each != run.config().saga;
    held |= each != run.config().saga && !each->pivot;
    locks |= !each->locks.keys.empty();
    deadline |= each->deadline.has_value();
    for (const Step& step : each->steps) {
      const bool asks = std::holds_alternative<Request>(step.action);
      request |= asks;
      undo |= step.undo.has_value();
      retriable |= asks && step.kind == StepKind::retriable;
      unknown_aborts |= asks && step.kind != StepKind::retriable && step.abort_when_unknown;
      unknown_suspends |= asks && step.kind == StepKind::pivot && !step.abort_when_unknown;
    }
  }
  switch (transition) {
    case s3:
      return !run.config().input;  // the same input is never another
    case s4b:
      return locks;
    case s6:
      return pivot;
    case s7:
      return request;
    case s8:
      return unknown_aborts;
    case s9:
      return unknown_suspends;
    case s10:
      return deadline;
    case s11b:
      return pivot;
    case s13:
      return retriable;
    case s14:
      return retriable && deadline;
    case s15:
    case s16:
      return undo;
    case s21:
    case s22:
    case s23:
      return nested && held;
    default:
      return true;
  }
}

std::string_view meaning(Transition transition) noexcept {
  constexpr std::array<std::string_view, kTransitions> texts{"a saga starts",
                                                             "a start is repeated",
                                                             "a key is used again with another input",
                                                             "locks are held and the first step is sent",
                                                             "a saga ends before it has its locks",
                                                             "a step succeeds",
                                                             "the pivot succeeds",
                                                             "a step is refused",
                                                             "a step's effect stays unknown, and is undone",
                                                             "the pivot's effect stays unknown",
                                                             "the deadline passes",
                                                             "a cancel",
                                                             "a cancel while the pivot decides",
                                                             "a cancel that is too late",
                                                             "a step after the pivot is refused",
                                                             "the deadline passes after the pivot",
                                                             "an undo succeeds",
                                                             "an undo is refused",
                                                             "everything is undone",
                                                             "a saga completes",
                                                             "a person acts on a suspended saga",
                                                             "a person gives a saga up",
                                                             "a nested saga is held",
                                                             "a held saga completes with its parent",
                                                             "a held saga is undone by its parent"};
  return texts[static_cast<std::size_t>(transition)];
}

std::string coverage_text(const UserRun& run) {
  std::string text;
  for (const DefinitionPtr& each : run.config().all) {
    const SagaTally tally = tally_of(run, *each);
    text +=
        fmt::format("\n{}: {} started; {} completed, {} compensated, {} failed, {} rejected\n", each->name,
                    tally.started, tally.completed, tally.compensated, tally.failed, tally.rejected);
    text += table_of(*each, tally);
    for (const auto& [why, times] : tally.suspended) {
      const auto& [reason, step] = why;
      text += fmt::format("  needed a person: {} at '{}', {} times\n", to_string(reason),
                          each->steps[step].name, times);
    }
    for (std::size_t i = 0; i < each->steps.size(); ++i) {
      for (const Way& way : ways_of(each->steps[i], tally.steps[i])) {
        if (way.applies && way.times == 0) {
          text += fmt::format("  never: '{}' {}\n", each->steps[i].name, way.name);
        }
      }
    }
  }
  text += "\n";
  std::size_t possible = 0;
  std::size_t reached = 0;
  std::string missed;
  for (std::size_t i = 0; i < kTransitions; ++i) {
    const auto transition = static_cast<Transition>(i);
    if (can_happen(run, transition)) {
      ++possible;
      reached += run.coverage().transitions[i] > 0 ? 1 : 0;
      if (run.coverage().transitions[i] == 0) {
        missed += fmt::format("  never: {} ({})\n", to_string(transition), meaning(transition));
      }
    }
  }
  std::size_t rows = 0;
  for (const auto& row : run.coverage().rows) {
    rows += row[0] > 0 ? 1 : 0;
  }
  text += fmt::format("{} of {} transitions that it can make, {} of {} kinds of answers to an action\n{}",
                      reached, possible, rows, kVerdictRows, missed);
  return text;
}

void indent(std::string& text, const std::string& lines) {
  std::size_t at = 0;
  while (at < lines.size()) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size());
    text += "    " + lines.substr(at, end - at) + "\n";
    at = end + 1;
  }
}

}  // namespace

std::string replay_command(const UserRun& run, const UserReportConfig& config, std::uint64_t seed) {
  return fmt::format("flotilla simulate {} --saga {} --seed {} --seeds 1 --events {}{} --trace",
                     quoted(config.file), run.config().saga->name, seed, run.config().events,
                     config.input.empty() ? "" : " --input " + quoted(config.input));
}

bool is_bad(const UserRun& run, const UserReportConfig& config) {
  return !run.violations().empty() ||
         std::ranges::any_of(findings_of(run, config), [](const Found& each) { return !each.accepted; });
}

std::string report_text(const UserRun& run, const UserReportConfig& config) {
  const Coverage& coverage = run.coverage();
  std::string text =
      fmt::format("{}: seeds {} to {}, {} events, {} sagas, {} crashes\n", run.config().saga->name,
                  run.config().first, run.config().first + std::max<std::uint64_t>(run.seeds_done(), 1) - 1,
                  coverage.events, coverage.sagas, coverage.crashed);
  for (const UserViolation& each : run.violations()) {
    text += fmt::format(
        "\nVIOLATION at seed {}: {}\n  This is a mistake of Flotilla, not of the definition; "
        "please report it with the file and this line:\n  {}\n",
        each.seed, each.what, replay_command(run, config, each.seed));
    indent(text, each.timeline);
  }
  for (const Found& each : findings_of(run, config)) {
    text +=
        fmt::format("\n{} {} in {} sagas: {}\n", each.accepted ? "accepted" : "FINDING", to_string(each.kind),
                    each.finding->sagas, explain(each.kind, *each.step, *each.finding));
    if (!each.accepted) {
      text += fmt::format("  first in saga {} of seed {}{}; the whole of it:\n  {}\n",
                          each.finding->saga.text().substr(20), each.finding->seed,
                          each.finding->detail.empty() || each.kind == Finding::Kind::no_text
                              ? ""
                              : ", with " + each.finding->detail,
                          replay_command(run, config, each.finding->seed));
      indent(text, run.timeline_of(*each.finding));
    }
  }
  return text + coverage_text(run);
}

Value report_json(const UserRun& run, const UserReportConfig& config) {
  const Coverage& coverage = run.coverage();
  Value violations = Value::array();
  for (const UserViolation& each : run.violations()) {
    violations.push_back(Value::object({{"what", each.what},
                                        {"seed", each.seed},
                                        {"replay", replay_command(run, config, each.seed)},
                                        {"timeline", each.timeline}}));
  }
  Value findings = Value::array();
  for (const Found& each : findings_of(run, config)) {
    findings.push_back(Value::object({{"kind", to_string(each.kind)},
                                      {"saga", each.saga},
                                      {"step", each.step->name},
                                      {"sagas", each.finding->sagas},
                                      {"seed", each.finding->seed},
                                      {"accepted", each.accepted},
                                      {"detail", explain(each.kind, *each.step, *each.finding)},
                                      {"replay", replay_command(run, config, each.finding->seed)}}));
  }
  Value sagas = Value::array();
  for (const DefinitionPtr& each : run.config().all) {
    const SagaTally tally = tally_of(run, *each);
    Value steps = Value::array();
    for (std::size_t i = 0; i < each->steps.size(); ++i) {
      Value step = Value::object({{"name", each->steps[i].name}});
      for (const Way& way : ways_of(each->steps[i], tally.steps[i])) {
        if (way.applies) {
          step.set(way.name, way.times);
        }
      }
      steps.push_back(std::move(step));
    }
    sagas.push_back(Value::object({{"name", each->name},
                                   {"started", tally.started},
                                   {"completed", tally.completed},
                                   {"compensated", tally.compensated},
                                   {"failed", tally.failed},
                                   {"rejected", tally.rejected},
                                   {"steps", std::move(steps)}}));
  }
  Value transitions = Value::object();
  for (std::size_t i = 0; i < kTransitions; ++i) {
    if (can_happen(run, static_cast<Transition>(i))) {
      transitions.set(to_string(static_cast<Transition>(i)), coverage.transitions[i]);
    }
  }
  return Value::object({{"saga", run.config().saga->name},
                        {"first_seed", run.config().first},
                        {"seeds", run.seeds_done()},
                        {"events", coverage.events},
                        {"crashes", coverage.crashed},
                        {"ok", !is_bad(run, config)},
                        {"violations", std::move(violations)},
                        {"findings", std::move(findings)},
                        {"sagas", std::move(sagas)},
                        {"transitions", std::move(transitions)}});
}

}  // namespace flotilla::saga::simulation
