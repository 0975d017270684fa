#include "flotilla/events/core/delivery_verdict.hpp"

#include <array>

#include "flotilla/base/text.hpp"

namespace flotilla::events {
namespace {

DeliveryRow row_of_4xx(std::uint16_t status) noexcept {
  switch (status) {
    case 400:
    case 405:
    case 409:
    case 413:
    case 415:
    case 422:
      return DeliveryRow::invalid;
    case 401:
    case 403:
    case 407:
      return DeliveryRow::unauthorized;
    case 404:
      return DeliveryRow::not_found;
    case 410:
      return DeliveryRow::gone;
    case 408:
    case 421:
    case 423:
    case 424:
    case 425:
      return DeliveryRow::again;
    case 429:
      return DeliveryRow::throttled;
    default:
      return DeliveryRow::other_4xx;
  }
}

DeliveryRow row_of_status(std::uint16_t status) noexcept {
  switch (status / 100) {
    case 2:
      return status == 202 ? DeliveryRow::accepted : DeliveryRow::success;
    case 3:
      return DeliveryRow::redirect;
    case 4:
      return row_of_4xx(status);
    case 5:
      return DeliveryRow::server_error;
    default:
      return DeliveryRow::nonsense;
  }
}

DeliveryRow row_of(const DeliveryAnswer& answer) noexcept {
  switch (answer.kind) {
    case DeliveryAnswer::Kind::held_back:
      return DeliveryRow::held_back;
    case DeliveryAnswer::Kind::not_sent:
      return DeliveryRow::not_sent;
    case DeliveryAnswer::Kind::lost:
      return DeliveryRow::lost;
    case DeliveryAnswer::Kind::status:
      break;
  }
  if (answer.from_platform) {
    return DeliveryRow::platform;
  }
  switch (answer.outcome) {
    case EventOutcome::ok:
      return DeliveryRow::says_ok;
    case EventOutcome::retry:
      return DeliveryRow::says_retry;
    case EventOutcome::reject:
      return DeliveryRow::says_reject;
    case EventOutcome::none:
      break;
  }
  return row_of_status(answer.status);
}

}  // namespace

std::string_view to_string(DeliveryVerdict verdict) noexcept {
  constexpr std::array<std::string_view, kDeliveryVerdicts> names{"ack",    "later", "retry",
                                                                  "reject", "pause", "hold"};
  return names[static_cast<std::size_t>(verdict)];
}

std::string_view to_string(DeliveryRow row) noexcept {
  constexpr std::array<std::string_view, kDeliveryRows> names{
      "held-back",    "not-sent",     "lost",      "platform",   "success",    "accepted",  "redirect",
      "invalid",      "unauthorized", "not-found", "gone",       "again",      "throttled", "other-4xx",
      "server-error", "nonsense",     "says-ok",   "says-retry", "says-reject"};
  return names[static_cast<std::size_t>(row)];
}

DeliveryVerdict verdict_of(DeliveryRow row) noexcept {
  using enum DeliveryRow;
  switch (row) {
    case held_back:
      return DeliveryVerdict::hold;
    case success:
    case says_ok:
      return DeliveryVerdict::ack;
    case accepted:
      return DeliveryVerdict::later;
    case invalid:
    case other_4xx:
    case says_reject:
      return DeliveryVerdict::reject;
    case gone:
      return DeliveryVerdict::pause;
    case not_sent:
    case lost:
    case platform:
    case redirect:
    case unauthorized:
    case not_found:
    case again:
    case throttled:
    case server_error:
    case nonsense:
    case says_retry:
      break;
  }
  return DeliveryVerdict::retry;
}

EventOutcome parse_event_outcome(std::string_view text) noexcept {
  text = trim(text);
  if (iequals(text, "ok")) {
    return EventOutcome::ok;
  }
  if (iequals(text, "retry")) {
    return EventOutcome::retry;
  }
  return iequals(text, "reject") ? EventOutcome::reject : EventOutcome::none;
}

DeliveryJudgement judge(const DeliveryAnswer& answer) noexcept {
  const DeliveryRow row = row_of(answer);
  return {.verdict = verdict_of(row),
          .row = row,
          .alert = row == DeliveryRow::unauthorized || row == DeliveryRow::redirect};
}

}  // namespace flotilla::events
