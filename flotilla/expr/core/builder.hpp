// Puts nodes together and works out what can be known of them before evaluation.
//
// For: the parser. Node::single, borrowed and levels are decided here, in one place.
#pragma once

#include <span>
#include <string_view>

#include "flotilla/expr/core/code.hpp"

namespace flotilla::expr {

class Builder {
 public:
  Builder();

  // Adds a node; its children must have been added before.
  NodeId add(Node node);
  NodeId unary(Op op, NodeId a) { return add({.op = op, .a = a}); }
  NodeId binary(Op op, NodeId a, NodeId b) { return add({.op = op, .a = a, .b = b}); }
  NodeId identity() { return add({.op = Op::identity}); }
  NodeId literal(json::Value value);
  NodeId field(NodeId base, std::string_view name);
  // A node over `count` = items.size() / per_entry entries.
  NodeId over_list(Op op, std::span<const std::uint32_t> items, std::size_t per_entry = 1,
                   Function function = Function::none);
  // The last node that was added may still be changed: `?` after an access.
  void make_optional(NodeId id);
  // Gives a call of `test` its compiled pattern.
  void set_pattern(NodeId id, Pattern pattern);

  [[nodiscard]] const Node& at(NodeId id) const noexcept { return code_.nodes[id]; }
  [[nodiscard]] const json::Value* literal_of(NodeId id) const noexcept {
    return at(id).op == Op::literal ? &code_.literals[at(id).a] : nullptr;
  }
  [[nodiscard]] bool is_path(NodeId id) const;
  [[nodiscard]] Code& code() noexcept { return code_; }

 private:
  void analyse(Node& node) const;

  Code code_;
};

}  // namespace flotilla::expr
