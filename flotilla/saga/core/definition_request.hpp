// A saga's requests and how often they are sent again, compiled.
//
// For: definition_step.hpp. Ownership: borrows its arguments for its life. Threads: one.
#pragma once

#include <optional>
#include <string_view>

#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/core/definition_draft.hpp"
#include "flotilla/saga/core/definition_faults.hpp"
#include "flotilla/saga/core/definition_text.hpp"

namespace flotilla::saga {

// Whether `value` lies within; else a fault that says the bounds. `what` begins the message.
bool within_bounds(const Written<Duration>& value, Duration least, Duration most, std::string_view what,
                   Faults& faults);

class RequestCompiler {
 public:
  RequestCompiler(std::string_view step, TextCompiler& text, Faults& faults)
      : step_(step), text_(text), faults_(faults) {}

  // `part` is action, undo or status; `timeout` that of an attempt unless the draft has one. Nothing when
  // there was a fault.
  [[nodiscard]] std::optional<Request> compile(const RequestDraft& draft, std::string_view part,
                                               const Sight& sight, Duration timeout);
  // Puts what the draft says over the defaults in `retry`. `endless` names what is tried until it succeeds;
  // empty for what is not.
  void apply(const Written<RetryDraft>& draft, Retry& retry, std::string_view endless);

 private:
  void fault(Position at, std::string_view message) {
    faults_.add(at, fmt::format("step '{}' {}", step_, message));
  }
  [[nodiscard]] std::string what(std::string_view part) const {
    return fmt::format("step '{}', {}", step_, part);
  }
  bool headers(const RequestDraft& draft, std::string_view part, const Sight& sight, Request& request);

  std::string_view step_;
  TextCompiler& text_;
  Faults& faults_;
};

}  // namespace flotilla::saga
