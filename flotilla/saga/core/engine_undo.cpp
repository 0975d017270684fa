// What becomes of a step's undo.
#include <fmt/format.h>

#include "flotilla/saga/core/engine.hpp"

namespace flotilla::saga {
namespace {

// " 409", or in the words of who answered.
std::string words_of(const AnswerHead& head) {
  return head.note.empty() ? fmt::format(" {}", head.status) : ": " + head.note;
}

}  // namespace

void Engine::on_undo(Life& life, Run& run, const AnswerHead& head, const Judgement& judged) {
  switch (judged.verdict) {
    case Verdict::ok: {
      Plan undone = plan(life);
      undone.add(record::StepUndone{
          .step = run.step, .status = head.status, .null_undo = judged.null_undo, .attempts = run.attempts});
      commit(life, std::move(undone));
      return;
    }
    case Verdict::refused: {
      const Definition& definition = *life.state.definition;
      Plan blocked = plan(life);
      const std::string detail =
          fmt::format("the undo of {} was refused{}{}", definition.steps[run.step].name,
                      head.note.empty() ? " with" : "", words_of(head));
      blocked.add(record::UndoBlocked{
          .step = run.step, .status = head.status, .detail = detail, .attempts = run.attempts});
      if (definition.fail_when_blocked) {
        StepSet residue;
        for (std::size_t i = 0; i < life.state.steps.size(); ++i) {
          residue[i] = needs_undo(blocked.next(), static_cast<StepIndex>(i));
        }
        blocked.add(record::Failed{.residue = residue.to_ullong()});
        blocked.after.emplace_back(
            effect::Alert{.saga = life.state.id, .kind = effect::Alert::Kind::failed, .detail = detail});
      } else if (!definition.independent_undo) {
        blocked.suspend(SuspendReason::undo_blocked, run.step, Op::undo, detail);
      }
      commit(life, std::move(blocked));
      return;
    }
    case Verdict::config: {
      run.at = Run::At::backoff;
      run.due = now_.mono;
      Plan suspended = plan(life);
      suspended.suspend(SuspendReason::config, run.step, Op::undo, "its undo was answered" + words_of(head));
      commit(life, std::move(suspended));
      return;
    }
    case Verdict::retry:
    case Verdict::unknown:
    case Verdict::pending:
      back_off(life, run, head.retry_after, judged.row == VerdictRow::unauthorized);
      return;
  }
}

}  // namespace flotilla::saga
