#include "flotilla/json/schema/compiler.hpp"

#include <iterator>

#include <fmt/format.h>

#include "flotilla/json/schema/pointer.hpp"
#include "flotilla/json/schema/schema.hpp"

namespace flotilla::json::schema {

std::string Program::pointer(NodeIndex node) const {
  std::vector<std::string_view> parts;
  for (NodeIndex i = node; i != kNone; i = nodes[i].parent) {
    parts.push_back(nodes[i].from_parent);
  }
  std::string out;
  for (auto part = parts.rbegin(); part != parts.rend(); ++part) {
    out += *part;
  }
  return out;
}

Result<Program> Compiler::compile() {
  choose_dialect();
  resources_.push_back({.uri = "", .root = 0});
  resource_of_.emplace("", 0);
  visit(document_, kNone, "", 0);
  follow_references();
  refuse_endless();
  if (fault_) {
    return std::unexpected(std::move(*fault_));
  }
  return flatten();
}

void Compiler::choose_dialect() {
  const Value* named = document_.find("$schema");
  if (named == nullptr) {
    return;
  }
  std::string_view uri = named->is_string() ? named->as_string() : "";
  if (uri.ends_with('#')) {
    uri.remove_suffix(1);
  }
  if (uri == "http://json-schema.org/draft-07/schema" || uri == "https://json-schema.org/draft-07/schema") {
    dialect_ = Dialect::draft7;
  } else if (uri == "https://json-schema.org/draft/2020-12/schema") {
    dialect_ = Dialect::v2020;
  } else {
    refuse(kNone, "$schema", Errc::unsupported,
           "is none that is known: http://json-schema.org/draft-07/schema# and "
           "https://json-schema.org/draft/2020-12/schema are");
  }
}

NodeIndex Compiler::visit(const Value& value, NodeIndex parent, std::string from_parent,
                          std::uint32_t resource) {
  if (fault_) {
    return kNone;
  }
  if (const auto known = node_of_.find(&value); known != node_of_.end()) {
    return known->second;
  }
  const auto node = static_cast<NodeIndex>(program_.nodes.size());
  const std::size_t depth = parent == kNone ? 0 : origins_[parent].depth + 1;
  program_.nodes.push_back({.parent = parent, .from_parent = std::move(from_parent)});
  origins_.push_back({.value = &value, .resource = resource, .depth = depth, .rules = {}});
  node_of_.emplace(&value, node);
  if (node >= SchemaLimits::kSubschemas) {
    refuse(node, "", Errc::limit, fmt::format("more than {} subschemas", SchemaLimits::kSubschemas));
  } else if (depth >= SchemaLimits::kDepth) {
    refuse(node, "", Errc::limit, fmt::format("subschemas nest to {} at most", SchemaLimits::kDepth));
  } else if (value.is_object()) {
    read_keywords({.object = value, .node = node});
  } else if (!value.is_bool()) {
    refuse(node, "", Errc::invalid,
           fmt::format("a schema is an object or a boolean, this is {}", to_string(value.kind())));
  } else if (!value.as_bool()) {
    add_rule({.object = value, .node = node}, "", kAnyKind, Nothing{});
  }
  return node;
}

NodeIndex Compiler::child(const Subschema& s, std::string_view keyword, const Value& value) {
  return visit(value, s.node, '/' + std::string(keyword), origins_[s.node].resource);
}

NodeIndex Compiler::child(const Subschema& s, std::string_view keyword, std::string_view key,
                          const Value& value) {
  std::string from_parent = '/' + std::string(keyword);
  append_token(from_parent, key);
  return visit(value, s.node, std::move(from_parent), origins_[s.node].resource);
}

std::vector<NodeIndex> Compiler::children(const Subschema& s, std::string_view keyword, const Value& list) {
  std::vector<NodeIndex> nodes;
  if (list.empty()) {
    refuse(s.node, keyword, Errc::invalid, "must have an element");
  }
  for (std::size_t i = 0; i < list.size(); ++i) {
    nodes.push_back(child(s, keyword, std::to_string(i), list.items()[i]));
  }
  return nodes;
}

void Compiler::add_rule(const Subschema& s, std::string_view keyword, Kinds kinds,
                        decltype(Rule::check) check) {
  origins_[s.node].rules.push_back({.keyword = keyword, .kinds = kinds, .check = std::move(check)});
}

void Compiler::refuse(NodeIndex node, std::string_view keyword, Errc code, std::string_view message) {
  if (fault_) {
    return;
  }
  std::string pointer = node == kNone ? "" : program_.pointer(node);
  if (!keyword.empty()) {
    append_token(pointer, keyword);
  }
  fault_ = Error{.code = code, .message = fmt::format("#{}: {}", pointer, message)};
}

Program Compiler::flatten() {
  for (std::size_t i = 0; i < origins_.size(); ++i) {
    std::vector<Rule>& rules = origins_[i].rules;
    program_.nodes[i].first_rule = static_cast<std::uint32_t>(program_.rules.size());
    program_.nodes[i].rule_count = static_cast<std::uint32_t>(rules.size());
    std::ranges::move(rules, std::back_inserter(program_.rules));
  }
  return std::move(program_);
}

}  // namespace flotilla::json::schema
