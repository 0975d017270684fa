// A JSON Schema in the file: the name of a file that holds it, or the schema itself.
//
// For: inputs of sagas, topics, commands. Ownership: values. Threads: pure but for `sources`. Limits: those
// of the document and of json::parse. Whether it is a schema is for json::Schema::compile to say.
#pragma once

#include <optional>
#include <string_view>

#include "flotilla/config/node.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::config {

inline constexpr std::string_view kSchemaForm = "a file with a JSON Schema, or the schema itself";

// Its document; nothing when there is a problem.
[[nodiscard]] std::optional<json::Value> read_schema_document(const Node& node, const Sources& sources,
                                                              Problems& problems);

}  // namespace flotilla::config
