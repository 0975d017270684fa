// What an answer to a saga's request means: the table every retry, undo and suspension follows.
//
// For: the engine, which asks after each attempt; testdata/verdicts.txt is the table for people.
// Six verdicts, because the one question is whether the service acted:
//   ok       it did what was asked               pending  it is at work on it
//   retry    it surely did nothing, try again    unknown  it may have acted: resend the same key
//   refused  it surely did nothing, and will not config   a mistake of ours or theirs: suspend, never abort
// Three things outrank the status, in this order: nothing was sent at all; the header Saga-Outcome; the
// step's own `outcomes`. A refusal after an attempt whose effect is unknown may mean "your first try
// worked", so it settles nothing unless the service replays its first answer for a repeated key. That is of
// an action; the refusal of an undo is one whatever came before it, and a person decides, because a guess
// would be a saga that says `compensated` while its effect stays. Only 410, and 404 where the step says
// `undo_404_ok`, mean that there is nothing to undo.
// Ownership: plain values; views point into the caller's answer. Threads: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "flotilla/base/time.hpp"

namespace flotilla::saga {

enum class Verdict : std::uint8_t { ok, pending, retry, unknown, refused, config };
inline constexpr std::size_t kVerdicts = 6;
[[nodiscard]] std::string_view to_string(Verdict verdict) noexcept;
// The values of `outcomes` in a definition, by their names above; nothing for another word.
[[nodiscard]] std::optional<Verdict> parse_verdict(std::string_view text) noexcept;

// What a request is for. A nested saga's start is an action, its undoing an undo, and a poll of a 202's
// Location a status.
enum class Op : std::uint8_t { action, undo, status };
inline constexpr std::size_t kOps = 3;
// "action", "undo", "status": the header Saga-Op.
[[nodiscard]] std::string_view to_string(Op op) noexcept;

// The rows of the table, so that a test can count that each was reached.
enum class VerdictRow : std::uint8_t {
  not_sent,              // no endpoint, connect failed, REFUSED_STREAM, a refusal of the platform
  lost,                  // bytes sent, then reset, timeout, truncated, unparsable
  success,               // 200 201 203..206
  accepted,              // 202
  redirect,              // 3xx: never followed for a write
  invalid,               // 400 405 406 413 414 415 422
  key_reused,            // 422 with the problem type that says so
  unauthorized,          // 401 403 407
  not_found,             // 404
  gone,                  // 410
  again,                 // 408 425
  conflict,              // 409
  conflict_outstanding,  // 409 while the first request of the key is still at work
  precondition,          // 412 428
  misdirected,           // 421: again, on a new connection
  throttled,             // 423 429
  other_4xx,             // 402 and every 4xx not listed
  server_error,          // 500 502 504 507 and every 5xx not listed
  unimplemented,         // 501 505
  unavailable,           // 503
  nonsense,              // below 200, above 599
  outcome_header,        // Saga-Outcome said so
  outcome_override,      // the step's `outcomes` said so
};
inline constexpr std::size_t kVerdictRows = static_cast<std::size_t>(VerdictRow::outcome_override) + 1;
[[nodiscard]] std::string_view to_string(VerdictRow row) noexcept;

// One answer, as far as it matters here.
struct AnswerHead {
  enum class Kind : std::uint8_t {
    not_sent,  // no byte of the request left us, or the peer says that it did nothing with it
    lost,      // the request may have arrived; there is no whole answer
    status,    // a whole answer
  };
  Kind kind = Kind::lost;
  std::uint16_t status = 0;
  bool from_platform = false;     // `Platform-Source: gateway` or `Flotilla-Error`: no service answered
  bool marked_not_sent = false;   // a platform's answer that says so (`effect: none`)
  std::string_view outcome;       // the header Saga-Outcome; empty without one
  std::string_view problem_type;  // `type` of a problem+json body; empty without one
  std::optional<Duration> retry_after;
  std::string note;  // for people, instead of the status; empty where the status says it
};

struct StatusOutcome {
  std::uint16_t status = 0;
  Verdict verdict = Verdict::unknown;
};

// What the step says about its service.
struct VerdictRules {
  std::span<const StatusOutcome> outcomes;  // for its action only
  bool accept_202 = false;                  // a 202 is the end of it
  bool undo_404_ok = false;                 // there is nothing left to undo
  bool replays_answers = false;             // `idempotent: key`: a repeated key gets its first answer
};

struct Judgement {
  Verdict verdict = Verdict::unknown;
  VerdictRow row = VerdictRow::nonsense;
  // With `unknown`: do not resend, the answer says no but an earlier attempt may have worked.
  bool settled = false;
  bool alert = false;      // a person should know (401, 403, 407)
  bool null_undo = false;  // the service never saw the action and now never will do it
};

// `earlier_unknown`: an earlier attempt of this key ended `lost` or `unknown`.
[[nodiscard]] Judgement judge(const AnswerHead& answer, Op op, const VerdictRules& rules,
                              bool earlier_unknown) noexcept;

}  // namespace flotilla::saga
