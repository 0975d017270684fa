#include "flotilla/http/core/problem.hpp"

#include <array>

#include "flotilla/http/core/status.hpp"

namespace flotilla::http {
namespace {

// Length of the UTF-8 sequence at the start of `text`, or 0 if it is none (RFC 3629: no overlong
// forms, no surrogates, nothing above U+10FFFF).
std::size_t utf8_sequence(std::string_view text) {
  const auto at = [text](std::size_t i) -> unsigned {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const unsigned lead = at(0);
  const auto continues = [at](std::size_t i) { return (at(i) & 0xC0U) == 0x80U; };
  if (lead < 0x80) {
    return 1;
  }
  if (lead >= 0xC2 && lead <= 0xDF) {
    return continues(1) ? 2 : 0;
  }
  if (lead >= 0xE0 && lead <= 0xEF) {
    const bool bad = (lead == 0xE0 && at(1) < 0xA0) || (lead == 0xED && at(1) > 0x9F);
    return !bad && continues(1) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const bool bad = (lead == 0xF0 && at(1) < 0x90) || (lead == 0xF4 && at(1) > 0x8F);
    return !bad && continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

void append_escaped(std::string& out, char c) {
  switch (c) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  constexpr std::string_view kHex = "0123456789abcdef";
  const auto value = static_cast<unsigned char>(c);
  out += "\\u00";
  out += kHex[value >> 4U];
  out += kHex[value & 15U];
}

std::uint16_t status_of(const Problem& problem) {
  return problem.status == 0 ? default_status(problem.reason) : problem.status;
}

void append_line(std::string& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t length = utf8_sequence(text);
    if (length == 0) {
      out += "\xEF\xBF\xBD";  // U+FFFD
    } else if (length == 1 &&
               (static_cast<unsigned char>(text[0]) < 0x20 || text[0] == '"' || text[0] == '\\')) {
      append_escaped(out, text[0]);
    } else {
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

std::string problem_body(const Problem& problem) {
  const std::string_view reason = to_string(problem.reason);
  std::string body = R"({"type":"urn:flotilla:)";
  body.append(reason).append(R"(","title":)");
  append_json_string(body, title(problem.reason));
  body.append(R"(,"status":)").append(std::to_string(status_of(problem)));
  if (!problem.detail.empty()) {
    body.append(R"(,"detail":)");
    append_json_string(body, problem.detail);
  }
  body.append(R"(,"reason":")").append(reason).append("\"");
  if (!problem.service.empty()) {
    body.append(R"(,"service":)");
    append_json_string(body, problem.service);
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
