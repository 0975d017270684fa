// Which members of its input an expression may read, found without running it.
//
// For: checks of the file: a saga's step may read only steps that come before it. The answer is an upper
// bound: what cannot be followed (a computed key, a value built from others) counts as read whole.
// Ownership, threads: a pure function. Limits: paths are followed to kMaxReadDepth members; a value that may
// stand at more than kMaxReadPlaces of them counts as read at each.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "flotilla/expr/core/program.hpp"

namespace flotilla::expr {

inline constexpr std::size_t kMaxReadDepth = 4;
inline constexpr std::size_t kMaxReadPlaces = 64;

// {"steps", "charge"} is `.steps.charge` with everything below; the empty path is the whole input.
using MemberPath = std::vector<std::string>;

// `.input.total * .steps.quote.rate` reads {"input", "total"} and {"steps", "quote", "rate"}.
[[nodiscard]] std::set<MemberPath> members_read(const Program& program);

}  // namespace flotilla::expr
