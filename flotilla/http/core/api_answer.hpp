// What the APIs of control ports share: taking a path apart, and answers as owned messages.
//
// Ownership: values. Threads: pure functions. Limits: whoever calls bounds the texts.
#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/http/core/message.hpp"
#include "flotilla/http/core/problem.hpp"

namespace flotilla::http {

struct ApiPath {
  std::vector<std::string> segments;  // below the prefix, decoded
  std::string query;                  // still encoded
};
enum class NoApiPath : std::uint8_t {
  elsewhere,  // the path is neither the prefix nor below it
  malformed,  // a % that is not followed by two hexadecimal digits
};
[[nodiscard]] std::expected<ApiPath, NoApiPath> read_api_path(std::string_view target,
                                                              std::string_view prefix);

// problem+json, with Flotilla-Error and Retry-After.
[[nodiscard]] Response problem_response(const Problem& problem);
// 405 with Allow.
[[nodiscard]] Response method_response(std::string_view allow);
// Not to be kept: what is looked at is never the state of a minute ago.
[[nodiscard]] Response json_response(std::string json, std::uint16_t status = 200);

}  // namespace flotilla::http
