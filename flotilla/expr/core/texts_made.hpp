// Which texts an expression puts under a member of the objects that it makes, as far as they stand in it.
//
// For: what the file names by an expression: a `decide` names the topics of its events. Objects that stand
// within another one that is made are not looked at: they are somebody's data. What cannot be followed (a
// text that is computed, an object that is copied) is not in the answer. Ownership, threads: a pure function.
// Limits: those of a program.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "flotilla/expr/core/program.hpp"

namespace flotilla::expr {

// With `type`: `[{type: "a", data: {type: "x"}}, {type: (if .b then "b" else "c" end)}]` gives a, b and c.
[[nodiscard]] std::set<std::string> texts_made(const Program& program, std::string_view member);

}  // namespace flotilla::expr
