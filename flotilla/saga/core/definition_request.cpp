#include "flotilla/saga/core/definition_request.hpp"

#include <algorithm>
#include <array>

#include "flotilla/base/duration_text.hpp"
#include "flotilla/http/core/scan.hpp"
#include "flotilla/json/canonical.hpp"

namespace flotilla::saga {
namespace {

// Set by the runner on every request, so a step's own would be lost or misread.
bool is_reserved_header(std::string_view name) {
  constexpr std::array<std::string_view, 8> names{"idempotency-key", "host",      "content-length",
                                                  "connection",      "te",        "transfer-encoding",
                                                  "upgrade",         "keep-alive"};
  return std::ranges::find(names, name) != names.end() || name.starts_with("saga-") ||
         name.starts_with("flotilla-");
}

}  // namespace

bool within_bounds(const Written<Duration>& value, Duration least, Duration most, std::string_view what,
                   Faults& faults) {
  if (value.value >= least && value.value <= most) {
    return true;
  }
  faults.add(value.at, fmt::format("{}: {} is not within {} and {}", what, show_duration(value.value),
                                   show_duration(least), show_duration(most)));
  return false;
}

void RequestCompiler::apply(const Written<RetryDraft>& draft, Retry& retry, std::string_view endless) {
  const RetryDraft& d = draft.value;
  if (!endless.empty() && (d.attempts || d.within)) {
    fault(draft.at, fmt::format("bounds the attempts of {}, which is tried until it succeeds; keep only "
                                "`backoff` and `factor`",
                                endless));
    return;
  }
  if (d.attempts || d.within) {  // naming one bound lifts the other
    retry.attempts = d.attempts.value_or(0);
    retry.within = d.within;
  }
  retry.first = d.first.value_or(retry.first);
  retry.cap = d.cap.value_or(retry.cap);
  retry.factor = d.factor.value_or(retry.factor);
  if (d.attempts && (*d.attempts < 1 || *d.attempts > kMostAttempts)) {
    fault(draft.at, fmt::format("has {} attempts; 1 to {} are taken", *d.attempts, kMostAttempts));
  }
  if (retry.within) {
    within_bounds({*retry.within, draft.at}, kShortest, kLongestWait, what("retry.within"), faults_);
  }
  if (retry.first < kShortest || retry.first > retry.cap || retry.cap > kLongestPause) {
    fault(draft.at, fmt::format("has a backoff of {}..{}; from {} to {}, the first not above the cap",
                                show_duration(retry.first), show_duration(retry.cap),
                                show_duration(kShortest), show_duration(kLongestPause)));
  }
  if (!(retry.factor >= 1 && retry.factor <= 100)) {
    fault(draft.at, "has a backoff factor that is not within 1 and 100");
  }
}

std::optional<Request> RequestCompiler::compile(const RequestDraft& draft, std::string_view part,
                                                const Sight& sight, Duration timeout) {
  const auto target = text_.target(draft.call, what(part), sight);
  Request request;
  bool good = target.has_value();
  if (target) {
    request.target = *target;
  }
  if (draft.body) {
    if (const auto* const source = std::get_if<std::string>(&draft.body->value)) {
      auto body = text_.expression({*source, draft.body->at}, what(fmt::format("body of {}", part)), sight);
      good &= body.has_value();
      if (body) {
        request.body = *std::move(body);
      }
    } else {
      request.body = json::canonical(std::get<json::Value>(draft.body->value));
    }
    if (part == "status") {
      fault(draft.body->at, "asks for its status with a body; a GET has none");
    }
  }
  good &= headers(draft, part, sight, request);
  request.timeout = draft.timeout ? draft.timeout->value : timeout;
  if (draft.timeout) {
    good &= within_bounds(*draft.timeout, kShortest, kLongestTimeout, what("timeout"), faults_);
  }
  return good ? std::optional(std::move(request)) : std::nullopt;
}

bool RequestCompiler::headers(const RequestDraft& draft, std::string_view part, const Sight& sight,
                              Request& request) {
  bool good = true;
  for (const auto& [written, value] : draft.headers) {
    const std::string name = to_lower(written);
    std::string_view wrong;
    if (!http::is_token(name)) {
      wrong = "which is not a header's name";
    } else if (is_reserved_header(name)) {
      wrong = "which Flotilla sets itself; take it out";
    } else if (std::ranges::find(request.headers, name, [](const auto& h) { return h.first; }) !=
               request.headers.end()) {
      wrong = "which stands twice; keep one";
    }
    if (!wrong.empty()) {
      fault(value.at, fmt::format("has the header '{}', {}", written, wrong));
      good = false;
    } else if (auto text = text_.text(value, what(fmt::format("header '{}' of {}", name, part)), sight)) {
      request.headers.emplace_back(name, *std::move(text));
    } else {
      good = false;
    }
  }
  std::ranges::sort(request.headers, {}, [](const auto& h) -> const std::string& { return h.first; });
  return good;
}

}  // namespace flotilla::saga
