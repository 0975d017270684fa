// One request to the Consul API, taken apart: decoded path and parameters; and how answers are made.
//
// For: consul_api (routing) and the files of its endpoints. Ownership: values. Threads: pure functions.
// Limits: kMostParameters.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/http/core/message.hpp"

namespace flotilla::discovery {

inline constexpr std::size_t kMostParameters = 128;

struct Call {
  std::string method;
  std::string path;  // decoded
  std::string rest;  // what follows a route's path: an ID, a name; may hold slashes
  std::vector<std::pair<std::string, std::string>> parameters;
  std::string_view body;
  Instant now;

  // The first value of `name`, or nothing where it is absent.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const;
  [[nodiscard]] std::string_view value(std::string_view name) const { return get(name).value_or(""); }
  [[nodiscard]] bool has(std::string_view name) const { return get(name).has_value(); }
  [[nodiscard]] std::vector<std::string_view> all(std::string_view name) const;
};

// Errc::invalid for a malformed target.
[[nodiscard]] Result<Call> read_call(const http::Request& request, Instant now);

[[nodiscard]] http::Response text_answer(std::uint16_t status, std::string text);
[[nodiscard]] http::Response json_answer(std::string json);
// Success without data: 200, no body.
[[nodiscard]] http::Response empty_answer();
// As Consul maps them: invalid 400, not_found 404, the rest 500.
[[nodiscard]] http::Response error_answer(const Error& error);

}  // namespace flotilla::discovery
