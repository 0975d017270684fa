#include "flotilla/saga/asked.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/duration_text.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/config/values.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::saga {
namespace {

std::unexpected<SagaProblem> problem(Reason reason, std::string detail) {
  return std::unexpected(SagaProblem{.reason = reason, .detail = std::move(detail)});
}

bool is_visible(char c) { return c > ' ' && c < '\x7f'; }

// RFC 8941 3.3.3: printable ASCII, with only '"' and '\' escaped.
std::optional<std::string> unquote(std::string_view text) {
  if (text.size() < 2 || !text.ends_with('"')) {
    return std::nullopt;
  }
  text = text.substr(1, text.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '\\') {
      if (++i == text.size() || (text[i] != '"' && text[i] != '\\')) {
        return std::nullopt;
      }
      c = text[i];
    } else if (c == '"') {
      return std::nullopt;
    }
    if (c != ' ' && !is_visible(c)) {
      return std::nullopt;
    }
    out += c;
  }
  return out;
}

std::optional<std::string> bare(std::string_view text) {
  const bool plain = std::ranges::all_of(
      text, [](char c) { return is_visible(c) && c != '"' && c != ',' && c != ';' && c != '\\'; });
  return plain ? std::optional<std::string>(text) : std::nullopt;
}

}  // namespace

Asked<std::string> read_key(const std::vector<std::string_view>& fields) {
  if (fields.empty()) {
    return std::string();
  }
  if (fields.size() > 1) {
    return problem(Reason::malformed, "Idempotency-Key stands twice; send one key");
  }
  const std::string_view text = trim(fields.front());
  auto key = text.starts_with('"') ? unquote(text) : bare(text);
  if (!key || key->empty() || key->size() > kMaxKeyBytes) {
    return problem(Reason::malformed,
                   fmt::format("Idempotency-Key: expected 1 to {} characters of printable ASCII, quoted or "
                               "bare",
                               kMaxKeyBytes));
  }
  return std::move(*key);
}

Asked<Duration> read_wait(std::string_view text) {
  const auto wait = config::parse_duration(text);
  if (!wait || *wait > kMaxWait) {
    return problem(Reason::malformed, fmt::format("wait: expected a duration of at most {}, such as 5s",
                                                  show_duration(kMaxWait)));
  }
  return *wait;
}

Asked<json::Value> read_payload(std::string_view body) {
  if (body.size() > kMaxPayload) {
    return problem(Reason::too_large,
                   fmt::format("the body has {} bytes, at most {} are taken; store it and send a reference",
                               body.size(), kMaxPayload));
  }
  if (trim(body).empty()) {
    return problem(Reason::malformed, "the body is empty; send JSON, {} if there is nothing to say");
  }
  auto value = json::parse(body);
  if (!value) {
    const bool deep = value.error().code == Errc::limit;
    return problem(deep ? Reason::too_large : Reason::malformed,
                   "the body is not JSON: " + value.error().message);
  }
  return std::move(*value);
}

}  // namespace flotilla::saga
