// An aggregate whose functions are expressions of the file: `evolve`, and each command's `id` and `decide`.
//
// For: the configuration. A State is a json::Value, null at first. Ownership: values. Threads: pure.
// Limits: those of the expression language; kMaxAggregateText.
#pragma once

#include <string>
#include <vector>

#include "flotilla/cqrs/core/aggregate.hpp"

namespace flotilla::cqrs {

// Of all its expressions together.
inline constexpr std::size_t kMaxAggregateText = std::size_t{64} << 10;

// Of an aggregate alone. Variables of evolve are {event, data}, of upcast {event}, of decide {command}; id
// has none.
[[nodiscard]] Result<expr::Program> compile_evolve(const std::string& text);
[[nodiscard]] Result<expr::Program> compile_upcast(const std::string& text);
[[nodiscard]] Result<expr::Program> compile_decide(const std::string& text);
[[nodiscard]] Result<expr::Program> compile_command_id(const std::string& text);

// An aggregate without commands and upcasts yet; its fold is the hash of the text.
[[nodiscard]] Aggregate expression_aggregate(std::string name, const std::string& evolve,
                                             const expr::Program& program);
// One form of a type more.
[[nodiscard]] Upcast expression_upcast(const expr::Program& program);
void add_upcast(Aggregate& aggregate, const std::string& type, const std::string& text,
                const expr::Program& program);
// A command without schema and checks yet.
[[nodiscard]] Command expression_command(std::string name, const expr::Program& id,
                                         const expr::Program& decide);

// What decide has given: [{type, data}, ...], or {error: {code, message}}.
[[nodiscard]] std::expected<Verdict, std::string> read_verdict(const json::Value& given);

}  // namespace flotilla::cqrs
