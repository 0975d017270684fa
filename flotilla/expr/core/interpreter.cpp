// Nodes that give exactly one output.
#include "flotilla/expr/core/interpreter.hpp"

#include <fmt/format.h>

#include "flotilla/expr/core/arithmetic.hpp"
#include "flotilla/expr/core/failure.hpp"
#include "flotilla/expr/core/path.hpp"

namespace flotilla::expr {
namespace {
const Value kNull;
}

Interpreter::Interpreter(const Code& code, std::span<const Value> variables, Budget budget)
    : code_(code), meter_(budget.steps) {
  if (code.slots <= kFewSlots) {
    slots_ = few_;
  } else {
    many_.resize(code.slots);
    slots_ = many_;
  }
  std::ranges::copy(variables, slots_.begin());
}

bool Interpreter::step() { return meter_.step() || fail(out_of_steps().error()); }

bool Interpreter::take(std::expected<Value, EvalError> outcome, Value& out) {
  if (!outcome) {
    return fail(std::move(outcome.error()));
  }
  out = std::move(*outcome);
  return true;
}

bool Interpreter::accept(Value value, Value& out) {
  if (!Meter::acceptable(value)) {
    return fail(too_large().error());
  }
  out = std::move(value);
  return true;
}

const Value* Interpreter::borrow(NodeId id, const Value& input) {
  const Node& n = node(id);
  switch (n.op) {
    case Op::identity:
      return &input;
    case Op::literal:
      return &code_.literals[n.a];
    case Op::variable:
      return &slots_[n.a];
    default:
      break;
  }
  const Value* base = borrow(n.a, input);  // a field
  if (base == nullptr || !step()) {
    return nullptr;
  }
  if (base->is_object()) {
    const Value* found = base->find(code_.literals[n.b].as_string());
    return found != nullptr ? found : &kNull;
  }
  if (base->is_null()) {
    return &kNull;
  }
  fail(get(*base, code_.literals[n.b], meter_).error());
  return nullptr;
}

const Value* Interpreter::look(NodeId id, const Value& input, Value& storage) {
  if (node(id).borrowed) {
    return borrow(id, input);
  }
  return one(id, input, storage) ? &storage : nullptr;
}

bool Interpreter::one(NodeId id, const Value& input, Value& out) {
  const Node& n = node(id);
  if (n.borrowed) {
    const Value* found = borrow(id, input);
    if (found == nullptr) {
      return false;
    }
    out = *found;
    return true;
  }
  if (!step()) {
    return false;
  }
  Value storage;
  switch (n.op) {
    case Op::pipe: {
      const Value* left = look(n.a, input, storage);
      return left != nullptr && one(n.b, *left, out);
    }
    case Op::branch: {
      const Value* condition = look(n.a, input, storage);
      return condition != nullptr && one(condition->is_true() ? n.b : n.c, input, out);
    }
    case Op::bind: {
      const Value* value = look(n.a, input, storage);
      return value != nullptr && bind(n.b, *value) && one(n.c, input, out);
    }
    case Op::alternative: {
      const Value* left = look(n.a, input, storage);
      if (left != nullptr && left->is_true()) {
        out = *left;
        return true;
      }
      return left != nullptr && one(n.b, input, out);
    }
    case Op::negate: {
      const Value* operand = look(n.a, input, storage);
      return operand != nullptr && take(negate(*operand), out);
    }
    case Op::field:
    case Op::index:
    case Op::slice:
      return one_access(n, input, out);
    case Op::both:
    case Op::either:
      return one_logical(n, input, out);
    case Op::object:
      return one_object(n, input, out);
    case Op::array:
      return one_array(n, input, out);
    case Op::text:
      return one_text(n, input, out);
    case Op::call:
      return one_call(n, input, out);
    case Op::reduce:
      return one(n.c, input, storage) && fold(n, input, storage) && (out = std::move(storage), true);
    case Op::sort_by:
    case Op::group_by:
    case Op::unique_by:
    case Op::min_by:
    case Op::max_by:
      return one_by_key(n, input, out);
    case Op::any_of:
    case Op::all_of:
      return one_quantifier(n, input, out);
    case Op::last_of:
      return one_last(n, input, out);
    case Op::remove:
      return one_removal(n, input, out);
    default:
      return one_of_operator(n, input, out);
  }
}

bool Interpreter::one_of_operator(const Node& n, const Value& input, Value& out) {
  Value right_storage;
  const Value* right = look(n.b, input, right_storage);  // jq evaluates the right side first
  if (right == nullptr) {
    return false;
  }
  Value left;
  return one(n.a, input, left) && apply_operator(n.op, std::move(left), *right, out);
}

bool Interpreter::apply_operator(Op op, Value&& left, const Value& right, Value& out) {
  if (op >= Op::equal && op <= Op::greater_or_equal) {
    if (!meter_.walk_text(std::min(left.text_size(), right.text_size()))) {
      return fail(out_of_steps().error());
    }
    if (op == Op::equal || op == Op::not_equal) {
      out = (left == right) == (op == Op::equal);
      return true;
    }
    const auto order = json::compare(left, right);
    out = op == Op::less            ? order < 0
          : op == Op::less_or_equal ? order <= 0
          : op == Op::greater       ? order > 0
                                    : order >= 0;
    return true;
  }
  switch (op) {
    case Op::add:
      return take(add(std::move(left), right, meter_), out);
    case Op::subtract:
      return take(subtract(left, right, meter_), out);
    case Op::multiply:
      return take(multiply(left, right, meter_), out);
    case Op::divide:
      return take(divide(left, right, meter_), out);
    default:
      break;
  }
  FLOTILLA_ASSERT(op == Op::modulo);
  return take(modulo(left, right), out);
}

bool Interpreter::one_logical(const Node& n, const Value& input, Value& out) {
  Value storage;
  const Value* left = look(n.a, input, storage);
  if (left == nullptr) {
    return false;
  }
  if (left->is_true() == (n.op == Op::either)) {
    out = n.op == Op::either;
    return true;
  }
  const Value* right = look(n.b, input, storage);
  if (right == nullptr) {
    return false;
  }
  out = right->is_true();
  return true;
}

bool Interpreter::one_object(const Node& n, const Value& input, Value& out) {
  const auto entries = list(n.a, std::size_t{n.b} * 2);
  Value object = Value::object();
  object.reserve(n.b);
  for (std::size_t i = 0; i < entries.size(); i += 2) {
    Value storage;
    Value value;
    const Value* key = look(entries[i], input, storage);
    if (key == nullptr || !one(entries[i + 1], input, value)) {
      return false;
    }
    if (!key->is_string()) {
      return fail(type_error(fmt::format("Cannot use {} as object key", describe(*key))).error());
    }
    object.set_member(*key, std::move(value));
  }
  return accept(std::move(object), out);
}

bool Interpreter::one_array(const Node& n, const Value& input, Value& out) {
  if (n.a == kNone) {
    out = Value::array();
    return true;
  }
  Value array = Value::array();
  const bool done = each(n.a, input, [&](Value&& item) {
    array.push_back(std::move(item));
    return true;
  });
  return done && accept(std::move(array), out);
}

bool Interpreter::one_text(const Node& n, const Value& input, Value& out) {
  std::string text;
  for (std::size_t i = 0; i < n.b; ++i) {
    Value storage;
    const Value* value = look(code_.lists[n.a + i], input, storage);
    if (value == nullptr) {
      return false;
    }
    // Every second part is interpolated; those between go in as they are.
    if (!take(interpolated(i % 2 == 0 ? Function::none : n.function, *value, meter_), storage)) {
      return false;
    }
    text += storage.as_string();
    if (text.size() > Meter::kMaxValueText) {
      return fail(too_large().error());
    }
  }
  out = Value(text);
  return true;
}

bool Interpreter::one_call(const Node& n, const Value& input, Value& out) {
  const Pattern* pattern = n.d == kNone ? nullptr : &code_.patterns[n.d];
  std::array<Value, 3> arguments;
  for (std::size_t i = 0; i < n.b; ++i) {
    if (!one(code_.lists[n.a + i], input, arguments[i])) {
      return false;
    }
  }
  return take(apply(n.function, input, std::span(arguments).first(n.b), pattern, meter_), out);
}

bool Interpreter::one_access(const Node& n, const Value& input, Value& out) {
  Value keys[2];
  const Value* parts[2] = {&kNull, &kNull};
  if (n.op == Op::field) {
    parts[0] = &code_.literals[n.b];
  } else {
    const NodeId ids[2] = {n.b, n.c};
    for (std::size_t i = 0; i < (n.op == Op::slice ? 2 : 1); ++i) {
      parts[i] = ids[i] == kNone ? &kNull : look(ids[i], input, keys[i]);
      if (parts[i] == nullptr) {
        return false;
      }
    }
  }
  Value storage;
  const Value* base = look(n.a, input, storage);
  if (base == nullptr) {
    return false;
  }
  return take(n.op == Op::slice ? slice(*base, *parts[0], *parts[1], meter_) : get(*base, *parts[0], meter_),
              out);
}

}  // namespace flotilla::expr
