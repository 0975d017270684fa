// Compiling the expressions and templates of a saga, each against what it may see.
//
// For: definition_check.hpp. A text that compiles but reads what is not there at its time (a step that may
// not have run, `.saga.cause` before there is one, `$path` of a request) is a fault here and not at run time.
// Ownership: borrows the definition and the faults. Threads: one.
#pragma once

#include <optional>
#include <string_view>

#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/core/definition_draft.hpp"
#include "flotilla/saga/core/definition_faults.hpp"

namespace flotilla::saga {

// What stands in `.` when a text is evaluated, beside `.input`, `.saga.id` and `.saga.name`.
struct Sight {
  StepSet steps = {};
  bool cause = false;  // `.saga.cause`
  // The step whose undo this is, in `steps` too: reading it depends on an answer that may have been lost.
  std::optional<StepIndex> undone = {};
};

class TextCompiler {
 public:
  // `steps` needs only the names.
  TextCompiler(const Definition& steps, Faults& faults) : saga_(steps), faults_(faults) {}

  // `what` begins each message: "step 'charge', body". Nothing when there was a fault.
  [[nodiscard]] std::optional<call::Expression> expression(const WrittenText& text, std::string_view what,
                                                           const Sight& sight);
  [[nodiscard]] std::optional<call::TextTemplate> text(const WrittenText& text, std::string_view what,
                                                       const Sight& sight);
  [[nodiscard]] std::optional<call::CallTemplate> target(const WrittenText& text, std::string_view what,
                                                         const Sight& sight);

 private:
  bool check_parts(std::span<const call::TemplatePart> parts, Position at, std::string_view what,
                   const Sight& sight);
  bool check(std::string_view source, Position at, std::string_view what, const Sight& sight);
  // Empty if the members of that path are in sight.
  [[nodiscard]] std::string wrong_with(std::span<const std::string> path, const Sight& sight) const;
  [[nodiscard]] std::string wrong_with_step(std::span<const std::string> path, const Sight& sight) const;
  void check_undone(std::span<const std::string> path, Position at, std::string_view what,
                    const Sight& sight);

  const Definition& saga_;
  Faults& faults_;
};

}  // namespace flotilla::saga
