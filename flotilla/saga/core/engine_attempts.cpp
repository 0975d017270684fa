#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/resilience/core/retry.hpp"
#include "flotilla/saga/core/engine.hpp"
#include "flotilla/saga/core/render.hpp"

namespace flotilla::saga {
namespace {

using At = StepState::At;

constexpr std::uint32_t kAlertAttempts = 10;
constexpr Duration kAlertAfter = std::chrono::minutes(5);
constexpr Duration kPollFirst = std::chrono::seconds(1);
constexpr Duration kTurn = std::chrono::milliseconds(1);

const Step& step_of(const Life& life, const Run& run) { return life.state.definition->steps[run.step]; }

// A nested saga that is undone by its own reverse pass, in whatever state it is.
bool has_own_undo(const Life& life, const Run& run) {
  const auto* nested = std::get_if<NestedSaga>(&step_of(life, run).action);
  return nested != nullptr && !nested->has_pivot;
}

bool is_child(const Life& life, const Run& run) {
  return life.state.steps[run.step].kind == Exposure::Kind::child;
}

}  // namespace

Duration Engine::timeout_of(const Life& life, const Run& run) const {
  const Step& step = step_of(life, run);
  if (run.op == Op::undo && step.undo) {
    return step.undo->timeout;
  }
  const auto* request = std::get_if<Request>(&step.action);
  return request != nullptr ? request->timeout : std::chrono::seconds(5);
}

const Retry& Engine::retry_of(const Life& life, const Run& run) const {
  const Step& step = step_of(life, run);
  return run.op == Op::undo ? step.undo_retry : step.retry;
}

// Does whatever may be done now; then says when to be woken. Stops at the first decision that needs a record.
void Engine::progress(Life& life) {
  if (is_terminal(life.state.phase)) {
    end(life.state.id);
    return;
  }
  if (life.appending) {
    return;
  }
  if (life.state.phase == Phase::held) {
    ask_parent(life);
  }
  if (fire_due(life) || pass_deadline(life)) {
    return;
  }
  for (std::size_t i = 0; i < life.runs.size(); ++i) {
    progress_run(life, life.runs[i]);
    if (life.appending) {
      return;
    }
  }
  set_wake(life);
}

void Engine::progress_run(Life& life, Run& run) {
  if (!life.admitted || life.state.phase == Phase::held) {
    return;
  }
  const bool due = run.due <= now_.mono;
  if (run.at == Run::At::pending && run.open_until <= now_.mono) {
    // The service never said how it ended.
    const AnswerHead lost{.kind = AnswerHead::Kind::lost};
    std::string none;
    on_answer(life, run, lost, {.verdict = Verdict::unknown, .row = VerdictRow::lost}, none);
    return;
  }
  if (run.at == Run::At::pending && due) {
    if (is_child(life, run)) {
      send_child(life, run);
    } else {
      send_poll(life, run);
    }
    return;
  }
  if (run.at == Run::At::inquire && due && step_of(life, run).status && life.state.phase == Phase::running) {
    send(life, run, Op::status);
    return;
  }
  if (run.op == Op::action && life.state.phase == Phase::compensating) {
    if (run.at == Run::At::closing && due) {
      run.at = Run::At::backoff;
      run.due = kNever;
      run.quiet_at = {};
      Plan closed = plan(life);
      closed.close(run.step);
      closed.add(record::StepUnknown{
          .step = run.step, .detail = "sent by an owner before", .attempts = run.attempts});
      commit(life, std::move(closed));
    } else if (!run.is_open() && is_child(life, run) && !has_own_undo(life, run)) {
      send_child(life, run);  // it must be known how it ended
    } else if (!run.is_open() && run.at != Run::At::inquiring) {
      // Nothing more is sent. What an owner before us may have sent just now must have arrived first.
      const bool wait = run.from_before && life.state.steps[run.step].kind == Exposure::Kind::request;
      run.at = wait ? Run::At::closing : Run::At::backoff;
      run.due = wait ? std::max(run.quiet_at, now_.mono) : kNever;
      run.from_before = false;
      if (run.due <= now_.mono) {
        progress_run(life, run);
      }
    }
    return;
  }
  if (life.state.suspended) {
    return;
  }
  if (run.at == Run::At::backoff && due) {
    run.at = Run::At::ready;
  }
  if (run.at == Run::At::ready) {
    if (is_child(life, run)) {
      send_child(life, run);
    } else {
      send(life, run, run.op);
    }
  }
}

void Engine::send(Life& life, Run& run, Op op) {
  if (op != Op::status) {
    if (run.first == kNever) {
      run.first = now_.mono;
    }
    ++run.attempts;
    run.at = Run::At::in_flight;
    emit_send(life, run, life.state.steps[run.step].request, op, timeout_of(life, run));
    return;
  }
  ++run.inquiries;
  run.at = Run::At::inquiring;
  const Step& step = step_of(life, run);
  auto request = render(*step.status, scope_of(life.state));
  if (!request) {  // it cannot be asked: as if nobody answered
    const AnswerHead lost{.kind = AnswerHead::Kind::not_sent};
    std::string none;
    on_inquiry(life, run, lost, {.verdict = Verdict::retry, .row = VerdictRow::not_sent}, none);
    return;
  }
  emit_send(life, run, *std::move(request), Op::status, step.status->timeout);
}

void Engine::send_poll(Life& life, Run& run) {
  run.at = Run::At::polling;
  if (run.location.empty()) {  // a callback will tell
    run.at = Run::At::pending;
    run.due = kNever;
    return;
  }
  const RequestPtr& first = life.state.steps[run.step].request;
  emit_send(life, run,
            std::make_shared<const RenderedRequest>(
                RenderedRequest{.method = "GET", .service = first->service, .target = run.location}),
            Op::status, timeout_of(life, run));
}

void Engine::emit_send(Life& life, Run& run, RequestPtr request, Op op, Duration timeout) {
  const SagaState& state = life.state;
  run.token = next_token_++;
  run.due = kNever;
  ++run.sends;
  effect::Send out{.saga = state.id,
                   .token = run.token,
                   .step = run.step,
                   .op = op,
                   .request = std::move(request),
                   .key = make_key(config_.keys, {.saga = state.id, .step = run.step, .op = op}),
                   .headers = {},
                   .timeout = timeout};
  if (config_.faults.has(EngineFault::epoch_in_key)) {
    out.key += std::to_string(config_.epoch);
  }
  if (config_.faults.has(EngineFault::new_bytes_on_resend) && run.attempts > 1) {
    RenderedRequest other = *out.request;
    other.body += ' ';
    out.request = std::make_shared<const RenderedRequest>(std::move(other));
  }
  // A structured-field string, so it is quoted on the wire.
  out.headers.emplace_back("idempotency-key", fmt::format("\"{}\"", out.key));
  out.headers.emplace_back("saga-id", state.id.text());
  out.headers.emplace_back("saga-step", step_of(life, run).name);
  out.headers.emplace_back("saga-op", to_string(op));
  out.headers.emplace_back("saga-attempt", fmt::format("{}.{}", config_.epoch, run.sends));
  if (!state.locks.empty()) {
    const bool by_owner = config_.faults.has(EngineFault::epoch_in_seq);
    out.headers.emplace_back("saga-seq", std::to_string(life.number + (by_owner ? config_.epoch : 0)));
  }
  if (state.deadline != 0) {
    out.headers.emplace_back("saga-deadline", iso_time({state.deadline * 1'000'000}));
  }
  if (!state.trace.empty()) {
    out.headers.emplace_back("traceparent", state.trace);
  }
  if (!state.correlation.empty()) {
    out.headers.emplace_back("correlation-id", state.correlation);
  }
  effects_.emplace_back(std::move(out));
}

void Engine::handle(Life& life, input::Answer& in) {
  const auto found = std::ranges::find(life.runs, in.token, &Run::token);
  if (in.token == 0 || found == life.runs.end()) {
    return;  // of an attempt that was given up
  }
  Run& run = *found;
  run.token = 0;
  const Op asked = run.at == Run::At::in_flight ? run.op : Op::status;
  Judgement judged = judge(in.head, asked, step_of(life, run).verdict_rules(),
                           run.earlier_unknown && !config_.faults.has(EngineFault::refused_after_unknown));
  if (config_.faults.has(EngineFault::conflict_is_undone) && asked == Op::undo && run.earlier_unknown &&
      judged.row == VerdictRow::conflict) {
    judged.verdict = Verdict::ok;
  }
  effects_.reserve(effects_.size() + 2);
  if (judged.alert) {
    alert(life.state.id, effect::Alert::Kind::unauthorized,
          fmt::format("{} answers {}", step_of(life, run).name, in.head.status));
  }
  if (asked != Op::status) {
    run.held_back = in.held_back;
    if (in.held_back) {
      --run.attempts;
    }
    run.on_wire |= in.head.kind != AnswerHead::Kind::not_sent;
    if (!in.location.empty()) {
      run.location = std::move(in.location);
    }
  }
  on_answer(life, run, in.head, judged, in.body);
}

void Engine::handle(Life& life, input::Callback& in) {
  Run* run = life.find(in.step, in.op);
  if (run == nullptr) {
    return;
  }
  // It may overtake the 202. But with an earlier attempt it may be that one's, while this one is on its way
  // yet.
  const bool overtakes = run->at == Run::At::in_flight && run->attempts == 1 && !run->from_before;
  if (run->at != Run::At::pending && run->at != Run::At::polling && !overtakes) {
    return;
  }
  run->token = 0;  // an answer to the poll in flight says nothing new
  run->on_wire = true;
  const Judgement judged = judge(in.head, in.op, step_of(life, *run).verdict_rules(), run->earlier_unknown);
  on_answer(life, *run, in.head, judged, in.body);
}

void Engine::on_answer(Life& life, Run& run, const AnswerHead& head, const Judgement& judged,
                       std::string& body) {
  if (head.kind == AnswerHead::Kind::status) {
    run.status = head.status;
  }
  if (run.at == Run::At::inquiring) {
    on_inquiry(life, run, head, judged, body);
    return;
  }
  if (run.at == Run::At::polling && judged.verdict != Verdict::ok &&
      judged.row != VerdictRow::outcome_header) {
    run.at = Run::At::pending;  // a poll that fails tells nothing
    run.due = saturating_add(now_.mono, std::max(head.retry_after.value_or(kPollFirst), kPollFirst));
    return;
  }
  if (judged.verdict == Verdict::pending) {
    pend(life, run, head);
    return;
  }
  if (judged.verdict == Verdict::unknown) {
    run.earlier_unknown = true;
  }
  if (run.op == Op::action) {
    on_action(life, run, head, judged, body);
  } else {
    on_undo(life, run, head, judged);
  }
}

// 202: the service is at work on it.
void Engine::pend(Life& life, Run& run, const AnswerHead& head) {
  if (run.open_until == kNever || run.at == Run::At::in_flight) {
    run.open_until = saturating_add(now_.mono, timeout_of(life, run));
  }
  run.at = Run::At::pending;
  run.due = saturating_add(now_.mono, std::max(head.retry_after.value_or(kPollFirst), kPollFirst));
}

// A breaker or a limit costs those whom it holds back no attempt, so they ask for as long as it takes.
// However many they are, together they ask once in kTurn, so that a crowd behind one service leaves time for
// others.
Duration Engine::turn(const RequestPtr& request) {
  if (request == nullptr) {
    return Duration(0);
  }
  Instant& next = next_turns_[request->service];
  const Instant turn = std::max(next, now_.mono);
  next = saturating_add(turn, kTurn);
  return turn - now_.mono;
}

void Engine::back_off(Life& life, Run& run, std::optional<Duration> retry_after, bool slowly) {
  const Retry& retry = retry_of(life, run);
  const std::uint32_t tries = std::max(run.attempts, 1U);
  Duration pause = resilience::backoff(retry.policy(), tries, random_);
  if (retry_after) {
    pause = std::max(pause, std::min(*retry_after, retry.cap));
  }
  if (slowly) {
    pause = retry.cap;
  }
  if (run.held_back && !config_.faults.has(EngineFault::hasty_when_held_back)) {
    const Duration in_turn = turn(life.state.steps[run.step].request) + pause;
    pause = std::max(pause, std::min(in_turn, kLongestUnrecordedWait));
  }
  run.at = Run::At::backoff;
  run.due = saturating_add(now_.mono, pause);
  run.open_until = kNever;
  const bool must_succeed = run.op == Op::undo || step_of(life, run).kind == StepKind::retriable;
  if (must_succeed && !run.alerted && run.first != kNever &&
      (run.attempts >= kAlertAttempts || now_.mono - run.first >= kAlertAfter)) {
    run.alerted = true;
    alert(life.state.id, effect::Alert::Kind::slow,
          fmt::format("the {} of {} has failed {} times, last with {}", to_string(run.op),
                      step_of(life, run).name, run.attempts, run.status));
  }
  if (pause > kLongestUnrecordedWait && life.state.phase != Phase::held) {
    run.due = kNever;
    Plan timed = plan(life);
    timed.add(record::TimerSet{.id = life.state.next_timer,
                               .due = wall_ms() + to_millis(pause),
                               .use = TimerUse::retry,
                               .step = run.step,
                               .op = run.op});
    commit(life, std::move(timed));
  }
}

}  // namespace flotilla::saga
