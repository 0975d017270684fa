#include "flotilla/saga/core/verdict.hpp"

#include <algorithm>
#include <array>

namespace flotilla::saga {
namespace {

using enum Verdict;

constexpr std::array<std::string_view, kVerdicts> kVerdictNames{"ok",      "pending", "retry",
                                                                "unknown", "refused", "config"};
constexpr std::array<std::string_view, kVerdictRows> kRowNames{
    "not-sent",      "lost",         "success",     "accepted",       "redirect",        "invalid",
    "key-reused",    "unauthorized", "not-found",   "gone",           "again",           "conflict",
    "outstanding",   "precondition", "misdirected", "throttled",      "other-4xx",       "server-error",
    "unimplemented", "unavailable",  "nonsense",    "outcome-header", "outcome-override"};

VerdictRow row_of_4xx(const AnswerHead& answer) noexcept {
  switch (answer.status) {
    case 400:
    case 405:
    case 406:
    case 413:
    case 414:
    case 415:
      return VerdictRow::invalid;
    case 422:
      return answer.problem_type.ends_with("key-reused") ? VerdictRow::key_reused : VerdictRow::invalid;
    case 401:
    case 403:
    case 407:
      return VerdictRow::unauthorized;
    case 404:
      return VerdictRow::not_found;
    case 410:
      return VerdictRow::gone;
    case 408:
    case 425:
      return VerdictRow::again;
    case 409:
      return answer.problem_type.ends_with("outstanding") || answer.retry_after
                 ? VerdictRow::conflict_outstanding
                 : VerdictRow::conflict;
    case 412:
    case 428:
      return VerdictRow::precondition;
    case 421:
      return VerdictRow::misdirected;
    case 423:
    case 429:
      return VerdictRow::throttled;
    default:
      return VerdictRow::other_4xx;
  }
}

VerdictRow row_of(const AnswerHead& answer) noexcept {
  switch (answer.kind) {
    case AnswerHead::Kind::not_sent:
      return VerdictRow::not_sent;
    case AnswerHead::Kind::lost:
      return VerdictRow::lost;
    case AnswerHead::Kind::status:
      break;
  }
  if (answer.from_platform && (answer.marked_not_sent || answer.status == 404)) {
    return VerdictRow::not_sent;  // a gateway's 404 says that it knows no route, not what the service has
  }
  switch (answer.status / 100) {
    case 2:
      return answer.status == 202 ? VerdictRow::accepted : VerdictRow::success;
    case 3:
      return VerdictRow::redirect;
    case 4:
      return row_of_4xx(answer);
    case 5:
      return answer.status == 501 || answer.status == 505 ? VerdictRow::unimplemented
             : answer.status == 503                       ? VerdictRow::unavailable
                                                          : VerdictRow::server_error;
    default:
      return VerdictRow::nonsense;
  }
}

Verdict verdict_of(VerdictRow row, Op op, const VerdictRules& rules) noexcept {
  using enum VerdictRow;
  switch (row) {
    case not_sent:
    case again:
    case misdirected:
    case throttled:
    case unauthorized:
      return retry;
    case success:
      return ok;
    case accepted:
      return rules.accept_202 ? ok : pending;
    case conflict_outstanding:
      return pending;
    case redirect:
    case key_reused:
    case unimplemented:
      return config;
    case gone:
      return op == Op::undo ? ok : refused;
    case not_found:
      return op == Op::undo && rules.undo_404_ok ? ok : refused;
    case invalid:
    case conflict:
    case precondition:
    case other_4xx:
      return refused;
    case lost:
    case server_error:
    case unavailable:
    case nonsense:
    case outcome_header:
    case outcome_override:
      break;
  }
  return unknown;
}

}  // namespace

std::string_view to_string(Verdict verdict) noexcept {
  return kVerdictNames[static_cast<std::size_t>(verdict)];
}

std::optional<Verdict> parse_verdict(std::string_view text) noexcept {
  const auto found = std::ranges::find(kVerdictNames, text);
  if (found == kVerdictNames.end()) {
    return std::nullopt;
  }
  return static_cast<Verdict>(found - kVerdictNames.begin());
}

std::string_view to_string(Op op) noexcept {
  constexpr std::array<std::string_view, kOps> names{"action", "undo", "status"};
  return names[static_cast<std::size_t>(op)];
}

std::string_view to_string(VerdictRow row) noexcept { return kRowNames[static_cast<std::size_t>(row)]; }

Judgement judge(const AnswerHead& answer, Op op, const VerdictRules& rules, bool earlier_unknown) noexcept {
  Judgement judgement{.row = row_of(answer)};
  judgement.verdict = verdict_of(judgement.row, op, rules);
  judgement.alert = judgement.row == VerdictRow::unauthorized;
  const bool answered = judgement.row != VerdictRow::not_sent && judgement.row != VerdictRow::lost;
  if (answered && op == Op::action) {
    const auto found = std::ranges::find(rules.outcomes, answer.status, &StatusOutcome::status);
    if (found != rules.outcomes.end()) {
      judgement = {.verdict = found->verdict, .row = VerdictRow::outcome_override};
    }
  }
  if (answered && !answer.outcome.empty()) {
    const bool null_undo = op == Op::undo && answer.outcome == "null-undo";
    const auto said = null_undo ? std::optional(ok) : parse_verdict(answer.outcome);
    // `config` is not for services to say, and a word we do not know says nothing.
    if (said && *said != config) {
      judgement = {.verdict = *said, .row = VerdictRow::outcome_header, .null_undo = null_undo};
      return judgement;  // the service itself says refused: it knows what became of the first try
    }
  }
  // A no that follows a maybe. Of an undo it stands: to take it for "undone already" would end sagas as
  // compensated whose effects stay.
  if (judgement.verdict == refused && earlier_unknown && op == Op::action && !rules.replays_answers) {
    judgement.verdict = unknown;
    judgement.settled = true;
  }
  return judgement;
}

}  // namespace flotilla::saga
