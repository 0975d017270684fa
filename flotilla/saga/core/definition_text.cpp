#include "flotilla/saga/core/definition_text.hpp"

#include <array>

#include "flotilla/expr/core/program.hpp"
#include "flotilla/expr/core/reads.hpp"

namespace flotilla::saga {
namespace {

constexpr std::array<std::string_view, 3> kScope{"input", "steps", "saga"};
constexpr std::array<std::string_view, 3> kOfSaga{"id", "name", "cause"};

std::string joined(std::span<const std::string> path) {
  std::string text;
  for (const std::string& key : path) {
    text += "." + key;
  }
  return text;
}

}  // namespace

std::optional<call::Expression> TextCompiler::expression(const WrittenText& text, std::string_view what,
                                                         const Sight& sight) {
  if (!check(text.value, text.at, what, sight)) {
    return std::nullopt;
  }
  return *call::Expression::compile(text.value);  // it compiled with fewer variables
}

std::optional<call::TextTemplate> TextCompiler::text(const WrittenText& text, std::string_view what,
                                                     const Sight& sight) {
  auto parsed = call::TextTemplate::parse(text.value);
  if (!parsed) {
    faults_.add(text.at, fmt::format("{}: {}", what, parsed.error().message));
    return std::nullopt;
  }
  return check_parts(parsed->parts(), text.at, what, sight) ? std::optional(*std::move(parsed))
                                                            : std::nullopt;
}

std::optional<call::CallTemplate> TextCompiler::target(const WrittenText& text, std::string_view what,
                                                       const Sight& sight) {
  auto parsed = call::CallTemplate::parse(text.value);
  if (!parsed) {
    faults_.add(text.at, fmt::format("{}: {}", what, parsed.error().message));
    return std::nullopt;
  }
  const bool path = check_parts(parsed->path(), text.at, what, sight);
  const bool query = check_parts(parsed->query(), text.at, what, sight);
  return path && query ? std::optional(*std::move(parsed)) : std::nullopt;
}

bool TextCompiler::check_parts(std::span<const call::TemplatePart> parts, Position at, std::string_view what,
                               const Sight& sight) {
  bool good = true;
  for (const call::TemplatePart& part : parts) {
    if (part.kind == call::TemplatePart::Kind::parameter) {
      faults_.add(at, fmt::format("{}: {{{}}} would be a parameter of a route, and a saga has none; write "
                                  "{{.input.{}}} for a member of its input",
                                  what, part.text, part.text));
      good = false;
    } else if (part.kind == call::TemplatePart::Kind::expression) {
      good &= check(part.text, at, what, sight);
    }
  }
  return good;
}

bool TextCompiler::check(std::string_view source, Position at, std::string_view what, const Sight& sight) {
  const auto program = expr::compile(source);
  if (!program) {
    faults_.add(at, fmt::format("{}: {}", what, program.error().to_error().message));
    return false;
  }
  bool good = true;
  for (const expr::MemberPath& path : expr::members_read(*program)) {
    if (const std::string wrong = wrong_with(path, sight); !wrong.empty()) {
      faults_.add(at, fmt::format("{}: {}", what, wrong));
      good = false;
    } else {
      check_undone(path, at, what, sight);
    }
  }
  return good;
}

std::string TextCompiler::wrong_with(std::span<const std::string> path, const Sight& sight) const {
  const bool all_steps = sight.steps.count() == saga_.steps.size();
  if (path.empty()) {
    return all_steps ? ""
                     : "reads all of `.`, and some steps have no answer yet; name what it needs: .input, "
                       ".steps.NAME or .saga";
  }
  if (path[0] == "input") {
    return "";
  }
  if (path[0] == "steps") {
    return path.size() > 1 || all_steps ? wrong_with_step(path.subspan(1), sight)
                                        : "reads all of `.steps`, and some have no answer yet; name those it "
                                          "needs, as in .steps.NAME";
  }
  if (path[0] != "saga") {
    return fmt::format(
        "reads `{}`, but `.` has only input, steps and saga here; write .input.{} for a member "
        "of the input{}",
        joined(path), path[0], hint(path[0], kScope));
  }
  if (path.size() == 1) {
    return "";
  }
  if (path[1] == "cause" && !sight.cause) {
    return "reads `.saga.cause`, which there is only once the saga aborts; read it in an undo or in what is "
           "published from then on";
  }
  const bool known = std::ranges::find(kOfSaga, path[1]) != kOfSaga.end();
  return known ? ""
               : fmt::format("reads `.saga.{}`, but `.saga` has only id, name and cause{}", path[1],
                             hint(path[1], kOfSaga));
}

std::string TextCompiler::wrong_with_step(std::span<const std::string> path, const Sight& sight) const {
  if (path.empty()) {
    return "";
  }
  const auto step = saga_.find(path[0]);
  if (!step) {
    std::vector<std::string_view> known;
    for (const Step& s : saga_.steps) {
      known.emplace_back(s.name);
    }
    return fmt::format("reads `.steps.{0}`, but there is no step '{0}'{1}", path[0], hint(path[0], known));
  }
  if (!sight.steps.test(*step)) {
    return fmt::format(
        "reads `.steps.{0}`, which has no answer yet at that time; only steps that come before "
        "have one: see `after`",
        path[0]);
  }
  return "";
}

void TextCompiler::check_undone(std::span<const std::string> path, Position at, std::string_view what,
                                const Sight& sight) {
  if (!sight.undone || path.size() < 2 || path[0] != "steps" || path[1] != saga_.steps[*sight.undone].name) {
    return;
  }
  const Step& step = saga_.steps[*sight.undone];
  if (step.abort_when_unknown) {
    faults_.add(at,
                fmt::format("{}: reads `.steps.{}`, the answer to the action it undoes, and that may have "
                            "been lost; read .input instead, or write `on_unknown: suspend`",
                            what, step.name));
  } else {
    faults_.warn(at,
                 fmt::format("{}: reads `.steps.{}`, the answer to the action it undoes; when a failure "
                             "elsewhere undoes the step while that answer is lost, the saga is suspended: "
                             "read .input instead",
                             what, step.name));
  }
}

}  // namespace flotilla::saga
