#include "flotilla/saga/asked.hpp"

#include <fmt/format.h>

#include "flotilla/base/duration_text.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/config/values.hpp"
#include "flotilla/http/core/idempotency_key.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::saga {
namespace {

std::unexpected<SagaProblem> problem(Reason reason, std::string detail) {
  return std::unexpected(SagaProblem{.reason = reason, .detail = std::move(detail)});
}

}  // namespace

Asked<std::string> read_key(const std::vector<std::string_view>& fields) {
  static_assert(kMaxKeyBytes == http::kMaxIdempotencyKey);
  auto key = http::read_idempotency_key(fields);
  if (!key) {
    return problem(Reason::malformed, std::move(key.error()));
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
