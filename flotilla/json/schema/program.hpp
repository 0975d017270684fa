// A compiled schema: nodes, one per subschema, and the rules of each, in the order in which they are asked.
//
// For: the compiler, which makes it, and the validator, which walks it; nobody else. Nodes and rules stand in
// two flat lists and refer to each other by number, so that a schema may refer to itself.
// Ownership: the program owns all of it. Threads: immutable once made.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "flotilla/json/number.hpp"
#include "flotilla/json/schema/format.hpp"
#include "flotilla/json/schema/pattern.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::json::schema {

using NodeIndex = std::uint32_t;
inline constexpr NodeIndex kNone = std::numeric_limits<NodeIndex>::max();

// A set of kinds of values, one bit each.
using Kinds = std::uint8_t;
[[nodiscard]] constexpr Kinds kind_bit(Kind kind) noexcept {
  return static_cast<Kinds>(1U << static_cast<unsigned>(kind));
}
inline constexpr Kinds kAnyKind = 0x3f;

// The schema `false`.
struct Nothing {};
struct Types {
  Kinds kinds = 0;
  bool integers = false;  // whole numbers, where kinds lacks numbers
};
// `enum`, and `const` with one value.
struct OneOfValues {
  std::vector<Value> values;
};
struct Bound {
  enum class Is : std::uint8_t { at_least, above, at_most, below };
  Is is;
  Value limit;
};
struct MultipleOf {
  Divisor divisor;
  std::string written;
};
// Characters of a string, elements of an array, members of an object.
struct Size {
  bool is_most;
  std::uint64_t limit;
};
struct Matches {
  Pattern pattern;
};
struct HasFormat {
  const Format* format;
};
struct Unique {};
struct Items {
  std::vector<NodeIndex> first;
  NodeIndex rest = kNone;
};
struct Contains {
  NodeIndex node;
  std::uint64_t least;
  std::uint64_t most;
};
struct Required {
  std::vector<std::string> names;
};
struct DependentRequired {
  std::vector<std::pair<std::string, std::vector<std::string>>> names;
};
struct DependentSchemas {
  std::vector<std::pair<std::string, NodeIndex>> nodes;
};
struct Properties {
  std::vector<std::pair<std::string, NodeIndex>> named;  // by name
  std::vector<std::pair<Pattern, NodeIndex>> patterns;
  NodeIndex additional = kNone;
};
struct Names {
  NodeIndex node;
};
// `$ref` is an all of one.
struct AllOf {
  std::vector<NodeIndex> nodes;
};
struct AnyOf {
  std::vector<NodeIndex> nodes;
};
struct OneOf {
  std::vector<NodeIndex> nodes;
};
struct Not {
  NodeIndex node;
};
struct If {
  NodeIndex condition;
  NodeIndex then = kNone;
  NodeIndex otherwise = kNone;
};

struct Rule {
  std::string_view keyword;  // static
  Kinds kinds;               // of values it says anything about
  std::variant<Nothing, Types, OneOfValues, Bound, MultipleOf, Size, Matches, HasFormat, Unique, Items,
               Contains, Required, DependentRequired, DependentSchemas, Properties, Names, AllOf, AnyOf,
               OneOf, Not, If>
      check;
};

struct Node {
  NodeIndex parent = kNone;
  std::string from_parent;  // the rest of its JSON pointer, escaped: "/properties/a~1b"
  std::uint32_t first_rule = 0;
  std::uint32_t rule_count = 0;
};

struct Program {
  std::vector<Node> nodes;  // the first is the root
  std::vector<Rule> rules;

  // The JSON pointer of the node in the document.
  [[nodiscard]] std::string pointer(NodeIndex node) const;
};

}  // namespace flotilla::json::schema
