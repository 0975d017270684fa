// The interpreter: walks the nodes of one Code over one input.
//
// How generators work: a node that gives exactly one output is evaluated by one(); any other by each(),
// which calls `emit` for every output and stops as soon as emit answers false. Nothing is allocated for a
// generator: its state is the call stack, whose depth the compiler has bounded (Node::levels).
// Every function answers false either because it failed (failed() is true, error_ says why) or because
// whoever consumes the outputs wants no more.
// Ownership, threads: one evaluation, one thread; borrows the code, the input and the variables.
#pragma once

#include <array>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "flotilla/expr/core/code.hpp"
#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/expr/core/meter.hpp"

namespace flotilla::expr {

// A consumer of outputs: refers to a callable that outlives the call it is passed to.
template <class Argument>
class Consumer {
 public:
  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, Consumer>)
  Consumer(F&& f) noexcept  // NOLINT: like std::function_ref
      : object_(std::addressof(f)), call_([](const void* object, Argument argument) -> bool {
          return (*static_cast<std::add_pointer_t<std::remove_reference_t<F>>>(const_cast<void*>(object)))(
              std::forward<Argument>(argument));
        }) {}
  bool operator()(Argument argument) const { return call_(object_, std::forward<Argument>(argument)); }

 private:
  const void* object_;
  bool (*call_)(const void*, Argument);
};

using Value = json::Value;
using Emit = Consumer<Value&&>;
// For path expressions: the value at the path that the interpreter holds in path_.
using EmitAt = Consumer<const Value&>;
// At most so many outputs of a node.
struct FirstOf {
  NodeId source;
  std::int64_t most;
};

class Interpreter {
 public:
  Interpreter(const Code& code, std::span<const Value> variables, Budget budget);

  bool each(NodeId id, const Value& input, Emit emit);
  [[nodiscard]] bool failed() const noexcept { return error_.has_value(); }
  [[nodiscard]] EvalError take_error() { return std::move(*error_); }

 private:
  [[nodiscard]] const Node& node(NodeId id) const noexcept { return code_.nodes[id]; }
  [[nodiscard]] std::span<const std::uint32_t> list(std::uint32_t start, std::size_t count) const noexcept {
    return std::span(code_.lists).subspan(start, count);
  }
  bool fail(EvalError error) {
    error_ = std::move(error);
    return false;
  }
  bool step();
  // Stores an outcome, or its error.
  bool take(std::expected<Value, EvalError> outcome, Value& out);
  // Stores a value that was put together, if it is not too large.
  bool accept(Value value, Value& out);

  // interpreter.cpp: nodes with one output.
  bool one(NodeId id, const Value& input, Value& out);
  // The output without copying it if it stands somewhere, else in `storage`; nullptr if it failed.
  const Value* look(NodeId id, const Value& input, Value& storage);
  const Value* borrow(NodeId id, const Value& input);
  bool one_of_operator(const Node& n, const Value& input, Value& out);
  bool one_object(const Node& n, const Value& input, Value& out);
  bool one_array(const Node& n, const Value& input, Value& out);
  bool one_text(const Node& n, const Value& input, Value& out);
  bool one_call(const Node& n, const Value& input, Value& out);
  bool one_access(const Node& n, const Value& input, Value& out);
  bool one_logical(const Node& n, const Value& input, Value& out);
  bool apply_operator(Op op, Value&& left, const Value& right, Value& out);

  // generators.cpp: nodes with any number of outputs.
  bool each_access(const Node& n, const Value& input, Emit emit);
  bool emit_access(const Node& n, const Value& input, const Value& key, Emit emit);
  bool each_iterate(const Node& n, const Value& input, Emit emit);
  bool each_element(const Node& n, const Value& list, Emit emit);
  bool each_alternative(const Node& n, const Value& input, Emit emit);
  bool each_operator(const Node& n, const Value& input, Emit emit);
  bool each_logical(const Node& n, const Value& input, Emit emit);
  bool each_object(const Node& n, const Value& input, std::size_t entry, const Value& so_far, Emit emit);
  bool each_text(const Node& n, const Value& input, std::size_t parts, const Value& tail, Emit emit);
  bool each_call(const Node& n, const Value& input, std::vector<Value>& arguments, Emit emit);
  bool each_attempt(const Node& n, const Value& input, Emit emit);
  bool each_reduce(const Node& n, const Value& input, Emit emit);
  bool each_limit(const Node& n, const Value& input, Emit emit);
  // What `first` and `limit` ask for, once for each count.
  bool each_count(const Node& n, const Value& input, Consumer<FirstOf> take);
  bool each_range(const Node& n, const Value& input, Emit emit);
  bool emit_range(const Value& from, const Value& upto, const Value& by, Emit emit);

  // collections.cpp: what looks at all outputs or elements.
  bool collect(NodeId id, const Value& input, std::vector<Value>& out);
  bool one_by_key(const Node& n, const Value& input, Value& out);
  bool group(const Node& n, const Value& input, std::span<const Value> keys, Value& out);
  bool extreme(const Node& n, const Value& input, std::span<const Value> keys, Value& out);
  bool one_quantifier(const Node& n, const Value& input, Value& out);
  bool one_last(const Node& n, const Value& input, Value& out);
  bool fold(const Node& n, const Value& input, Value& state);
  bool fold_step(NodeId update, Value& state);
  bool bind(NodeId pattern, const Value& value);
  bool bind_object(const Node& n, const Value& value);

  // paths.cpp: del.
  bool one_removal(const Node& n, const Value& input, Value& out);
  bool paths(NodeId id, const Value& input, EmitAt emit);
  bool paths_of_access(const Node& n, const Value& input, EmitAt emit);
  bool paths_of_elements(const Node& n, const Value& list, EmitAt emit);
  bool path_into(const Node& n, const Value& base, Value key, EmitAt emit);
  bool paths_of_alternative(const Node& n, const Value& input, EmitAt emit);
  bool paths_of_limit(const Node& n, const Value& input, EmitAt emit);
  bool paths_of_attempt(const Node& n, const Value& input, EmitAt emit);

  // The frame of bound variables: most programs have few.
  static constexpr std::size_t kFewSlots = 6;

  const Code& code_;
  Meter meter_;
  std::optional<EvalError> error_;
  std::array<Value, kFewSlots> few_;
  std::vector<Value> many_;
  std::span<Value> slots_;
  std::vector<Value> path_;
};

}  // namespace flotilla::expr
