// Values that a definition declares as not to be shown (Definition::redact).
//
// For: report.hpp, which shows sagas: to services, to people, in the archive. What the journal holds and what
// services are sent is whole. Ownership: values. Threads: pure functions. Limits: kMaxRedactions.
#pragma once

#include "flotilla/json/value.hpp"
#include "flotilla/saga/core/definition.hpp"

namespace flotilla::saga {

inline constexpr std::string_view kRedacted = "[redacted]";  // what stands in the place of such a value

// `value` is the input, or the result.
[[nodiscard]] json::Value redacted(const Definition& definition, Redaction::Of of, const json::Value& value);
// `value` is the step's output.
[[nodiscard]] json::Value redacted_output(const Definition& definition, StepIndex step,
                                          const json::Value& value);

}  // namespace flotilla::saga
