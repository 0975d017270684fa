// Identifiers and references: which subschema a `$ref` means, without ever leaving the document.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/json/schema/compiler.hpp"
#include "flotilla/json/schema/excerpt.hpp"
#include "flotilla/json/schema/pointer.hpp"
#include "flotilla/json/schema/schema.hpp"
#include "flotilla/json/schema/uri.hpp"

namespace flotilla::json::schema {
namespace {

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size() || hex_digit(text[i + 1]) < 0 || hex_digit(text[i + 2]) < 0) {
      return std::nullopt;
    }
    out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
    i += 2;
  }
  return out;
}

// The subschemas that a rule applies to the very value it is asked about.
struct InPlace {
  std::vector<NodeIndex> operator()(const AllOf& r) const { return r.nodes; }
  std::vector<NodeIndex> operator()(const AnyOf& r) const { return r.nodes; }
  std::vector<NodeIndex> operator()(const OneOf& r) const { return r.nodes; }
  std::vector<NodeIndex> operator()(const Not& r) const { return {r.node}; }
  std::vector<NodeIndex> operator()(const If& r) const { return {r.condition, r.then, r.otherwise}; }
  std::vector<NodeIndex> operator()(const DependentSchemas& r) const {
    std::vector<NodeIndex> nodes;
    for (const auto& [name, node] : r.nodes) {
      nodes.push_back(node);
    }
    return nodes;
  }
  std::vector<NodeIndex> operator()(const auto& /*applies none*/) const { return {}; }
};

}  // namespace

void Compiler::read_identifiers(const Subschema& s) {
  if (const Value* id = get(s, "$id", Kind::string)) {
    const std::string_view text = id->as_string();
    const UriParts parts = split_uri(text);
    if (!is_uri_reference(text)) {
      refuse(s.node, "$id", Errc::invalid, "must be a URI reference");
    } else if (dialect_ != Dialect::v2020 && text.size() > 1 && text.starts_with('#')) {
      add_anchor(s, "$id", text.substr(1));
    } else if (!parts.fragment.value_or("").empty()) {
      refuse(s.node, "$id", Errc::invalid, "must have no fragment");
    } else {
      const std::uint32_t outer = origins_[s.node].resource;
      const std::string uri = resolve_uri(resources_[outer].uri, text.substr(0, text.find('#')));
      if (uri.size() > SchemaLimits::kUriBytes) {
        refuse(s.node, "$id", Errc::limit, fmt::format("is a URI of over {} bytes", SchemaLimits::kUriBytes));
      }
      const auto [known, is_new] = resource_of_.emplace(uri, static_cast<std::uint32_t>(resources_.size()));
      if (is_new) {
        resources_.push_back({.uri = uri, .root = s.node});
      } else if (resources_[known->second].root != s.node) {
        refuse(s.node, "$id", Errc::invalid,
               fmt::format("#{} has the same one", program_.pointer(resources_[known->second].root)));
      }
      origins_[s.node].resource = known->second;
    }
  }
  if (const Value* anchor = has_2020() ? get(s, "$anchor", Kind::string) : nullptr) {
    add_anchor(s, "$anchor", anchor->as_string());
  }
}

void Compiler::add_anchor(const Subschema& s, std::string_view keyword, std::string_view name) {
  const auto stands_in_name = [](char c) {
    return is_digit(c) || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
           std::string_view("-._:").contains(c);
  };
  if (name.empty() || is_digit(name.front()) || !std::ranges::all_of(name, stands_in_name)) {
    refuse(s.node, keyword, Errc::invalid,
           "must name an anchor: a letter or _, then letters, digits, -, _, : and .");
    return;
  }
  const std::string& uri = resources_[origins_[s.node].resource].uri;
  const auto [known, is_new] = anchors_.emplace(fmt::format("{}#{}", uri, name), s.node);
  if (!is_new) {
    refuse(s.node, keyword, Errc::invalid,
           fmt::format("#{} has the same one", program_.pointer(known->second)));
  }
}

void Compiler::read_reference(const Subschema& s) {
  if (get(s, "$ref", Kind::string) != nullptr) {
    references_.push_back({.from = s.node, .rule = origins_[s.node].rules.size()});
    add_rule(s, "$ref", kAnyKind, AllOf{{kNone}});
  }
}

void Compiler::follow_references() {
  // Following one may find a schema where no keyword has led, and in it more references.
  for (std::size_t i = 0; i < references_.size() && !fault_; ++i) {
    const Reference reference = references_[i];
    const NodeIndex target = target_of(reference);
    std::get<AllOf>(origins_[reference.from].rules[reference.rule].check).nodes = {target};
  }
}

NodeIndex Compiler::target_of(const Reference& reference) {
  const Origin& from = origins_[reference.from];
  const std::string_view text = from.value->find("$ref")->as_string();
  const std::string absolute = resolve_uri(resources_[from.resource].uri, text);
  const std::size_t hash = std::min(absolute.find('#'), absolute.size());
  const std::string_view uri = std::string_view(absolute).substr(0, hash);
  const auto resource = resource_of_.find(uri);
  if (resource == resource_of_.end()) {
    refuse(reference.from, "$ref", Errc::unsupported,
           fmt::format("refers to {}, which is not in this document; nothing is fetched", excerpt(uri)));
    return kNone;
  }
  const auto fragment =
      percent_decoded(std::string_view(absolute).substr(std::min(hash + 1, absolute.size())));
  if (!fragment) {
    refuse(reference.from, "$ref", Errc::invalid, "has a % without two hexadecimal digits");
    return kNone;
  }
  if (fragment->empty() || fragment->front() == '/') {
    return target_in(reference.from, resources_[resource->second], *fragment);
  }
  const auto anchor = anchors_.find(fmt::format("{}#{}", uri, *fragment));
  if (anchor == anchors_.end()) {
    refuse(reference.from, "$ref", Errc::invalid,
           fmt::format("nothing here has the anchor {}", excerpt(*fragment)));
    return kNone;
  }
  return anchor->second;
}

NodeIndex Compiler::target_in(NodeIndex from, const Resource& resource, std::string_view pointer) {
  NodeIndex node = resource.root;  // the innermost known one on the way
  std::string below;               // the way from there
  const Value* value = origins_[node].value;
  const std::string_view whole = pointer;
  while (!pointer.empty()) {
    const auto token = take_token(pointer);
    value = token ? step_into(*value, *token) : nullptr;
    if (value == nullptr) {
      refuse(from, "$ref", Errc::invalid, fmt::format("nothing stands at #{}", excerpt(whole)));
      return kNone;
    }
    if (const auto known = node_of_.find(value); known != node_of_.end()) {
      node = known->second;
      below.clear();
    } else {
      append_token(below, *token);
    }
  }
  return below.empty() ? node : visit(*value, node, std::move(below), origins_[node].resource);
}

// A chain of subschemas that comes back to where it was without going into the value would never end.
void Compiler::refuse_endless() {
  std::vector<std::uint8_t> lengths(origins_.size(), 0);
  for (NodeIndex node = 0; node < origins_.size() && !fault_; ++node) {
    chain_length(node, lengths, 0);
  }
}

// The longest chain from `node` on, itself included; `lengths` keeps what is known: 0 for nothing.
std::size_t Compiler::chain_length(NodeIndex node, std::vector<std::uint8_t>& lengths, std::size_t above) {
  constexpr std::uint8_t kOnTheWay = 0xff;
  static_assert(SchemaLimits::kChain < kOnTheWay);
  if (fault_ || (lengths[node] != 0 && lengths[node] != kOnTheWay)) {
    return lengths[node];
  }
  if (lengths[node] == kOnTheWay) {
    refuse(node, "", Errc::invalid, "refers to itself for the same value, so judging it would never end");
    return 0;
  }
  lengths[node] = kOnTheWay;
  std::size_t length = 1;
  for (const Rule& rule : origins_[node].rules) {
    for (const NodeIndex next : std::visit(InPlace{}, rule.check)) {
      if (next != kNone && above < SchemaLimits::kChain) {
        length = std::max(length, 1 + chain_length(next, lengths, above + 1));
      }
    }
  }
  if (above >= SchemaLimits::kChain || length > SchemaLimits::kChain) {
    refuse(
        node, "", Errc::limit,
        fmt::format("more than {} subschemas apply to one value through one another", SchemaLimits::kChain));
    return 0;
  }
  lengths[node] = static_cast<std::uint8_t>(length);
  return length;
}

}  // namespace flotilla::json::schema
