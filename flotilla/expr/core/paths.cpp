// del: path expressions give the paths of what they reach beside its values.
//
// The compiler admits only nodes that paths() knows. path_ holds the path to the value that is being emitted.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/expr/core/failure.hpp"
#include "flotilla/expr/core/interpreter.hpp"
#include "flotilla/expr/core/ordering.hpp"
#include "flotilla/expr/core/path.hpp"

namespace flotilla::expr {

bool Interpreter::one_removal(const Node& n, const Value& input, Value& out) {
  std::vector<Value> found;
  std::vector<Value> outer = std::exchange(path_, {});  // a del within the path of another
  const bool done = paths(n.a, input, [&](const Value&) {
    std::vector<Value> path = path_;
    found.push_back(json::ListBuilder::make_array(path));
    return meter_.copy(path_.size()) || fail(out_of_steps().error());
  });
  path_ = std::move(outer);
  if (!done) {
    return false;
  }
  std::uint64_t text = 0;
  for (const Value& path : found) {
    text += path.text_size();
  }
  if (!pay_for_sorting(meter_, found.size(), text)) {
    return fail(out_of_steps().error());
  }
  std::vector<Value> sorted;
  sorted.reserve(found.size());
  for (const std::uint32_t i : sorted_positions(found)) {
    sorted.push_back(std::move(found[i]));
  }
  return take(without_paths(input, sorted, meter_), out);
}

bool Interpreter::paths(NodeId id, const Value& input, EmitAt emit) {
  if (!step()) {
    return false;
  }
  const Node& n = node(id);
  switch (n.op) {
    case Op::identity:
      return emit(input);
    case Op::nothing:
      return true;
    case Op::pipe:
      return paths(n.a, input, [&](const Value& value) { return paths(n.b, value, emit); });
    case Op::comma:
      return std::ranges::all_of(list(n.a, n.b), [&](NodeId part) { return paths(part, input, emit); });
    case Op::branch:
      return each(n.a, input,
                  [&](Value&& condition) { return paths(condition.is_true() ? n.b : n.c, input, emit); });
    case Op::bind:
      return each(n.a, input, [&](Value&& value) { return bind(n.b, value) && paths(n.c, input, emit); });
    case Op::field:
    case Op::index:
    case Op::slice:
      return paths_of_access(n, input, emit);
    case Op::iterate:
      return paths(n.a, input, [&](const Value& base) { return paths_of_elements(n, base, emit); });
    case Op::alternative:
      return paths_of_alternative(n, input, emit);
    case Op::first_of:
    case Op::limit:
      return paths_of_limit(n, input, emit);
    case Op::attempt:
      return paths_of_attempt(n, input, emit);
    default:
      break;
  }
  Value unused;  // `error` is the one function that may stand for a path
  return one(id, input, unused);
}

bool Interpreter::path_into(const Node& n, const Value& base, Value key, EmitAt emit) {
  auto found = get(base, key, meter_);
  if (!found) {
    return (n.optional && found.error().kind != ErrorKind::budget) || fail(std::move(found.error()));
  }
  path_.push_back(std::move(key));
  const bool more = emit(*found);
  path_.pop_back();
  return more;
}

bool Interpreter::paths_of_access(const Node& n, const Value& input, EmitAt emit) {
  const auto with_key = [&](const Value& key) {
    return paths(n.a, input, [&](const Value& base) { return path_into(n, base, key, emit); });
  };
  if (n.op == Op::field) {
    return with_key(code_.literals[n.b]);
  }
  if (n.op == Op::index) {
    return each(n.b, input, [&](Value&& key) { return with_key(key); });
  }
  const auto with_end = [&](const Value& from) {
    const auto finish = [&](Value&& to) { return with_key(slice_key(from, to)); };
    return n.c == kNone ? finish(Value()) : each(n.c, input, finish);
  };
  return n.b == kNone ? with_end(Value()) : each(n.b, input, [&](Value&& from) { return with_end(from); });
}

bool Interpreter::paths_of_elements(const Node& n, const Value& list, EmitAt emit) {
  if (!list.is_array() && !list.is_object()) {
    return n.optional || fail(type_error(fmt::format("Cannot iterate over {}", describe(list))).error());
  }
  for (std::size_t i = 0; i < list.items().size(); ++i) {
    if (!step() || !path_into(n, list, Value(i), emit)) {
      return false;
    }
  }
  return std::ranges::all_of(
      list.members(), [&](const json::Member& m) { return step() && path_into(n, list, m.name, emit); });
}

bool Interpreter::paths_of_alternative(const Node& n, const Value& input, EmitAt emit) {
  bool any = false;
  const bool done = paths(n.a, input, [&](const Value& value) {
    any |= value.is_true();
    return !value.is_true() || emit(value);
  });
  return done && (any || paths(n.b, input, emit));
}

bool Interpreter::paths_of_limit(const Node& n, const Value& input, EmitAt emit) {
  return each_count(n, input, [&](FirstOf first) {
    bool stopped = false;
    const bool done = first.most <= 0 || paths(first.source, input, [&](const Value& value) {
                        stopped = !emit(value);
                        return !stopped && --first.most > 0;
                      });
    return done || (!stopped && !failed());
  });
}

bool Interpreter::paths_of_attempt(const Node& n, const Value& input, EmitAt emit) {
  const std::size_t depth = path_.size();
  bool stopped = false;
  const bool done = paths(n.a, input, [&](const Value& value) {
    stopped = !emit(value);
    return !stopped;
  });
  if (done || stopped || !failed() || error_->kind == ErrorKind::budget) {
    return done;
  }
  FLOTILLA_ASSERT(path_.size() == depth);
  const EvalError caught = take_error();
  error_.reset();
  return n.b == kNone || paths(n.b, caught.value, emit);
}

}  // namespace flotilla::expr
