#include "flotilla/expr/core/functions.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/expr/core/arithmetic.hpp"
#include "flotilla/expr/core/failure.hpp"
#include "flotilla/expr/core/ordering.hpp"
#include "flotilla/expr/core/path.hpp"
#include "flotilla/expr/core/pattern.hpp"
#include "flotilla/json/number.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/utf8.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::expr {
namespace {

using json::Kind;
using json::Value;

struct Entry {
  std::string_view name;
  Arity arity;
};

// In the order of Function, from `length` on.
constexpr Entry kFunctions[] = {
    {"length", {0, 0}},     {"keys", {0, 0}},
    {"has", {1, 1}},        {"add", {0, 0}},
    {"to_entries", {0, 0}}, {"from_entries", {0, 0}},
    {"split", {1, 1}},      {"join", {1, 1}},
    {"test", {1, 2}},       {"ascii_downcase", {0, 0}},
    {"tostring", {0, 0}},   {"tonumber", {0, 0}},
    {"tojson", {0, 0}},     {"fromjson", {0, 0}},
    {"@uri", {0, 0}},       {"@base64", {0, 0}},
    {"flatten", {0, 1}},    {"index", {1, 1}},
    {"startswith", {1, 1}}, {"endswith", {1, 1}},
    {"ltrimstr", {1, 1}},   {"rtrimstr", {1, 1}},
    {"floor", {0, 0}},      {"not", {0, 0}},
    {"error", {0, 1}},      {"type", {0, 0}},
    {"sort", {0, 0}},       {"unique", {0, 0}},
    {"min", {0, 0}},        {"max", {0, 0}},
    {"map", {1, 1}},        {"select", {1, 1}},
    {"any", {0, 2}},        {"all", {0, 2}},
    {"sort_by", {1, 1}},    {"group_by", {1, 1}},
    {"unique_by", {1, 1}},  {"min_by", {1, 1}},
    {"max_by", {1, 1}},     {"with_entries", {1, 1}},
    {"del", {1, 1}},        {"limit", {2, 2}},
    {"first", {0, 1}},      {"last", {0, 1}},
    {"range", {1, 3}},      {"empty", {0, 0}},
};
static_assert(std::size(kFunctions) == static_cast<std::size_t>(Function::empty));

std::string_view name_of(Function f) { return kFunctions[static_cast<std::size_t>(f) - 1].name; }

bool is_list(const Value& v) { return v.is_array() || v.is_object(); }

std::unexpected<EvalError> not_iterable(const Value& v) {
  return type_error(fmt::format("Cannot iterate over {}", describe(v)));
}

// Calls f(element) for each element or member value until it answers false.
template <class F>
bool each_element(const Value& list, F f) {
  return std::ranges::all_of(list.items(), f) &&
         std::ranges::all_of(list.members(), [&](const json::Member& m) { return f(m.value); });
}

Outcome length(const Value& v) {
  switch (v.kind()) {
    case Kind::null:
      return Value(0);
    case Kind::boolean:
      return type_error(fmt::format("{} has no length", describe(v)));
    case Kind::number:
      return v.number_text().front() == '-' ? negate(v) : Outcome(v);
    case Kind::string:
      return Value(std::ranges::count_if(
          v.as_string(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
    default:
      return Value(v.size());
  }
}

Outcome keys(const Value& v, bool sorted) {
  Value names = Value::array();
  if (v.is_array()) {
    for (std::size_t i = 0; i < v.size(); ++i) {
      names.push_back(i);
    }
    return names;
  }
  if (!v.is_object()) {
    return type_error(fmt::format("{} has no keys", describe(v)));
  }
  std::vector<Value> all;
  all.reserve(v.size());
  for (const json::Member& m : v.members()) {
    all.push_back(m.name);
  }
  if (sorted) {
    std::ranges::sort(all, {}, &Value::as_string);
  }
  return json::ListBuilder::make_array(all);
}

Outcome has(const Value& v, const Value& key) {
  if ((v.is_object() || v.is_null()) && key.is_string()) {
    return Value(v.find(key.as_string()) != nullptr);
  }
  if ((v.is_array() || v.is_null()) && key.is_number()) {
    const auto i = key.as_double().value_or(-1);
    return Value(i >= 0 && i < static_cast<double>(v.size()));
  }
  return type_error(
      fmt::format("Cannot check whether {} has a {} key", to_string(v.kind()), to_string(key.kind())));
}

Outcome add_all(const Value& v, Meter& meter) {
  if (!is_list(v)) {
    return not_iterable(v);
  }
  Outcome sum = Value();
  each_element(v, [&](const Value& item) {
    sum = meter.step() ? add(std::move(*sum), item, meter) : out_of_steps();
    return sum.has_value();
  });
  return sum;
}

Outcome to_entries(const Value& v, Meter& meter) {
  auto names = keys(v, false);
  if (!names) {
    return names;
  }
  if (!meter.step(v.size())) {
    return out_of_steps();
  }
  Value entries = Value::array();
  entries.reserve(v.size());
  std::size_t i = 0;
  each_element(v, [&](const Value& item) {
    entries.push_back(Value::object({{"key", (*names)[i++]}, {"value", item}}));
    return true;
  });
  return entries;
}

// The first of the names jq looks for whose value is neither null nor false.
Value entry_key(const Value& entry) {
  for (const char* name : {"key", "k", "name", "Name", "K", "Key"}) {
    if (const Value& found = entry[std::string_view(name)]; found.is_true()) {
      return found;
    }
  }
  return {};
}

Outcome from_entries(const Value& v, Meter& meter) {
  if (!is_list(v)) {
    return not_iterable(v);
  }
  if (!meter.step(v.size())) {
    return out_of_steps();
  }
  std::vector<json::Member> members;
  members.reserve(v.size());
  Outcome failure = Value();
  each_element(v, [&](const Value& entry) {
    if (!entry.is_object() && !entry.is_null()) {
      failure = type_error(fmt::format("Cannot index {} with string \"key\"", to_string(entry.kind())));
      return false;
    }
    Value key = entry_key(entry);
    if (!key.is_string()) {
      failure = type_error(fmt::format("Cannot use {} as object key", describe(key)));
      return false;
    }
    const Value* value = entry.find("value");
    members.push_back({std::move(key), value != nullptr ? *value : entry["Value"]});
    return true;
  });
  return failure ? Outcome(json::ListBuilder::make_object(members)) : failure;
}

Outcome join(const Value& v, const Value& separator, Meter& meter) {
  if (!is_list(v)) {
    return not_iterable(v);
  }
  std::string out;
  Outcome result = Value();
  bool first = true;
  each_element(v, [&](const Value& item) {
    if (!first && !separator.is_string() && !separator.is_null()) {
      result = add(Value(out), separator, meter);  // says why not
      return false;
    }
    if (!first && separator.is_string()) {
      out += separator.as_string();
    }
    first = false;
    if (item.is_string()) {
      out += item.as_string();
    } else if (item.is_number() || item.is_bool()) {
      json::write_to(out, item);
    } else if (!item.is_null()) {
      result = add(Value(out), item, meter);
      return false;
    }
    if (out.size() > Meter::kMaxValueText) {
      result = too_large();
    } else if (!meter.walk_text(item.text_size())) {
      result = out_of_steps();
    }
    return result.has_value();
  });
  return result ? Outcome(Value(out)) : result;
}

Outcome test(const Value& v, std::span<const Value> arguments, const Pattern* pattern, Meter& meter) {
  if (!v.is_string()) {
    return type_error(fmt::format("{} cannot be matched, as it is not a string", describe(v)));
  }
  if (!meter.walk_text(v.text_size())) {
    return out_of_steps();
  }
  if (pattern != nullptr) {
    return Value(pattern->found_in(v.as_string()));
  }
  // test(["REGEX", "FLAGS"]) is test("REGEX"; "FLAGS").
  const bool listed = arguments.size() == 1 && arguments[0].is_array();
  static const Value none;
  const Value& regex = listed ? arguments[0][std::size_t{0}] : arguments[0];
  const Value& flags = listed ? arguments[0][1] : arguments.size() > 1 ? arguments[1] : none;
  if (!regex.is_string() || (!flags.is_string() && !flags.is_null())) {
    return type_error(fmt::format("{} is not a string", describe(regex.is_string() ? flags : regex)));
  }
  constexpr std::uint64_t kCompiling = 256;  // some 25 us
  if (!meter.step(kCompiling)) {
    return out_of_steps();
  }
  const auto compiled = Pattern::compile(regex.as_string(), flags.is_string() ? flags.as_string() : "");
  if (!compiled) {
    return type_error(compiled.error());
  }
  return Value(compiled->found_in(v.as_string()));
}

Outcome tonumber(const Value& v) {
  if (v.is_number()) {
    return v;
  }
  if (!v.is_string()) {
    return type_error(fmt::format("{} cannot be parsed as a number", describe(v)));
  }
  const std::string_view text = trim(v.as_string());
  if (!json::is_number(text)) {
    return type_error(fmt::format("{} cannot be parsed as a number", describe(v)));
  }
  return Value::number(text);
}

Outcome fromjson(const Value& v) {
  if (!v.is_string()) {
    return type_error(fmt::format("{} only strings can be parsed", describe(v)));
  }
  auto parsed = json::parse(v.as_string(), {.size = Meter::kMaxValueText});
  if (!parsed) {
    return type_error(fmt::format("{} (while parsing {})", parsed.error().message, describe(v)));
  }
  return std::move(*parsed);
}

// Appends the elements, arrays among them opened to `depth` levels. Recursion is bounded by the value's
// depth.
bool flatten_into(Value& out, const Value& list, std::int64_t depth, Meter& meter) {
  return each_element(list, [&](const Value& item) {
    if (item.is_array() && depth > 0) {
      return meter.step() && flatten_into(out, item, depth - 1, meter);
    }
    out.push_back(item);
    return meter.step();
  });
}

Outcome flatten(const Value& v, std::span<const Value> arguments, Meter& meter) {
  if (!arguments.empty() && !arguments[0].is_number()) {
    return type_error(fmt::format("{} is not a depth to flatten to", describe(arguments[0])));
  }
  const double depth = arguments.empty() ? Value::kMaxDepth : arguments[0].as_double().value_or(0);
  if (depth < 0) {
    return type_error("flatten depth must not be negative");
  }
  if (!is_list(v)) {
    return not_iterable(v);
  }
  Value flat = Value::array();
  if (!flatten_into(flat, v, static_cast<std::int64_t>(std::min<double>(depth, Value::kMaxDepth)), meter)) {
    return out_of_steps();
  }
  return flat;
}

Outcome index(const Value& v, const Value& wanted, Meter& meter) {
  if (v.is_null()) {
    return Value();
  }
  if (v.is_array()) {
    const auto found = positions(v, wanted.is_array() ? wanted : Value::array({wanted}), meter);
    return found ? Outcome((*found)[std::size_t{0}]) : found;
  }
  if (!v.is_string() || !wanted.is_string()) {
    return type_error(fmt::format("Cannot find {} in {}", describe(wanted), describe(v)));
  }
  if (!meter.walk_text(v.text_size())) {
    return out_of_steps();
  }
  const std::size_t at =
      wanted.as_string().empty() ? std::string_view::npos : v.as_string().find(wanted.as_string());
  return at == std::string_view::npos ? Outcome(Value()) : length(Value(v.as_string().substr(0, at)));
}

Outcome affix(Function f, const Value& v, const Value& affix, Meter& meter) {
  if (!meter.walk_text(v.is_string() ? v.text_size() : 0)) {
    return out_of_steps();
  }
  const bool strings = v.is_string() && affix.is_string();
  const bool front = f == Function::startswith || f == Function::ltrimstr;
  const bool there = strings && (front ? v.as_string().starts_with(affix.as_string())
                                       : v.as_string().ends_with(affix.as_string()));
  if (f == Function::startswith || f == Function::endswith) {
    return strings ? Outcome(Value(there))
                   : type_error(fmt::format("{}() requires string inputs", name_of(f)));
  }
  if (!there) {
    return v;
  }
  std::string_view rest = v.as_string();
  front ? rest.remove_prefix(affix.as_string().size()) : rest.remove_suffix(affix.as_string().size());
  return Value(rest);
}

Outcome sorted(Function f, const Value& v, Meter& meter) {
  if (!v.is_array()) {
    return type_error(fmt::format("{} cannot be sorted, as it is not an array", describe(v)));
  }
  if (!pay_for_sorting(meter, v.size(), v.text_size())) {
    return out_of_steps();
  }
  const auto less = [](const Value& a, const Value& b) { return json::compare(a, b) < 0; };
  if (f == Function::min) {
    return v.empty() ? Value() : *std::ranges::min_element(v.items(), less);
  }
  if (f == Function::max) {  // jq takes the last of equal ones
    const auto items = v.items();
    return v.empty() ? Value() : *std::max_element(items.rbegin(), items.rend(), less);
  }
  std::vector<Value> items;
  items.reserve(v.size());
  for (const std::uint32_t i : sorted_positions(v.items())) {
    if (f == Function::sort || items.empty() || json::compare(items.back(), v[i]) != 0) {
      items.push_back(v[i]);
    }
  }
  return json::ListBuilder::make_array(items);
}

}  // namespace

std::optional<Function> find_function(std::string_view name) noexcept {
  for (std::size_t i = 0; i < std::size(kFunctions); ++i) {
    if (kFunctions[i].name == name) {
      return static_cast<Function>(i + 1);
    }
  }
  return std::nullopt;
}

std::span<const std::string_view> function_names() noexcept {
  static constexpr auto names = [] {
    std::array<std::string_view, std::size(kFunctions)> all;
    std::ranges::transform(kFunctions, all.begin(), &Entry::name);
    return all;
  }();
  return names;
}

Arity arity_of(Function function) noexcept {
  return kFunctions[static_cast<std::size_t>(function) - 1].arity;
}

Outcome apply(Function function, const Value& input, std::span<const Value> arguments, const Pattern* pattern,
              Meter& meter) {
  switch (function) {
    case Function::length:
      return meter.walk_text(input.is_string() ? input.text_size() : 0) ? length(input) : out_of_steps();
    case Function::keys:
      return meter.step(input.size() / 2) ? keys(input, true) : out_of_steps();
    case Function::has:
      return has(input, arguments[0]);
    case Function::add:
      return add_all(input, meter);
    case Function::to_entries:
      return to_entries(input, meter);
    case Function::from_entries:
      return from_entries(input, meter);
    case Function::split:
      if (!input.is_string() || !arguments[0].is_string()) {
        return type_error("split input and separator must be strings");
      }
      return split(input.as_string(), arguments[0].as_string(), meter);
    case Function::join:
      return join(input, arguments[0], meter);
    case Function::test:
      return test(input, arguments, pattern, meter);
    case Function::ascii_downcase:
      if (!input.is_string()) {
        return type_error("ascii_downcase input must be a string");
      }
      return meter.walk(input) ? Outcome(Value(to_lower(input.as_string()))) : out_of_steps();
    case Function::tostring:
      return input.is_string() ? Outcome(input) : interpolated(Function::none, input, meter);
    case Function::tonumber:
      return tonumber(input);
    case Function::tojson:
      return meter.walk(input) ? Outcome(Value(json::write(input))) : out_of_steps();
    case Function::fromjson:
      return meter.walk_text(4 * input.text_size()) ? fromjson(input) : out_of_steps();
    case Function::uri:
    case Function::base64:
      return interpolated(function, input, meter);
    case Function::flatten:
      return flatten(input, arguments, meter);
    case Function::index:
      return index(input, arguments[0], meter);
    case Function::startswith:
    case Function::endswith:
    case Function::ltrimstr:
    case Function::rtrimstr:
      return affix(function, input, arguments[0], meter);
    case Function::floor:
      return floor(input);
    case Function::logical_not:
      return Value(!input.is_true());
    case Function::error:
      return std::unexpected(EvalError{ErrorKind::raised, arguments.empty() ? input : arguments[0]});
    case Function::type:
      return Value(to_string(input.kind()));
    case Function::sort:
    case Function::unique:
    case Function::min:
    case Function::max:
      return sorted(function, input, meter);
    default:
      break;
  }
  FLOTILLA_ASSERT(false && "a function of expressions is not applied to values");
  return Value();
}

}  // namespace flotilla::expr
