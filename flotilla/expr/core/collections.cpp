// Nodes that look at all outputs or elements before they answer, and the binding of variables.
#include <fmt/format.h>

#include "flotilla/expr/core/arithmetic.hpp"
#include "flotilla/expr/core/failure.hpp"
#include "flotilla/expr/core/interpreter.hpp"
#include "flotilla/expr/core/ordering.hpp"
#include "flotilla/expr/core/path.hpp"

namespace flotilla::expr {

bool Interpreter::collect(NodeId id, const Value& input, std::vector<Value>& out) {
  return each(id, input, [&](Value&& value) {
    out.push_back(std::move(value));
    return true;
  });
}

bool Interpreter::one_by_key(const Node& n, const Value& input, Value& out) {
  if (!input.is_array()) {
    return fail(
        type_error(fmt::format("{} cannot be sorted, as it is not an array", describe(input))).error());
  }
  std::vector<Value> keys;
  std::uint64_t text = 0;
  keys.reserve(input.size());
  for (const Value& item : input.items()) {
    Value key;
    if (node(n.a).single) {
      if (!one(n.a, item, key)) {
        return false;
      }
    } else {  // several outputs are several keys, the first counting most
      std::vector<Value> outputs;
      if (!collect(n.a, item, outputs)) {
        return false;
      }
      key = json::ListBuilder::make_array(outputs);
    }
    text += key.text_size();
    keys.push_back(std::move(key));
  }
  if (!pay_for_sorting(meter_, keys.size(), text)) {
    return fail(out_of_steps().error());
  }
  return n.op == Op::min_by || n.op == Op::max_by ? extreme(n, input, keys, out) : group(n, input, keys, out);
}

// sort_by, group_by, unique_by.
bool Interpreter::group(const Node& n, const Value& input, std::span<const Value> keys, Value& out) {
  Value result = Value::array();
  Value run = Value::array();
  const auto order = sorted_positions(keys);
  for (std::size_t i = 0; i < order.size(); ++i) {
    const Value& item = input[order[i]];
    const bool new_key = i == 0 || json::compare(keys[order[i - 1]], keys[order[i]]) != 0;
    if (n.op == Op::sort_by || (n.op == Op::unique_by && new_key)) {
      result.push_back(item);
    } else if (n.op == Op::group_by) {
      if (new_key && i > 0) {
        result.push_back(std::move(run));
        run = Value::array();
      }
      run.push_back(item);
    }
  }
  if (!run.empty()) {
    result.push_back(std::move(run));
  }
  return accept(std::move(result), out);
}

// min_by takes the first of equal ones, max_by the last, as jq does.
bool Interpreter::extreme(const Node& n, const Value& input, std::span<const Value> keys, Value& out) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < keys.size(); ++i) {
    const bool less = json::compare(keys[i], keys[best]) < 0;
    best = less == (n.op == Op::min_by) ? i : best;
  }
  out = input[best];
  return true;
}

bool Interpreter::one_quantifier(const Node& n, const Value& input, Value& out) {
  const bool wanted = n.op == Op::any_of;
  bool found = false;
  const bool done = each(n.a, input, [&](Value&& item) {
    return each(n.b, item, [&](Value&& condition) {
      found = condition.is_true() == wanted;
      return !found;
    });
  });
  if (!done && failed()) {
    return false;
  }
  out = found == wanted;
  return true;
}

bool Interpreter::one_last(const Node& n, const Value& input, Value& out) {
  out = Value();
  return each(n.a, input, [&](Value&& value) {
    out = std::move(value);
    return true;
  });
}

// Folds the outputs of the source into `state`. An update without output makes it null, one with several
// outputs leaves the last.
bool Interpreter::fold(const Node& n, const Value& input, Value& state) {
  return each(n.a, input, [&](Value&& item) { return step() && bind(n.b, item) && fold_step(n.d, state); });
}

bool Interpreter::fold_step(NodeId update, Value& state) {
  const Node& u = node(update);
  // `. + X` is how lists and objects are built up: the state grows in place, without a copy per step.
  if (u.op == Op::add && u.single && node(u.a).op == Op::identity) {
    Value storage;
    const Value* more = look(u.b, state, storage);
    if (more == nullptr) {
      return false;
    }
    const Value right = *more;  // it may be the state itself, or stand in it
    return take(add(std::move(state), right, meter_), state);
  }
  Value next;
  const bool done = u.single ? one(update, state, next) : each(update, state, [&](Value&& value) {
    next = std::move(value);
    return true;
  });
  state = std::move(next);
  return done;
}

bool Interpreter::bind(NodeId pattern, const Value& value) {
  const Node& n = node(pattern);
  if (n.op == Op::bind_name) {
    slots_[n.a] = value;
    return true;
  }
  if (n.op == Op::bind_object) {
    return bind_object(n, value);
  }
  for (std::size_t i = 0; i < n.b; ++i) {
    Value element;
    if (!step() || !take(get(value, Value(i), meter_), element) || !bind(code_.lists[n.a + i], element)) {
      return false;
    }
  }
  return true;
}

bool Interpreter::bind_object(const Node& n, const Value& value) {
  for (std::size_t i = 0; i < n.b; ++i) {
    const auto [key_id, slot, inner] =
        std::tuple(code_.lists[n.a + 3 * i], code_.lists[n.a + 3 * i + 1], code_.lists[n.a + 3 * i + 2]);
    Value key;
    Value member;
    if (!step() || !one(key_id, value, key)) {
      return false;
    }
    if (!key.is_string()) {
      return fail(
          type_error(fmt::format("Cannot index {} with {}", to_string(value.kind()), to_string(key.kind())))
              .error());
    }
    if (!take(get(value, key, meter_), member)) {
      return false;
    }
    if (slot != kNone) {
      slots_[slot] = member;
    }
    if (inner != kNone && !bind(inner, member)) {
      return false;
    }
  }
  return true;
}

}  // namespace flotilla::expr
