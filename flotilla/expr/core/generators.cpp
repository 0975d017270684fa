// Nodes that give any number of outputs.
#include <algorithm>
#include <limits>

#include <fmt/format.h>

#include "flotilla/expr/core/arithmetic.hpp"
#include "flotilla/expr/core/failure.hpp"
#include "flotilla/expr/core/interpreter.hpp"
#include "flotilla/expr/core/path.hpp"

namespace flotilla::expr {

bool Interpreter::each(NodeId id, const Value& input, Emit emit) {
  const Node& n = node(id);
  if (n.single) {
    Value out;
    return one(id, input, out) && emit(std::move(out));
  }
  if (!step()) {
    return false;
  }
  switch (n.op) {
    case Op::nothing:
      return true;
    case Op::pipe:
      return each(n.a, input, [&](Value&& value) { return each(n.b, value, emit); });
    case Op::comma:
      return std::ranges::all_of(list(n.a, n.b), [&](NodeId part) { return each(part, input, emit); });
    case Op::branch:
      return each(n.a, input,
                  [&](Value&& condition) { return each(condition.is_true() ? n.b : n.c, input, emit); });
    case Op::bind:
      return each(n.a, input, [&](Value&& value) { return bind(n.b, value) && each(n.c, input, emit); });
    case Op::negate:
      return each(n.a, input, [&](Value&& value) {
        Value out;
        return take(negate(value), out) && emit(std::move(out));
      });
    case Op::field:
    case Op::index:
    case Op::slice:
      return each_access(n, input, emit);
    case Op::iterate:
      return each_iterate(n, input, emit);
    case Op::alternative:
      return each_alternative(n, input, emit);
    case Op::both:
    case Op::either:
      return each_logical(n, input, emit);
    case Op::object:
      return each_object(n, input, 0, Value::object(), emit);
    case Op::text:
      return each_text(n, input, n.b, Value(""), emit);
    case Op::call: {
      std::vector<Value> arguments;
      return each_call(n, input, arguments, emit);
    }
    case Op::attempt:
      return each_attempt(n, input, emit);
    case Op::reduce:
      return each_reduce(n, input, emit);
    case Op::first_of:
    case Op::limit:
      return each_limit(n, input, emit);
    case Op::range:
      return each_range(n, input, emit);
    default:
      return each_operator(n, input, emit);
  }
}

// The key is the outer loop, the base the inner one, as in jq.
bool Interpreter::each_access(const Node& n, const Value& input, Emit emit) {
  if (n.op == Op::field) {
    return emit_access(n, input, code_.literals[n.b], emit);
  }
  if (n.op == Op::index) {
    return each(n.b, input, [&](Value&& key) { return emit_access(n, input, key, emit); });
  }
  const auto with_end = [&](const Value& from) {
    const auto finish = [&](Value&& to) { return emit_access(n, input, slice_key(from, to), emit); };
    return n.c == kNone ? finish(Value()) : each(n.c, input, finish);
  };
  return n.b == kNone ? with_end(Value()) : each(n.b, input, [&](Value&& from) { return with_end(from); });
}

bool Interpreter::emit_access(const Node& n, const Value& input, const Value& key, Emit emit) {
  return each(n.a, input, [&](Value&& base) {
    auto found = get(base, key, meter_);
    if (!found) {
      return (n.optional && found.error().kind != ErrorKind::budget) || fail(std::move(found.error()));
    }
    return emit(std::move(*found));
  });
}

bool Interpreter::each_iterate(const Node& n, const Value& input, Emit emit) {
  if (node(n.a).borrowed) {
    const Value* base = borrow(n.a, input);
    if (base == nullptr) {
      return false;
    }
    const Value held = *base;  // a variable may be bound anew meanwhile
    return each_element(n, held, emit);
  }
  return each(n.a, input, [&](Value&& base) { return each_element(n, base, emit); });
}

bool Interpreter::each_element(const Node& n, const Value& list, Emit emit) {
  if (!list.is_array() && !list.is_object()) {
    return n.optional || fail(type_error(fmt::format("Cannot iterate over {}", describe(list))).error());
  }
  const auto emit_copy = [&](const Value& item) { return step() && emit(Value(item)); };
  return std::ranges::all_of(list.items(), emit_copy) &&
         std::ranges::all_of(list.members(), [&](const json::Member& m) { return emit_copy(m.value); });
}

// All outputs of the left side that are neither null nor false; if there is none, those of the right.
bool Interpreter::each_alternative(const Node& n, const Value& input, Emit emit) {
  bool any = false;
  const bool done = each(n.a, input, [&](Value&& value) {
    if (!value.is_true()) {
      return true;
    }
    any = true;
    return emit(std::move(value));
  });
  return done && (any || each(n.b, input, emit));
}

// The right side is the outer loop, as in jq.
bool Interpreter::each_operator(const Node& n, const Value& input, Emit emit) {
  return each(n.b, input, [&](Value&& right) {
    return each(n.a, input, [&](Value&& left) {
      Value out;
      return apply_operator(n.op, std::move(left), right, out) && emit(std::move(out));
    });
  });
}

bool Interpreter::each_logical(const Node& n, const Value& input, Emit emit) {
  return each(n.a, input, [&](Value&& left) {
    if (left.is_true() == (n.op == Op::either)) {
      return emit(n.op == Op::either);
    }
    return each(n.b, input, [&](Value&& right) { return emit(right.is_true()); });
  });
}

bool Interpreter::each_object(const Node& n, const Value& input, std::size_t entry, const Value& so_far,
                              Emit emit) {
  if (entry == n.b) {
    Value out;
    return accept(so_far, out) && emit(std::move(out));
  }
  const auto pair = list(n.a + static_cast<std::uint32_t>(2 * entry), 2);
  return each(pair[0], input, [&](Value&& key) {
    return each(pair[1], input, [&](Value&& value) {
      if (!key.is_string()) {
        return fail(type_error(fmt::format("Cannot use {} as object key", describe(key))).error());
      }
      if (!meter_.copy(so_far.size())) {
        return fail(out_of_steps().error());
      }
      Value more = so_far;
      more.set_member(key, std::move(value));
      return each_object(n, input, entry + 1, more, emit);
    });
  });
}

// From the last part to the first: jq builds the text with +, whose right side is the outer loop.
bool Interpreter::each_text(const Node& n, const Value& input, std::size_t parts, const Value& tail,
                            Emit emit) {
  if (parts == 0) {
    return emit(Value(tail));
  }
  const Function format = (parts - 1) % 2 == 0 ? Function::none : n.function;
  return each(code_.lists[n.a + parts - 1], input, [&](Value&& value) {
    Value out;
    return take(interpolated(format, value, meter_), out) && take(add(std::move(out), tail, meter_), out) &&
           each_text(n, input, parts - 1, out, emit);
  });
}

bool Interpreter::each_call(const Node& n, const Value& input, std::vector<Value>& arguments, Emit emit) {
  if (arguments.size() == n.b) {
    const Pattern* pattern = n.d == kNone ? nullptr : &code_.patterns[n.d];
    Value out;
    return take(apply(n.function, input, arguments, pattern, meter_), out) && emit(std::move(out));
  }
  return each(code_.lists[n.a + arguments.size()], input, [&](Value&& argument) {
    arguments.push_back(std::move(argument));
    const bool more = each_call(n, input, arguments, emit);
    arguments.pop_back();
    return more;
  });
}

// Errors of the body are caught, those of whoever consumes its outputs are not; nor is a spent budget.
bool Interpreter::each_attempt(const Node& n, const Value& input, Emit emit) {
  bool stopped = false;
  const bool done = each(n.a, input, [&](Value&& value) {
    stopped = !emit(std::move(value));
    return !stopped;
  });
  if (done || stopped || !failed() || error_->kind == ErrorKind::budget) {
    return done;
  }
  const EvalError caught = take_error();
  error_.reset();
  return n.b == kNone || each(n.b, caught.value, emit);
}

bool Interpreter::each_reduce(const Node& n, const Value& input, Emit emit) {
  return each(n.c, input, [&](Value&& state) {
    Value out = std::move(state);
    return fold(n, input, out) && emit(std::move(out));
  });
}

bool Interpreter::each_count(const Node& n, const Value& input, Consumer<FirstOf> take) {
  if (n.op == Op::first_of) {
    return take({n.a, 1});
  }
  return each(n.a, input, [&](Value&& count) {
    const auto whole = count.as_int();
    if (!whole) {
      return fail(type_error(fmt::format("{} is not a number of outputs", describe(count))).error());
    }
    // A negative number is no limit; the budget ends long before the largest number.
    return take({n.b, *whole < 0 ? std::numeric_limits<std::int64_t>::max() : *whole});
  });
}

bool Interpreter::each_limit(const Node& n, const Value& input, Emit emit) {
  return each_count(n, input, [&](FirstOf first) {
    bool stopped = false;
    const bool done = first.most <= 0 || each(first.source, input, [&](Value&& value) {
                        stopped = !emit(std::move(value));
                        return !stopped && --first.most > 0;
                      });
    return done || (!stopped && !failed());
  });
}

bool Interpreter::each_range(const Node& n, const Value& input, Emit emit) {
  return each(n.a, input, [&](Value&& from) {
    return each(n.b, input, [&](Value&& upto) {
      return each(n.c, input, [&](Value&& by) { return emit_range(from, upto, by, emit); });
    });
  });
}

bool Interpreter::emit_range(const Value& from, const Value& upto, const Value& by, Emit emit) {
  if (!from.is_number() || !upto.is_number() || !by.is_number()) {
    return fail(type_error("Range bounds must be numeric").error());
  }
  const auto direction = json::compare(by, Value(0));
  Value at = from;
  while (direction != 0 && json::compare(at, upto) == (0 <=> direction)) {
    if (!step() || !emit(Value(at)) || !take(add(at, by, meter_), at)) {
      return false;
    }
  }
  return true;
}

}  // namespace flotilla::expr
