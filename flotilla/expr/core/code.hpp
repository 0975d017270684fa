// The compiled form of an expression: a flat tree of nodes that refer to each other by index.
//
// For: the parser, which makes it, and the interpreter, which walks it. Immutable once made.
// Ownership: Code owns literals and compiled patterns. Limits: kMaxNodes, kMaxLevels.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "flotilla/expr/core/functions.hpp"
#include "flotilla/expr/core/pattern.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::expr {

using NodeId = std::uint32_t;
inline constexpr NodeId kNone = UINT32_MAX;
inline constexpr std::size_t kMaxNodes = 20'000;
// Bound of Node::levels. A level of evaluation takes some 400 bytes of stack (about 2 KiB under sanitizers).
inline constexpr std::uint32_t kMaxLevels = 1'000;

enum class Op : std::uint8_t {
  identity,     // .
  literal,      // a: index in literals
  variable,     // a: slot
  field,        // a: base, b: index in literals (a string)
  index,        // a: base, b: key
  slice,        // a: base, b: from or none, c: to or none
  iterate,      // a: base
  pipe,         // a | b
  comma,        // list a of b nodes
  alternative,  // a // b
  negate,       // -a
  add,
  subtract,
  multiply,
  divide,
  modulo,  // a OP b
  equal,
  not_equal,
  less,
  less_or_equal,
  greater,
  greater_or_equal,  // a OP b
  both,              // a and b
  either,            // a or b
  array,             // [a], a may be none
  object,            // list a of b pairs: key, value
  branch,            // if a then b else c
  attempt,           // try a catch b, b may be none
  bind,              // a as PATTERN b | c
  reduce,            // reduce a as PATTERN b (c; d)
  text,  // "..\(..)..": list a of b nodes, literal and interpolated by turns; function: how the latter are
         // escaped
  call,  // a function of values: list a of b arguments; d: index in patterns or none
  sort_by,
  group_by,
  unique_by,
  min_by,
  max_by,  // by key a
  any_of,
  all_of,  // a: source, b: condition
  first_of,
  last_of,  // a
  limit,    // a: count, b: source
  range,    // a, b, c
  remove,   // del(a)
  nothing,  // empty
  // Patterns of `as`:
  bind_name,    // a: slot
  bind_array,   // list a of b patterns
  bind_object,  // list a of b triples: key, slot or none, pattern or none
};

struct Node {
  Op op = Op::identity;
  bool optional = false;  // field, index, slice, iterate: with `?`
  bool single = false;    // gives exactly one output or an error
  bool borrowed = false;  // its output stands in the input, a literal or a variable: no need to copy it
  Function function = Function::none;
  std::uint32_t levels = 0;  // bound of the levels of evaluation it needs
  std::uint32_t a = kNone;
  std::uint32_t b = kNone;
  std::uint32_t c = kNone;
  std::uint32_t d = kNone;
};

struct Code {
  std::vector<Node> nodes;
  std::vector<std::uint32_t> lists;
  std::vector<json::Value> literals;
  std::vector<Pattern> patterns;
  NodeId root = kNone;
  std::uint32_t given = 0;  // slots 0.. of the caller's variables
  std::uint32_t slots = 0;  // with those bound inside
};

}  // namespace flotilla::expr
