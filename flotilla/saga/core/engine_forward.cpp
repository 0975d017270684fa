// What becomes of a step's action.
#include <fmt/format.h>

#include "flotilla/json/check.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/json/writer.hpp"
#include "flotilla/saga/core/engine.hpp"

namespace flotilla::saga {
namespace {

using At = StepState::At;

constexpr std::uint32_t kInquiries = 3;  // before giving up on a status query
constexpr Duration kInquiryPause = std::chrono::seconds(1);
constexpr Duration kSlowInquiry = std::chrono::seconds(60);

const Step& step_of(const Life& life, const Run& run) { return life.state.definition->steps[run.step]; }

std::string describe_answer(const AnswerHead& head) {
  if (!head.note.empty()) {
    return head.note;
  }
  switch (head.kind) {
    case AnswerHead::Kind::not_sent:
      return "not sent";
    case AnswerHead::Kind::lost:
      return "no answer";
    case AnswerHead::Kind::status:
      break;
  }
  return fmt::format("answer {}", head.status);
}

// The answer's body as JSON: as it is where it is JSON, else as a string; empty for none.
std::string output_of(std::string& body) {
  if (body.empty() || json::is_complete_json(body)) {
    return std::move(body);
  }
  std::string quoted;
  json::append_quoted(quoted, body);
  return quoted;
}

// Why the step's answer is not what its schema promises; empty if it is, or there is none.
std::string misfit_of(const Step& step, const std::string& output) {
  if (!step.output) {
    return {};
  }
  const auto value = output.empty() ? Result<json::Value>(json::Value()) : json::parse(output);
  if (!value) {
    return fmt::format("the answer cannot be read: {}", value.error().message);
  }
  const auto valid = step.output->validate(*value);
  return valid ? std::string() : fmt::format("the answer is against its schema: {}", valid.error().summary());
}

}  // namespace

void Engine::on_action(Life& life, Run& run, const AnswerHead& head, const Judgement& judged,
                       std::string& body) {
  if (judged.verdict == Verdict::ok) {
    action_done(life, run, head.status, body);
    return;
  }
  if (life.state.phase == Phase::compensating) {
    close_action(life, run, head, judged, body);
    return;
  }
  switch (judged.verdict) {
    case Verdict::refused:
      if (config_.faults.has(EngineFault::retry_refused)) {
        action_failed_for_now(life, run, head, judged);
        return;
      }
      action_refused(life, run, head.status, describe_answer(head));
      return;
    case Verdict::config: {
      run.at = Run::At::backoff;
      run.due = now_.mono;
      Plan suspended = plan(life);
      if (config_.faults.has(EngineFault::config_aborts) && life.state.phase == Phase::running &&
          !life.state.suspended) {
        suspended.abort(Cause::step, run.step, head.status);
      } else {
        suspended.suspend(SuspendReason::config, run.step, Op::action, describe_answer(head));
      }
      commit(life, std::move(suspended));
      return;
    }
    default:
      if (judged.settled) {
        action_spent(life, run);
      } else {
        action_failed_for_now(life, run, head, judged);
      }
      return;
  }
}

void Engine::action_done(Life& life, Run& run, std::uint16_t status, std::string& body) {
  Plan done = plan(life);
  done.close(run.step);
  const bool too_large = body.size() > kMaxPayload;
  std::string output = too_large ? std::string() : output_of(body);
  // The effect stands whatever the answer looks like; but what follows would be built on it.
  const std::string misfit = too_large ? std::string() : misfit_of(step_of(life, run), output);
  done.add(record::StepDone{.step = run.step,
                            .status = status,
                            .output = std::move(output),
                            .attempts = run.attempts,
                            .signal = {}});
  if (too_large && life.state.phase != Phase::compensating) {
    done.suspend(SuspendReason::output_too_large, run.step, Op::action,
                 fmt::format("the answer has {} bytes; at most {} are kept", body.size(), kMaxPayload));
  }
  if (!misfit.empty() && life.state.phase != Phase::compensating) {
    done.suspend(SuspendReason::config, run.step, Op::action, misfit);
  }
  commit(life, std::move(done));
}

// Surely no effect, and no use in trying again.
void Engine::action_refused(Life& life, Run& run, std::uint16_t status, std::string_view detail) {
  Plan refused = plan(life);
  refused.close(run.step);
  refused.add(record::StepRefused{
      .step = run.step, .status = status, .detail = std::string(detail), .attempts = run.attempts});
  commit(life, std::move(refused));
}

void Engine::action_failed_for_now(Life& life, Run& run, const AnswerHead& head, const Judgement& judged) {
  const Retry& retry = retry_of(life, run);
  const bool unlimited = step_of(life, run).kind == StepKind::retriable;
  const bool tried = run.attempts > 0;
  const bool spent = tried && !run.held_back &&
                     ((retry.attempts != 0 && run.attempts >= retry.attempts) ||
                      (retry.within && now_.mono - run.first >= *retry.within));
  if (spent && !unlimited) {
    action_spent(life, run);
    return;
  }
  if (!tried) {
    run.first = kNever;  // held back by ourselves: the time for it has not begun
  }
  back_off(life, run, head.retry_after, judged.row == VerdictRow::unauthorized);
}

// No more attempts. With an effect that is unknown, ask if there is whom to ask.
void Engine::action_spent(Life& life, Run& run) {
  if (!run.earlier_unknown && !run.from_before) {
    action_refused(life, run, run.status, "no attempt reached it");
    return;
  }
  if (step_of(life, run).status && run.inquiries < kInquiries) {
    run.at = Run::At::inquire;
    run.due = saturating_add(now_.mono, kInquiryPause * run.inquiries);
    progress_run(life, run);
    return;
  }
  action_unknown(life, run);
}

void Engine::action_unknown(Life& life, Run& run) {
  if (config_.faults.has(EngineFault::forget_unknown)) {
    action_refused(life, run, run.status, "unknown");
    return;
  }
  // If it comes to a suspension, the status query goes on, or a person has it sent again.
  run.at = Run::At::inquire;
  run.due = step_of(life, run).status ? saturating_add(now_.mono, kSlowInquiry) : kNever;
  Plan unknown = plan(life);
  if (run.quiet_at <= now_.mono) {  // else an owner before us may have sent it just now
    unknown.close(run.step);
  }
  unknown.add(record::StepUnknown{
      .step = run.step, .detail = fmt::format("last answer {}", run.status), .attempts = run.attempts});
  commit(life, std::move(unknown));
}

// The saga has aborted meanwhile: what is known by now decides whether this step is undone.
void Engine::close_action(Life& life, Run& run, const AnswerHead& head, const Judgement& judged,
                          std::string& /*body*/) {
  const bool none = judged.verdict == Verdict::refused ||
                    (judged.verdict == Verdict::retry && !run.earlier_unknown && !run.from_before);
  if (none) {
    action_refused(life, run, head.status, describe_answer(head));
    return;
  }
  if (now_.mono < run.quiet_at) {
    run.at = Run::At::closing;
    run.due = run.quiet_at;
    return;
  }
  run.at = Run::At::backoff;  // not open any more, and never sent again
  run.due = kNever;
  Plan closed = plan(life);
  closed.close(run.step);
  closed.add(
      record::StepUnknown{.step = run.step, .detail = describe_answer(head), .attempts = run.attempts});
  commit(life, std::move(closed));
}

// An answer to "did it take effect?".
void Engine::on_inquiry(Life& life, Run& run, const AnswerHead& head, const Judgement& judged,
                        std::string& body) {
  if (life.state.phase == Phase::compensating) {  // it was decided without
    run.at = Run::At::backoff;
    run.due = kNever;
    return;
  }
  const SuspendState& why = life.state.suspension;
  const bool awaited =
      life.state.suspended && why.step == run.step && life.state.steps[run.step].at == At::unknown &&
      (why.reason == SuspendReason::pivot_unknown || why.reason == SuspendReason::step_unknown);
  const bool told = judged.row == VerdictRow::outcome_header && judged.verdict == Verdict::refused;
  if (judged.verdict == Verdict::ok || told) {
    Plan known = plan(life);
    known.close(run.step);
    if (awaited) {
      known.add(record::Resumed{.by = "status query"});
    }
    if (told) {
      known.add(record::StepRefused{
          .step = run.step, .status = head.status, .detail = "said when asked", .attempts = run.attempts});
    } else {
      known.add(record::StepDone{.step = run.step,
                                 .status = head.status,
                                 .output = output_of(body),
                                 .attempts = run.attempts,
                                 .signal = {}});
    }
    commit(life, std::move(known));
    return;
  }
  run.at = Run::At::inquire;
  if (life.state.steps[run.step].at == At::unknown) {  // asked for as long as it takes
    run.due = saturating_add(now_.mono, kSlowInquiry);
    return;
  }
  if (life.state.phase != Phase::running) {
    run.due = kNever;
    return;
  }
  // "There is none" is no proof: the request may arrive yet. So the step counts as unknown, and is undone.
  const bool none = judged.row == VerdictRow::not_found || judged.row == VerdictRow::gone;
  if (none || run.inquiries >= kInquiries) {
    action_unknown(life, run);
    return;
  }
  run.due = saturating_add(now_.mono, kInquiryPause * run.inquiries);
}

}  // namespace flotilla::saga
