#include "flotilla/discovery/core/consul_call.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/http/core/uri.hpp"

namespace flotilla::discovery {

std::optional<std::string_view> Call::get(std::string_view name) const {
  for (const auto& [key, text] : parameters) {
    if (key == name) {
      return text;
    }
  }
  return std::nullopt;
}

std::vector<std::string_view> Call::all(std::string_view name) const {
  std::vector<std::string_view> values;
  for (const auto& [key, text] : parameters) {
    if (key == name) {
      values.emplace_back(text);
    }
  }
  return values;
}

Result<Call> read_call(const http::Request& request, Instant now) {
  const std::string_view target = request.target;
  const std::size_t mark = std::min(target.find('?'), target.size());
  auto path = http::percent_decode(target.substr(0, mark));
  const auto printable = [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != '\x7f'; };
  if (!path || !std::ranges::all_of(*path, printable)) {
    return fail(Errc::invalid, "the path has a malformed % or a non-printable character");
  }
  Call call{.method = request.method, .path = std::move(*path), .body = request.body, .now = now};
  http::QueryParameters query(mark < target.size() ? target.substr(mark + 1) : std::string_view{});
  while (const auto parameter = query.next()) {
    auto name = http::percent_decode(parameter->name, true);
    auto value = http::percent_decode(parameter->value, true);
    if (!name || !value || call.parameters.size() >= kMostParameters) {
      return fail(Errc::invalid,
                  fmt::format("the query has a malformed % or more than {} parameters", kMostParameters));
    }
    call.parameters.emplace_back(std::move(*name), std::move(*value));
  }
  return call;
}

http::Response text_answer(std::uint16_t status, std::string text) {
  return {
      .status = status, .headers = {{"Content-Type", "text/plain; charset=utf-8"}}, .body = std::move(text)};
}

http::Response json_answer(std::string json) {
  return {.status = 200, .headers = {{"Content-Type", "application/json"}}, .body = std::move(json)};
}

http::Response empty_answer() { return {.status = 200, .headers = {}, .body = {}}; }

http::Response error_answer(const Error& error) {
  const bool bad = error.code == Errc::invalid;
  return text_answer(bad ? 400 : error.code == Errc::not_found ? 404 : 500, error.message);
}

}  // namespace flotilla::discovery
