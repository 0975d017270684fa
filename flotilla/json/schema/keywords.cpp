// The keywords of one subschema, turned into rules in the order in which faults read best: what kind of
// value, which value, its own bounds, what is inside it, other schemas.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "flotilla/json/schema/compiler.hpp"
#include "flotilla/json/schema/schema.hpp"

namespace flotilla::json::schema {
namespace {

constexpr Kinds kNumbers = kind_bit(Kind::number);
constexpr Kinds kStrings = kind_bit(Kind::string);
constexpr Kinds kArrays = kind_bit(Kind::array);
constexpr Kinds kObjects = kind_bit(Kind::object);

constexpr std::array kKinds{Kind::null, Kind::boolean, Kind::number, Kind::string, Kind::array, Kind::object};

// Adds the kind that `type` names; false if it names none.
bool add_type(Types& types, const Value& name) {
  if (!name.is_string()) {
    return false;
  }
  if (name.as_string() == "integer") {
    types.integers = true;
    return true;
  }
  const auto* kind = std::ranges::find(kKinds, name.as_string(), [](Kind kind) { return to_string(kind); });
  if (kind == kKinds.end()) {
    return false;
  }
  types.kinds |= kind_bit(*kind);
  return true;
}

}  // namespace

const Value* Compiler::get(const Subschema& s, std::string_view keyword, Kind kind) {
  const Value* value = s.object.find(keyword);
  if (value != nullptr && value->kind() != kind) {
    refuse(s.node, keyword, Errc::invalid,
           fmt::format("must be {}, is {}", to_string(kind), to_string(value->kind())));
    return nullptr;
  }
  return value;
}

void Compiler::read_keywords(const Subschema& s) {
  if (const Value* dialect = s.object.find("$schema"); dialect != nullptr && s.node != 0) {
    const Value* of_root = document_.find("$schema");
    if (of_root == nullptr || *of_root != *dialect) {
      refuse(s.node, "$schema", Errc::unsupported, "differs from that of the whole document");
    }
  }
  if (dialect_ != Dialect::v2020 && s.object.find("$ref") != nullptr) {
    read_reference(s);  // in draft 7 nothing beside it counts
    return;
  }
  read_identifiers(s);
  read_annotations(s);
  read_any_value(s);
  read_numbers(s);
  read_strings(s);
  read_sizes(s);
  read_arrays(s);
  read_objects(s);
  read_reference(s);
  read_combinations(s);
  for (const std::string_view keyword : {"definitions", "$defs"}) {
    if (keyword == "definitions" || has_2020()) {
      if (const Value* schemas = get(s, keyword, Kind::object)) {
        for (const Member& m : schemas->members()) {
          child(s, keyword, m.key(), m.value);
        }
      }
    }
  }
}

// They assert nothing, but one of a wrong kind is a mistake that is better found here.
void Compiler::read_annotations(const Subschema& s) {
  for (const std::string_view keyword :
       {"$comment", "title", "description", "contentMediaType", "contentEncoding"}) {
    static_cast<void>(get(s, keyword, Kind::string));
  }
  for (const std::string_view keyword : {"readOnly", "writeOnly"}) {
    static_cast<void>(get(s, keyword, Kind::boolean));
  }
  static_cast<void>(get(s, "examples", Kind::array));
  if (has_2020()) {
    for (const std::string_view keyword :
         {"unevaluatedItems", "unevaluatedProperties", "$dynamicRef", "$dynamicAnchor", "$recursiveRef"}) {
      if (s.object.find(keyword) != nullptr) {
        refuse(s.node, keyword, Errc::unsupported, "is not supported, and ignoring it would accept too much");
      }
    }
  }
}

void Compiler::read_any_value(const Subschema& s) {
  if (const Value* type = s.object.find("type")) {
    Types types;
    const auto names = type->is_array() ? type->items() : std::span<const Value>(type, 1);
    if (names.empty() ||
        !std::ranges::all_of(names, [&](const Value& name) { return add_type(types, name); })) {
      refuse(s.node, "type", Errc::invalid,
             "must be null, boolean, number, integer, string, array or object, or a list of them");
    }
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (std::ranges::count(names, names[i]) > 1) {
        refuse(s.node, "type", Errc::invalid, "names a type twice");
        return;
      }
    }
    add_rule(s, "type", kAnyKind, types);
  }
  if (const Value* values = get(s, "enum", Kind::array)) {
    add_rule(s, "enum", kAnyKind, OneOfValues{{values->items().begin(), values->items().end()}});
  }
  if (const Value* value = s.object.find("const")) {
    add_rule(s, "const", kAnyKind, OneOfValues{{*value}});
  }
}

void Compiler::read_numbers(const Subschema& s) {
  constexpr std::pair<std::string_view, Bound::Is> kBounds[] = {{"minimum", Bound::Is::at_least},
                                                                {"exclusiveMinimum", Bound::Is::above},
                                                                {"maximum", Bound::Is::at_most},
                                                                {"exclusiveMaximum", Bound::Is::below}};
  for (const auto& [keyword, is] : kBounds) {
    if (const Value* limit = get(s, keyword, Kind::number)) {
      add_rule(s, keyword, kNumbers, Bound{.is = is, .limit = *limit});
    }
  }
  if (const Value* of = get(s, "multipleOf", Kind::number)) {
    const auto divisor = Divisor::parse(of->number_text());
    if (!divisor) {
      refuse(s.node, "multipleOf", Errc::invalid,
             fmt::format("must be above 0, of at most {} digits", Divisor::kDigits));
      return;
    }
    add_rule(s, "multipleOf", kNumbers,
             MultipleOf{.divisor = *divisor, .written = std::string(of->number_text())});
  }
}

void Compiler::read_strings(const Subschema& s) {
  if (const Value* text = get(s, "pattern", Kind::string)) {
    if (auto compiled = pattern(s, "pattern", text->as_string())) {
      add_rule(s, "pattern", kStrings, Matches{std::move(*compiled)});
    }
  }
  if (const Value* name = get(s, "format", Kind::string)) {
    if (const Format* format = find_format(name->as_string())) {
      add_rule(s, "format", kStrings, HasFormat{format});
    }
  }
}

void Compiler::read_sizes(const Subschema& s) {
  struct Keyword {
    std::string_view name;
    Kinds kinds;
    bool is_most;
  };
  constexpr Keyword kKeywords[] = {{"minLength", kStrings, false},     {"maxLength", kStrings, true},
                                   {"minItems", kArrays, false},       {"maxItems", kArrays, true},
                                   {"minProperties", kObjects, false}, {"maxProperties", kObjects, true}};
  for (const Keyword& k : kKeywords) {
    if (const auto limit = count(s, k.name)) {
      add_rule(s, k.name, k.kinds, Size{.is_most = k.is_most, .limit = *limit});
    }
  }
}

void Compiler::read_arrays(const Subschema& s) {
  if (const Value* unique = get(s, "uniqueItems", Kind::boolean); unique != nullptr && unique->as_bool()) {
    add_rule(s, "uniqueItems", kArrays, Unique{});
  }
  Items items;
  const Value* first = has_2020() ? get(s, "prefixItems", Kind::array) : nullptr;
  const Value* rest = s.object.find("items");
  const Value* additional = dialect_ != Dialect::v2020 ? s.object.find("additionalItems") : nullptr;
  if (first != nullptr) {
    items.first = children(s, "prefixItems", *first);
  }
  if (rest != nullptr && rest->is_array()) {
    if (dialect_ == Dialect::v2020 || first != nullptr) {
      refuse(s.node, "items", Errc::invalid, "must be one schema here; prefixItems takes a list");
    }
    items.first = children(s, "items", *rest);
    items.rest = additional != nullptr ? child(s, "additionalItems", *additional) : kNone;
  } else {
    if (additional != nullptr) {
      child(s, "additionalItems", *additional);  // asserts nothing without a list, but may be referred to
    }
    items.rest = rest != nullptr ? child(s, "items", *rest) : kNone;
  }
  if (!items.first.empty() || items.rest != kNone) {
    add_rule(s, "items", kArrays, std::move(items));
  }
  read_contains(s);
}

void Compiler::read_contains(const Subschema& s) {
  const Value* inside = s.object.find("contains");
  std::uint64_t least = 1;
  std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
  if (has_2020()) {
    least = count(s, "minContains").value_or(least);
    most = count(s, "maxContains").value_or(most);
  }
  if (inside != nullptr) {
    add_rule(s, "contains", kArrays,
             Contains{.node = child(s, "contains", *inside), .least = least, .most = most});
  }
}

void Compiler::read_objects(const Subschema& s) {
  if (const Value* list = get(s, "required", Kind::array)) {
    add_rule(s, "required", kObjects, Required{names(s, "required", *list)});
  }
  read_dependencies(s);
  if (const Value* schema = s.object.find("propertyNames")) {
    add_rule(s, "propertyNames", kObjects, Names{child(s, "propertyNames", *schema)});
  }
  read_properties(s);
}

void Compiler::read_properties(const Subschema& s) {
  Properties properties;
  if (const Value* named = get(s, "properties", Kind::object)) {
    for (const Member& m : named->members()) {
      properties.named.emplace_back(m.key(), child(s, "properties", m.key(), m.value));
    }
    std::ranges::sort(properties.named);
  }
  if (const Value* patterns = get(s, "patternProperties", Kind::object)) {
    for (const Member& m : patterns->members()) {
      if (auto compiled = pattern(s, "patternProperties", m.key())) {
        properties.patterns.emplace_back(std::move(*compiled),
                                         child(s, "patternProperties", m.key(), m.value));
      }
    }
  }
  if (const Value* additional = s.object.find("additionalProperties")) {
    properties.additional = child(s, "additionalProperties", *additional);
  }
  if (!properties.named.empty() || !properties.patterns.empty() || properties.additional != kNone) {
    add_rule(s, "properties", kObjects, std::move(properties));
  }
}

void Compiler::read_dependencies(const Subschema& s) {
  for (const std::string_view keyword : {"dependencies", "dependentRequired", "dependentSchemas"}) {
    if (keyword != "dependencies" && !has_2020()) {
      continue;
    }
    const Value* dependencies = get(s, keyword, Kind::object);
    if (dependencies == nullptr) {
      continue;
    }
    DependentRequired required;
    DependentSchemas schemas;
    for (const Member& m : dependencies->members()) {
      if (keyword == "dependentRequired" && !m.value.is_array()) {
        refuse(s.node, keyword, Errc::invalid, "must have lists of names as its values");
      } else if (keyword != "dependentSchemas" && m.value.is_array()) {
        required.names.emplace_back(m.key(), names(s, keyword, m.value));
      } else {
        schemas.nodes.emplace_back(m.key(), child(s, keyword, m.key(), m.value));
      }
    }
    if (!required.names.empty()) {
      add_rule(s, keyword, kObjects, std::move(required));
    }
    if (!schemas.nodes.empty()) {
      add_rule(s, keyword, kObjects, std::move(schemas));
    }
  }
}

void Compiler::read_combinations(const Subschema& s) {
  if (const Value* list = get(s, "allOf", Kind::array)) {
    add_rule(s, "allOf", kAnyKind, AllOf{children(s, "allOf", *list)});
  }
  if (const Value* list = get(s, "anyOf", Kind::array)) {
    add_rule(s, "anyOf", kAnyKind, AnyOf{children(s, "anyOf", *list)});
  }
  if (const Value* list = get(s, "oneOf", Kind::array)) {
    add_rule(s, "oneOf", kAnyKind, OneOf{children(s, "oneOf", *list)});
  }
  if (const Value* schema = s.object.find("not")) {
    add_rule(s, "not", kAnyKind, Not{child(s, "not", *schema)});
  }
  read_if(s);
}

void Compiler::read_if(const Subschema& s) {
  const auto part = [&](std::string_view keyword) {
    const Value* schema = s.object.find(keyword);
    return schema != nullptr ? child(s, keyword, *schema) : kNone;
  };
  const If rule{.condition = part("if"), .then = part("then"), .otherwise = part("else")};
  if (rule.condition != kNone && (rule.then != kNone || rule.otherwise != kNone)) {
    add_rule(s, "if", kAnyKind, rule);
  }
}

// A count that no 64 bits hold bounds nothing that exists, so the largest one stands for it.
std::optional<std::uint64_t> Compiler::count(const Subschema& s, std::string_view keyword) {
  const Value* value = s.object.find(keyword);
  if (value == nullptr) {
    return std::nullopt;
  }
  if (!value->is_number() || !is_integral(value->number_text()) ||
      compare_numbers(value->number_text(), "0") < 0) {
    refuse(s.node, keyword, Errc::invalid, "must be a whole number, 0 or above");
    return std::nullopt;
  }
  const auto fits = value->as_int();
  return fits ? static_cast<std::uint64_t>(*fits) : std::numeric_limits<std::uint64_t>::max();
}

std::vector<std::string> Compiler::names(const Subschema& s, std::string_view keyword, const Value& list) {
  std::vector<std::string> names;
  for (const Value& name : list.items()) {
    if (!name.is_string()) {
      refuse(s.node, keyword, Errc::invalid, "must name properties, each by a string");
      return {};
    }
    names.emplace_back(name.as_string());
  }
  auto sorted = names;
  std::ranges::sort(sorted);
  if (const auto twice = std::ranges::adjacent_find(sorted); twice != sorted.end()) {
    refuse(s.node, keyword, Errc::invalid, fmt::format("names \"{}\" twice", *twice));
  }
  return names;
}

std::optional<Pattern> Compiler::pattern(const Subschema& s, std::string_view keyword,
                                         std::string_view text) {
  if (++patterns_ > SchemaLimits::kPatterns) {
    refuse(s.node, keyword, Errc::limit, fmt::format("more than {} patterns", SchemaLimits::kPatterns));
  }
  if (fault_) {
    return std::nullopt;
  }
  auto compiled = Pattern::compile(text);
  if (!compiled) {
    refuse(s.node, keyword, Errc::invalid, compiled.error());
    return std::nullopt;
  }
  return std::move(*compiled);
}

}  // namespace flotilla::json::schema
