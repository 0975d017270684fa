// Calls of functions. Functions that are short for other expressions are expanded here.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/expr/core/parser.hpp"

namespace flotilla::expr {
namespace {

// Functions of jq that people may try first: told from typing errors.
constexpr std::string_view kLeftOut[] = {
    "env",      "input",   "inputs",  "now",      "debug",  "path",    "paths",        "getpath", "setpath",
    "delpaths", "recurse", "while",   "until",    "repeat", "match",   "capture",      "scan",    "sub",
    "gsub",     "splits",  "walk",    "contains", "inside", "reverse", "ascii_upcase", "ceil",    "round",
    "sqrt",     "pow",     "indices", "rindex",   "todate", "strftime"};

}  // namespace

NodeId Parser::call(std::string_view name, std::size_t offset) {
  const auto function = find_function(name);
  if (!function && std::ranges::find(kLeftOut, name) != std::end(kLeftOut)) {
    return fail(offset, fmt::format("{} is not part of the language", name));
  }
  if (!function) {
    const auto hint = nearest(name, function_names());
    return fail(offset, hint ? fmt::format("unknown function {}; did you mean {}?", name, *hint)
                             : fmt::format("unknown function {}", name));
  }
  std::vector<std::uint32_t> arguments;
  if (token_.is("(") && !call_arguments(arguments)) {
    return kNone;
  }
  const Arity arity = arity_of(*function);
  if (arguments.size() < arity.least || arguments.size() > arity.most) {
    const std::string wanted = arity.least == arity.most ? fmt::format("{}", arity.least)
                                                         : fmt::format("{} to {}", arity.least, arity.most);
    return fail(offset, fmt::format("{} takes {} argument{}, not {}", name, wanted, wanted == "1" ? "" : "s",
                                    arguments.size()));
  }
  return built(*function, arguments, offset);
}

bool Parser::call_arguments(std::vector<std::uint32_t>& arguments) {
  const Nested nested(*this);
  const bool outer = std::exchange(commas_, true);
  accept("(");
  do {
    arguments.push_back(failed() ? kNone : pipe());
  } while (accept(";"));
  commas_ = outer;
  return expect(")", "or ; after an argument");
}

NodeId Parser::built(Function function, std::span<const NodeId> arguments, std::size_t offset) {
  const auto argument = [&](std::size_t i) { return arguments[i]; };
  const auto mapped = [&](NodeId f) {
    const NodeId elements = build_.unary(Op::iterate, build_.identity());
    return build_.unary(Op::array, build_.binary(Op::pipe, elements, f));
  };
  switch (function) {
    case Function::map:
      return mapped(argument(0));
    case Function::select: {
      const NodeId yes = build_.identity();
      const NodeId no = build_.add({.op = Op::nothing});
      return build_.add({.op = Op::branch, .a = argument(0), .b = yes, .c = no});
    }
    case Function::any:
      return quantifier(Op::any_of, arguments);
    case Function::all:
      return quantifier(Op::all_of, arguments);
    case Function::sort_by:
      return build_.unary(Op::sort_by, argument(0));
    case Function::group_by:
      return build_.unary(Op::group_by, argument(0));
    case Function::unique_by:
      return build_.unary(Op::unique_by, argument(0));
    case Function::min_by:
      return build_.unary(Op::min_by, argument(0));
    case Function::max_by:
      return build_.unary(Op::max_by, argument(0));
    case Function::with_entries: {
      const NodeId changed = mapped(argument(0));
      const NodeId back = build_.binary(Op::pipe, changed, value_call(Function::from_entries, {}, offset));
      return build_.binary(Op::pipe, value_call(Function::to_entries, {}, offset), back);
    }
    case Function::del:
      return build_.is_path(argument(0))
                 ? build_.unary(Op::remove, argument(0))
                 : fail(offset, "del takes paths, such as .a, .b[0] or .[] | select(..)");
    case Function::limit:
      return build_.binary(Op::limit, argument(0), argument(1));
    case Function::first:
      return arguments.empty() ? element_at(0) : build_.unary(Op::first_of, argument(0));
    case Function::last:
      return arguments.empty() ? element_at(-1) : build_.unary(Op::last_of, argument(0));
    case Function::range: {
      const NodeId from = arguments.size() == 1 ? build_.literal(0) : argument(0);
      const NodeId upto = arguments.size() == 1 ? argument(0) : argument(1);
      const NodeId by = arguments.size() == 3 ? argument(2) : build_.literal(1);
      return build_.add({.op = Op::range, .a = from, .b = upto, .c = by});
    }
    case Function::empty:
      return build_.add({.op = Op::nothing});
    default:
      return value_call(function, arguments, offset);
  }
}

NodeId Parser::value_call(Function function, std::span<const NodeId> arguments, std::size_t offset) {
  const NodeId id = build_.over_list(Op::call, arguments, 1, function);
  if (function != Function::test) {
    return id;
  }
  const json::Value* regex = build_.literal_of(arguments[0]);
  const json::Value* flags = arguments.size() > 1 ? build_.literal_of(arguments[1]) : nullptr;
  if (regex == nullptr || !regex->is_string() ||
      (arguments.size() > 1 && (flags == nullptr || !flags->is_string()))) {
    return id;
  }
  auto compiled = Pattern::compile(regex->as_string(), flags == nullptr ? "" : flags->as_string());
  if (!compiled) {
    return fail(offset, compiled.error());
  }
  build_.set_pattern(id, std::move(*compiled));
  return id;
}

NodeId Parser::quantifier(Op op, std::span<const NodeId> arguments) {
  const NodeId source = arguments.size() == 2 ? arguments[0] : build_.unary(Op::iterate, build_.identity());
  const NodeId condition = arguments.empty() ? build_.identity() : arguments.back();
  return build_.binary(op, source, condition);
}

NodeId Parser::element_at(std::int64_t index) {
  const NodeId base = build_.identity();
  return build_.binary(Op::index, base, build_.literal(index));
}

}  // namespace flotilla::expr
