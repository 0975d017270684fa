// A request's head as the router reads it.
//
// For: gateways, for each request. Ownership: views into the head and the path. Threads: pure.
#pragma once

#include "flotilla/gateway/core/router.hpp"
#include "flotilla/http/core/head.hpp"

namespace flotilla::gateway {

// `path`: http::normalize_path of the head's path.
[[nodiscard]] inline MatchInput match_input(const http::RequestHead& head, std::string_view path) noexcept {
  const auto nth = [](const void* of, std::string_view name,
                      std::size_t n) -> std::optional<std::string_view> {
    for (const http::FieldView& field : static_cast<const http::RequestHead*>(of)->fields) {
      if (iequals(field.name, name) && n-- == 0) {
        return field.value;
      }
    }
    return std::nullopt;
  };
  return {.method = head.method_name, .host = head.host, .path = path, .headers = {&head, nth}};
}

}  // namespace flotilla::gateway
