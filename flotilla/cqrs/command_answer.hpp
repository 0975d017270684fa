// What every door to commands reads and says in HTTP: the same headers, the same JSON (DESIGN 4.4).
//
// For: the application API, the gateway's action `command`, and processes that pass commands on.
//
//   POST, JSON; Idempotency-Key: the same request again has the same answer
//               If-Match: "5": only if the aggregate has that version; "0": only if there is none yet
//   200 {id, version, position, events: [{id, type, data}]}, Position, ETag: "VERSION"
//   422 `refused` with `code`; 409 `conflict`; Idempotent-Replayed: true where the key had the answer
// Ownership: values. Threads: pure functions. Limits: kMaxCommand, kMaxCommandKey.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/cqrs/core/command_io.hpp"
#include "flotilla/http/core/message.hpp"

namespace flotilla::cqrs {

// The fields of a request that commands look at, as they came.
struct CommandFields {
  std::vector<std::string_view> key;       // Idempotency-Key
  std::vector<std::string_view> if_match;  // If-Match
};

// Errors: malformed, too_large.
[[nodiscard]] std::expected<CommandAsk, CommandRefusal> read_command(const CommandFields& fields,
                                                                     std::string_view body,
                                                                     std::string principal);

[[nodiscard]] http::Response command_answer(const CommandAnswer& answer);
[[nodiscard]] http::Response command_refusal(const CommandRefusal& refusal);

// A Correlation-Id or Causation-Id that can be kept as it is: visible ASCII, not too long; else none.
[[nodiscard]] std::string_view command_identifier(std::string_view header) noexcept;

}  // namespace flotilla::cqrs
