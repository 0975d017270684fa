#include "flotilla/expr/core/builder.hpp"

#include <algorithm>

#include "flotilla/base/assert.hpp"

namespace flotilla::expr {
namespace {

// How many of a, b, c, d are nodes; the rest of the operations have lists or none.
std::size_t plain_children(Op op) {
  switch (op) {
    case Op::field:
    case Op::iterate:
    case Op::negate:
    case Op::array:
    case Op::sort_by:
    case Op::group_by:
    case Op::unique_by:
    case Op::min_by:
    case Op::max_by:
    case Op::first_of:
    case Op::last_of:
    case Op::remove:
      return 1;
    case Op::branch:
    case Op::slice:
    case Op::bind:
    case Op::range:
      return 3;
    case Op::reduce:
      return 4;
    case Op::identity:
    case Op::literal:
    case Op::variable:
    case Op::nothing:
    case Op::comma:
    case Op::object:
    case Op::text:
    case Op::call:
    case Op::bind_name:
    case Op::bind_array:
    case Op::bind_object:
      return 0;
    default:
      return 2;
  }
}

// Whether a node whose relevant children are all `single` is single itself.
bool keeps_single(Op op) {
  return op != Op::iterate && op != Op::comma && op != Op::attempt && op != Op::nothing &&
         op != Op::first_of && op != Op::limit && op != Op::range;
}

// These look at all outputs of their children and answer once.
bool gathers(Op op) {
  switch (op) {
    case Op::array:
    case Op::sort_by:
    case Op::group_by:
    case Op::unique_by:
    case Op::min_by:
    case Op::max_by:
    case Op::any_of:
    case Op::all_of:
    case Op::last_of:
    case Op::remove:
      return true;
    default:
      return false;
  }
}

}  // namespace

Builder::Builder() {
  code_.nodes.reserve(32);
  code_.lists.reserve(16);
  code_.literals.reserve(16);
}

// levels: a node with one output needs a level more than the deepest child. A generator's children may all be
// active at once, each within the output of the one before, so they add up; single ones come and go.
void Builder::analyse(Node& node) const {
  bool single = !node.optional && keeps_single(node.op);
  std::uint32_t deepest_single = 0;
  std::uint32_t deepest = 0;
  std::uint32_t sum = 0;  // of the generators
  const auto child = [&](NodeId id, bool decides) {
    if (id == kNone) {
      return;
    }
    const Node& n = code_.nodes[id];
    deepest = std::max(deepest, n.levels);
    deepest_single = std::max(deepest_single, n.single ? n.levels : 0);
    sum += n.single ? 0 : n.levels;
    single = single && (!decides || n.single);
  };
  const std::uint32_t children[] = {node.a, node.b, node.c, node.d};
  for (std::size_t i = 0; i < plain_children(node.op); ++i) {
    // A fold is single where its start is, whatever the source and the update give.
    child(children[i], node.op == Op::reduce ? i == 2 : !gathers(node.op));
  }
  std::size_t per_entry = 0;
  switch (node.op) {
    case Op::object:
      per_entry = 2;
      break;
    case Op::bind_object:
      per_entry = 3;
      break;
    case Op::comma:
    case Op::text:
    case Op::call:
    case Op::bind_array:
      per_entry = 1;
      break;
    default:
      break;
  }
  for (std::size_t i = 0; i < per_entry * (per_entry == 0 ? 0 : node.b); ++i) {
    const bool slot = node.op == Op::bind_object && i % 3 == 1;
    if (!slot) {
      child(code_.lists[node.a + i], true);
    }
  }
  const bool one_at_a_time =
      single || node.op == Op::comma || node.op == Op::bind_array || node.op == Op::bind_object;
  node.single = single;
  const std::uint32_t within = !one_at_a_time                              ? deepest_single + sum
                               : gathers(node.op) || node.op == Op::reduce ? std::max(deepest, sum)
                                                                           : deepest;
  node.levels = 1 + std::min(within, kMaxLevels);  // beyond it only "too many" counts; nothing wraps
  switch (node.op) {
    case Op::identity:
    case Op::literal:
    case Op::variable:
      node.borrowed = true;
      break;
    case Op::field:
      node.borrowed = !node.optional && code_.nodes[node.a].borrowed;
      break;
    default:
      node.borrowed = false;
  }
}

NodeId Builder::add(Node node) {
  analyse(node);
  code_.nodes.push_back(node);
  return static_cast<NodeId>(code_.nodes.size() - 1);
}

NodeId Builder::literal(json::Value value) {
  code_.literals.push_back(std::move(value));
  return add({.op = Op::literal, .a = static_cast<std::uint32_t>(code_.literals.size() - 1)});
}

NodeId Builder::field(NodeId base, std::string_view name) {
  code_.literals.emplace_back(name);
  return add({.op = Op::field, .a = base, .b = static_cast<std::uint32_t>(code_.literals.size() - 1)});
}

NodeId Builder::over_list(Op op, std::span<const std::uint32_t> items, std::size_t per_entry,
                          Function function) {
  const auto start = static_cast<std::uint32_t>(code_.lists.size());
  code_.lists.insert(code_.lists.end(), items.begin(), items.end());
  return add({.op = op,
              .function = function,
              .a = start,
              .b = static_cast<std::uint32_t>(items.size() / per_entry)});
}

void Builder::make_optional(NodeId id) {
  FLOTILLA_ASSERT(id + 1 == code_.nodes.size());
  code_.nodes[id].optional = true;
  analyse(code_.nodes[id]);
}

void Builder::set_pattern(NodeId id, Pattern pattern) {
  code_.patterns.push_back(std::move(pattern));
  code_.nodes[id].d = static_cast<std::uint32_t>(code_.patterns.size() - 1);
}

// What Interpreter::paths knows. Recursion is bounded by the levels of a node.
bool Builder::is_path(NodeId id) const {
  const Node& n = at(id);
  switch (n.op) {
    case Op::identity:
    case Op::nothing:
      return true;
    case Op::field:
    case Op::index:
    case Op::slice:
    case Op::iterate:
    case Op::first_of:
      return is_path(n.a);
    case Op::pipe:
    case Op::alternative:
      return is_path(n.a) && is_path(n.b);
    case Op::comma:
      return std::ranges::all_of(std::span(code_.lists).subspan(n.a, n.b),
                                 [&](NodeId part) { return is_path(part); });
    case Op::branch:
      return is_path(n.b) && is_path(n.c);
    case Op::bind:
      return is_path(n.c);
    case Op::limit:
      return is_path(n.b);
    case Op::attempt:
      return is_path(n.a) && (n.b == kNone || is_path(n.b));
    case Op::call:
      return n.function == Function::error && n.single;
    default:
      return false;
  }
}

}  // namespace flotilla::expr
