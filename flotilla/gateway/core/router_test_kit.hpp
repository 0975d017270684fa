// A request for tests of the router, with headers that a MatchInput can read.
#pragma once

#include "flotilla/base/text.hpp"
#include "flotilla/gateway/core/router.hpp"

namespace flotilla::gateway {

using Headers = std::vector<std::pair<std::string, std::string>>;

inline std::optional<std::string_view> nth_header(const void* head, std::string_view name, std::size_t n) {
  for (const auto& [key, value] : *static_cast<const Headers*>(head)) {
    if (iequals(key, name) && n-- == 0) {
      return value;
    }
  }
  return std::nullopt;
}

struct TestRequest {
  std::string method;
  std::string host = {};
  std::string path = {};
  Headers headers = {};
  [[nodiscard]] MatchInput input() const { return {method, host, path, {&headers, nth_header}}; }
};

}  // namespace flotilla::gateway
