#include "flotilla/http/core/problem.hpp"

#include <algorithm>

#include "flotilla/http/core/status.hpp"
#include "flotilla/json/utf8.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::http {
namespace {

// As a JSON string. Details may quote what a peer sent, so bytes that are not UTF-8 are replaced.
void append_text(std::string& out, std::string_view text) {
  std::string repaired;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = json::utf8_sequence(text, at);
    repaired.append(length == 0 ? std::string_view{"\xEF\xBF\xBD"} : text.substr(at, length));  // U+FFFD
    at += length == 0 ? 1 : length;
  }
  json::append_quoted(out, repaired);
}

std::uint16_t status_of(const Problem& problem) {
  return problem.status == 0 ? default_status(problem.reason) : problem.status;
}

void append_line(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

std::optional<std::uint32_t> retry_after_seconds(Duration estimate) noexcept {
  if (estimate <= Duration::zero()) {
    return std::nullopt;
  }
  constexpr Duration kClockTick = std::chrono::milliseconds(1);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(estimate - kClockTick).count();
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds, 1, 86'400));
}

std::string problem_body(const Problem& problem) {
  const std::string_view reason = to_string(problem.reason);
  std::string body = R"({"type":"urn:flotilla:)";
  body.append(reason).append(R"(","title":)");
  append_text(body, title(problem.reason));
  body.append(R"(,"status":)").append(std::to_string(status_of(problem)));
  if (!problem.detail.empty()) {
    body.append(R"(,"detail":)");
    append_text(body, problem.detail);
  }
  body.append(R"(,"reason":")").append(reason).append("\"");
  if (!problem.service.empty()) {
    body.append(R"(,"service":)");
    append_text(body, problem.service);
  }
  if (problem.effect) {
    body.append(R"(,"effect":")").append(to_string(*problem.effect)).append("\"");
  }
  if (problem.retry_after) {
    body.append(R"(,"retry_after":)").append(std::to_string(*problem.retry_after));
  }
  body.append("}");
  return body;
}

void append_problem_response(std::string& out, const Problem& problem, const ProblemOptions& options) {
  const std::string body = problem_body(problem);
  const std::uint16_t status = status_of(problem);
  out.append("HTTP/1.1 ")
      .append(std::to_string(status))
      .append(" ")
      .append(reason_phrase(status))
      .append("\r\n");
  append_line(out, "Content-Type", "application/problem+json");
  append_line(out, "Content-Length", std::to_string(body.size()));
  append_line(out, "Flotilla-Error", to_string(problem.reason));
  if (problem.retry_after) {
    append_line(out, "Retry-After", std::to_string(*problem.retry_after));
  }
  if (!options.date.empty()) {
    append_line(out, "Date", options.date);
  }
  if (!options.server.empty()) {
    append_line(out, "Server", options.server);
  }
  for (const HeaderLine& line : options.extra) {
    append_line(out, line.name, line.value);
  }
  if (!options.keep_alive) {
    append_line(out, "Connection", "close");
  } else if (options.client_version == Version::http_1_0) {
    append_line(out, "Connection", "keep-alive");
  }
  out.append("\r\n");
  if (!options.head_request) {
    out.append(body);
  }
}

}  // namespace flotilla::http
