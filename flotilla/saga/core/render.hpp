// Rendering: what a saga's expressions see, and requests made of them.
//
// For: the engine, when it exposes a step; the bytes made here go into the record and are never made again.
// Ownership: returns values. Threads: pure functions. Limits: kMaxPayload of body, those of expressions.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/saga/core/definition.hpp"
#include "flotilla/saga/core/record.hpp"
#include "flotilla/saga/core/saga_state.hpp"

namespace flotilla::saga {

// {input, steps: {NAME: output of each done step}, saga: {id, name, cause?}}
[[nodiscard]] json::Value scope_of(const SagaState& state);

// Errors: invalid; the message names the hole or expression.
[[nodiscard]] Result<RequestPtr> render(const Request& request, const json::Value& scope);
[[nodiscard]] Result<json::Value> evaluate(const call::Expression& expression, const json::Value& scope);
// The keys of the locks this input needs, sorted, each once.
[[nodiscard]] Result<std::vector<std::string>> lock_keys(const Locks& locks, const json::Value& scope);

}  // namespace flotilla::saga
