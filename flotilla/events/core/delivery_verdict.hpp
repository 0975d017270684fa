// What a subscriber's answer to a pushed event means: the table every acknowledgement and retry follows.
//
// For: the subscription engine, which asks after each attempt; testdata/delivery_verdicts.txt is the table
// for people. Where the event stays is the only question, so a doubt is always resolved by sending again:
//   ack     it is dealt with              later   it was taken; the acknowledgement comes by its token
//   retry   send it again                 reject  no, and never: to the dead letters
//   pause   the subscriber is gone: send nothing more until a person says so
//   hold    nothing was sent, a breaker or limit of ours refused: no attempt was spent
// The header Event-Outcome outranks the status. A 4xx that is not about waiting, waking or finding the
// subscriber is a no to this event, as in the table of sagas: sending it again would repeat the question.
// Ownership: plain values. Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "flotilla/base/time.hpp"

namespace flotilla::events {

enum class DeliveryVerdict : std::uint8_t { ack, later, retry, reject, pause, hold };
inline constexpr std::size_t kDeliveryVerdicts = 6;
[[nodiscard]] std::string_view to_string(DeliveryVerdict verdict) noexcept;

// What Event-Outcome can say.
enum class EventOutcome : std::uint8_t { none, ok, retry, reject };
// Of the header's value, without blanks around it, in any case; none for another word.
[[nodiscard]] EventOutcome parse_event_outcome(std::string_view text) noexcept;

// The rows of the table, so that a test can count that each was reached.
enum class DeliveryRow : std::uint8_t {
  held_back,     // a breaker, bulkhead or limit of ours
  not_sent,      // no instance, connect failed: the subscriber was not reached
  lost,          // sent, then reset, timeout, truncated, unparsable
  platform,      // a gateway on the way answered, not the subscriber
  success,       // 2xx but 202
  accepted,      // 202
  redirect,      // 3xx: never followed
  invalid,       // 400 405 409 413 415 422
  unauthorized,  // 401 403 407
  not_found,     // 404: a route that is missing during a deploy must not lose events
  gone,          // 410
  again,         // 408 421 423 424 425
  throttled,     // 429
  other_4xx,     // 402 and every 4xx not listed
  server_error,  // 5xx
  nonsense,      // below 200, above 599
  says_ok,       // Event-Outcome
  says_retry,
  says_reject,
};
inline constexpr std::size_t kDeliveryRows = static_cast<std::size_t>(DeliveryRow::says_reject) + 1;
[[nodiscard]] std::string_view to_string(DeliveryRow row) noexcept;
[[nodiscard]] DeliveryVerdict verdict_of(DeliveryRow row) noexcept;

// The head of one answer, as far as it matters here.
struct DeliveryAnswer {
  enum class Kind : std::uint8_t { held_back, not_sent, lost, status };
  Kind kind = Kind::lost;
  std::uint16_t status = 0;    // where kind is status
  bool from_platform = false;  // `Platform-Source: gateway` or `Flotilla-Error`
  EventOutcome outcome = EventOutcome::none;
  std::optional<Duration> retry_after;
};

struct DeliveryJudgement {
  DeliveryVerdict verdict = DeliveryVerdict::retry;
  DeliveryRow row = DeliveryRow::nonsense;
  bool alert = false;  // a person should know: credentials or addresses are wrong
};

[[nodiscard]] DeliveryJudgement judge(const DeliveryAnswer& answer) noexcept;

}  // namespace flotilla::events
