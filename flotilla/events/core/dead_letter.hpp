// The events that a delivery causes: its dead letter, and what `on_success` and `on_failure` publish.
//
// For: the subscription engine, which puts them into the batch that settles the event.
// A dead letter is the original event, its id, source, type and data unchanged, so that it can be replayed as
// it was, and beside them, as attributes: deadlettergroup (the subscription), deadlettertopic and
// deadletterposition (where the original is), deadletterreason, deadlettercode (the status, or a word),
// deadletterbody (what was answered), deadletterattempts, deadletterfirst and deadletterlast (when).
// What on_success and on_failure publish has the source /subscriptions/NAME and an id made of the original's
// position: the same again when the event is replayed, so receivers that remember ids act once.
// Ownership: values. Threads: pure functions.
// Limits: kMaxErrorBody of what was answered; a record (journal::kMaxBody): what does not fit is left out of
// a dead letter, first the answer, then extension attributes, then the data, and then deadletterdata says
// "left-out"; deadletterposition finds the original while its topic keeps it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "flotilla/journal/core/event.hpp"
#include "flotilla/journal/core/position.hpp"

namespace flotilla::events {

inline constexpr std::size_t kMaxErrorBody = 1024;
// Of an answer that on_success publishes; a longer one counts as none.
inline constexpr std::size_t kMaxAnswer = std::size_t{256} << 10;

enum class DeadReason : std::uint8_t {
  refused,    // the subscriber's verdict
  exhausted,  // no attempt is left
  parked,     // an earlier event of its key is a dead letter (park_key)
  broken,     // an expression of the subscription fails on it
};
inline constexpr std::size_t kDeadReasons = 4;
// "refused", "exhausted", "parked", "broken".
[[nodiscard]] std::string_view to_string(DeadReason reason) noexcept;

// Whose event it is, and where it was.
struct DeliveryOrigin {
  std::string_view subscription;
  std::string_view topic;
  journal::Position position;
};

struct FailedDelivery {
  DeadReason reason = DeadReason::refused;
  std::string code;  // "422", "timeout"
  std::string body;  // of the last answer, or a sentence; any bytes
  std::uint32_t attempts = 0;
  std::int64_t first = 0;  // milliseconds since the Unix epoch; of the first and the last attempt; 0: none
  std::int64_t last = 0;
};

[[nodiscard]] journal::Event dead_letter_of(const journal::Event& original, const DeliveryOrigin& origin,
                                            const FailedDelivery& failed);

// `answer` is its body; where that is no JSON object, or too long for a record, the original data is
// published.
[[nodiscard]] journal::Event success_of(const journal::Event& original, const DeliveryOrigin& origin,
                                        std::string_view type, std::string_view answer);

// The original data with `error: {status, body}`. Data that is no JSON object stands under `data`.
[[nodiscard]] journal::Event failure_of(const journal::Event& original, const DeliveryOrigin& origin,
                                        std::string_view type, std::uint16_t status, std::string_view answer);

// `text` as an attribute may have it: well-formed, without control characters, at most `most` bytes.
[[nodiscard]] std::string attribute_text(std::string_view text, std::size_t most);

}  // namespace flotilla::events
