#include "flotilla/config/schema_node.hpp"

#include <fmt/format.h>

#include "flotilla/config/spec.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::config {

std::optional<json::Value> read_schema_document(const Node& node, const Sources& sources,
                                                Problems& problems) {
  if (node.kind == Node::Kind::null || node.kind == Node::Kind::list) {
    wrong(node, kSchemaForm, problems);
    return std::nullopt;
  }
  const bool file = node.kind == Node::Kind::scalar;
  const auto text = file ? sources.file(node.text) : std::optional(to_json(node));
  if (!text) {
    problems.add(node.place, fmt::format("cannot read the file '{}'", node.text));
    return std::nullopt;
  }
  auto schema = json::parse(*text);
  if (!schema) {
    problems.add(node.place, fmt::format("the file '{}' is not JSON: {}", node.text, schema.error().message));
    return std::nullopt;
  }
  return *std::move(schema);
}

}  // namespace flotilla::config
