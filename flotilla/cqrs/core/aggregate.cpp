#include "flotilla/cqrs/core/aggregate.hpp"

#include <fmt/format.h>

namespace flotilla::cqrs {

std::expected<std::string, std::string> aggregate_id(const json::Value& value) {
  std::string id;
  if (value.is_string()) {
    id = value.as_string();
  } else if (value.is_number()) {
    id = value.number_text();
  } else if (value.is_bool()) {
    id = value.as_bool() ? "true" : "false";
  } else {
    return std::unexpected(
        fmt::format("id: it gives {}, and must give text, a number or a boolean", to_string(value.kind())));
  }
  if (id.empty()) {
    return std::unexpected("id: it gives an empty text");
  }
  if (id.size() > kMaxAggregateId) {
    return std::unexpected(fmt::format("id: it gives {} bytes, the limit is {}", id.size(), kMaxAggregateId));
  }
  return id;
}

}  // namespace flotilla::cqrs
