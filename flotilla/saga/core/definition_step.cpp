#include "flotilla/saga/core/definition_step.hpp"

#include <algorithm>
#include <array>

#include "flotilla/json/canonical.hpp"
#include "flotilla/saga/core/definition_request.hpp"
#include "flotilla/saga/core/definition_text.hpp"

namespace flotilla::saga {
namespace {

// What is given away can be gone before it is taken back (sagas-events-cqrs 1.10: a lint).
bool gives_away(std::string_view name, std::string_view call) {
  constexpr std::array<std::string_view, 8> words{"credit", "payout", "refund", "deposit",
                                                  "bonus",  "reward", "gift",   "cashback"};
  const std::string both = to_lower(fmt::format("{} {}", name, call));
  return std::ranges::any_of(words, [&](std::string_view word) { return both.contains(word); });
}

class StepChecker {
 public:
  StepChecker(const StepDraft& draft, StepIndex index, Definition& into, std::span<const DefinitionPtr> known,
              Faults& faults)
      : draft_(draft),
        index_(index),
        step_(into.steps[index]),
        known_(known),
        faults_(faults),
        text_(into, faults),
        requests_(step_.name, text_, faults) {
    before_.steps = step_.ancestors;
  }

  void run() {
    const int kinds =
        (draft_.action ? 1 : 0) + (draft_.saga ? 1 : 0) + (draft_.signal ? 1 : 0) + (draft_.timer ? 1 : 0);
    if (kinds != 1) {
      fault(draft_.name.at, kinds == 0 ? "does nothing; give it an `action`, a `saga` or a `wait`"
                                       : "does several things; an `action`, a `saga` and a `wait` are a step "
                                         "each");
      return;
    }
    unknown_effect();
    when();
    if (draft_.action) {
      action();
    } else {
      refuse_options_of_actions();
      draft_.saga ? nested() : wait();
    }
  }

 private:
  void fault(Position at, std::string_view message) {
    faults_.add(at, fmt::format("step '{}' {}", step_.name, message));
  }
  void warn(Position at, std::string_view message) {
    faults_.warn(at, fmt::format("step '{}' {}", step_.name, message));
  }
  [[nodiscard]] std::string what(std::string_view part) const {
    return fmt::format("step '{}', {}", step_.name, part);
  }

  void when() {
    if (!draft_.when) {
      return;
    }
    if (step_.kind == StepKind::pivot) {
      fault(draft_.when->at,
            "is the pivot, which decides the saga and cannot be skipped; put `when` on other "
            "steps, or start another saga");
      return;
    }
    step_.when = text_.expression(*draft_.when, what("when"), before_);
  }

  // Before the undo, whose rules depend on it.
  void unknown_effect() {
    step_.abort_when_unknown = draft_.action && step_.kind == StepKind::compensatable;
    if (!draft_.abort_when_unknown || !draft_.action) {
      return;
    }
    if (step_.kind == StepKind::retriable) {
      fault(draft_.abort_when_unknown->at,
            "is retriable: it is sent until its effect is known; take `on_unknown` out");
      return;
    }
    step_.abort_when_unknown = draft_.abort_when_unknown->value;
  }

  void action() {
    const RequestDraft& request = *draft_.action;
    auto compiled = requests_.compile(request, "action", before_, kDefaultTimeout);
    retries(request);
    options();
    undo(compiled ? compiled->timeout : kDefaultTimeout);
    status(compiled ? compiled->timeout : kDefaultTimeout);
    output();
    if (compiled) {
      lint(*compiled);
      step_.action = *std::move(compiled);
    }
  }

  void output() {
    step_.output_schema = json::canonical(draft_.output_schema.value);
    if (step_.output_schema.is_null()) {
      return;
    }
    if (auto schema = json::Schema::compile(step_.output_schema)) {
      step_.output = *std::move(schema);
    } else {
      fault(draft_.output_schema.at,
            fmt::format("has a faulty schema of its output: {}", schema.error().message));
    }
  }

  void retries(const RequestDraft& request) {
    step_.retry = step_.kind == StepKind::retriable ? kEndlessRetry : kDefaultRetry;
    step_.undo_retry = kEndlessRetry;
    if (request.retry) {
      requests_.apply(*request.retry, step_.retry,
                      step_.kind == StepKind::retriable ? "a retriable step" : "");
    }
    if (draft_.undo && draft_.undo->retry) {
      requests_.apply(*draft_.undo->retry, step_.undo_retry, "an undo");
    }
    if (draft_.status && draft_.status->retry) {
      fault(draft_.status->retry->at, "asks its `status` until there is an answer; take `retry` out of it");
    }
  }

  void options() {
    for (const Written<StatusOutcome>& outcome : draft_.outcomes) {
      const std::uint16_t status = outcome.value.status;
      if (status < 200 || status > 599) {
        fault(outcome.at, fmt::format("gives a meaning to the status {}; an answer has 200 to 599", status));
      } else if (std::ranges::find(step_.outcomes, status, &StatusOutcome::status) != step_.outcomes.end()) {
        fault(outcome.at, fmt::format("gives two meanings to the status {}; keep one", status));
      } else {
        step_.outcomes.push_back(outcome.value);
      }
    }
    std::ranges::sort(step_.outcomes, {}, &StatusOutcome::status);
    const auto value = [](const std::optional<Written<bool>>& b) { return b && b->value; };
    step_.accept_202 = value(draft_.accept_202);
    step_.replays_answers = value(draft_.replays_answers);
    step_.undo_404_ok = value(draft_.undo_404_ok);
    step_.barrier = value(draft_.barrier);
    for (const auto& [written, key] :
         {std::pair{&draft_.undo_404_ok, "undo_404_ok"}, {&draft_.barrier, "barrier"}}) {
      if (*written && !draft_.undo) {
        fault((*written)->at, fmt::format("has `{}`, but no undo that it could be about; take it out", key));
      }
    }
  }

  void undo(Duration timeout) {
    if (draft_.because && !draft_.no_undo) {
      fault(draft_.because->at, "gives a reason for having no undo; write `undo: none` beside `because`");
      return;
    }
    if (draft_.no_undo && !draft_.because) {
      fault(*draft_.no_undo, "has `undo: none`; say why none is needed: `because: \"...\"`");
      return;
    }
    switch (step_.kind) {
      case StepKind::compensatable:
        if (!draft_.undo && !draft_.no_undo) {
          fault(draft_.name.at,
                "can be followed by a failure, and nothing undoes it; add an `undo`, or "
                "`undo: none` and `because: \"...\"`");
          return;
        }
        break;
      case StepKind::pivot:
        if (draft_.no_undo || (draft_.undo && !step_.abort_when_unknown)) {
          fault(draft_.no_undo ? *draft_.no_undo : draft_.undo->call.at,
                "is the pivot, which nothing undoes; take the undo out, or write `on_unknown: abort` to undo "
                "it when its effect stays unknown");
          return;
        }
        if (step_.abort_when_unknown && !draft_.undo) {
          fault(draft_.abort_when_unknown->at,
                "is the pivot and aborts when its effect is unknown, so it needs an `undo` for that case");
          return;
        }
        break;
      case StepKind::retriable:
        if (draft_.undo || draft_.no_undo) {
          fault(draft_.undo ? draft_.undo->call.at : *draft_.no_undo,
                "is retriable: it comes after the point of no return; take the undo out");
          return;
        }
        break;
    }
    step_.no_undo_because = draft_.because ? draft_.because->value : "";
    if (draft_.undo) {
      compensation(*draft_.undo, timeout);
    }
  }

  void compensation(const RequestDraft& request, Duration timeout) {
    Sight sight = before_;
    sight.cause = true;
    sight.steps.set(index_);
    if (draft_.action) {
      sight.undone = index_;  // a nested saga is only undone after its end, whose result is known
    }
    step_.undo = requests_.compile(request, "undo", sight, timeout);
    if (step_.undo && draft_.action && same_target(request.call.value, draft_.action->call.value)) {
      fault(request.call.at, "is undone by the request that does it; the undo needs another method or path");
    }
  }

  // Blanks between method and service do not make a difference.
  static bool same_target(std::string_view a, std::string_view b) {
    const auto split = [](std::string_view text) {
      const std::size_t blank = std::min(text.find(' '), text.size());
      return std::pair{text.substr(0, blank), trim(text.substr(blank))};
    };
    return split(a) == split(b);
  }

  void status(Duration timeout) {
    if (!draft_.status) {
      return;
    }
    step_.status = requests_.compile(*draft_.status, "status", before_, timeout);
    if (step_.status && step_.status->target.method() != "GET") {
      fault(draft_.status->call.at, "asks for its status with a request that may change something; use GET");
    }
  }

  void lint(const Request& action) {
    if (step_.kind == StepKind::compensatable && gives_away(step_.name, action.target.text())) {
      warn(draft_.name.at,
           "seems to give something away, and it may be spent before it is undone; if it is "
           "so, move it after the pivot");
    }
    if (step_.kind == StepKind::pivot && !step_.abort_when_unknown && !step_.status &&
        !step_.replays_answers) {
      warn(draft_.name.at,
           "is the pivot, and when its answer is lost a person must find out what happened; "
           "give it a `status` request, or `idempotent: key` if the service replays answers");
    }
  }

  void refuse_options_of_actions() {
    const auto refuse = [&](bool written, Position at, std::string_view key) {
      if (written) {
        fault(at, fmt::format("has `{}`, which is for a step with an `action`; take it out", key));
      }
    };
    const auto refuse_flag = [&](const std::optional<Written<bool>>& flag, std::string_view key) {
      refuse(flag.has_value(), flag ? flag->at : Position{}, key);
    };
    refuse(draft_.status.has_value(), draft_.status ? draft_.status->call.at : Position{}, "status");
    refuse(!draft_.outcomes.empty(), draft_.outcomes.empty() ? Position{} : draft_.outcomes.front().at,
           "outcomes");
    refuse(!draft_.output_schema.value.is_null(), draft_.output_schema.at, "output");
    refuse_flag(draft_.abort_when_unknown, "on_unknown");
    refuse_flag(draft_.accept_202, "accept_202");
    refuse_flag(draft_.replays_answers, "idempotent");
    if (!draft_.saga || !draft_.undo) {
      refuse_flag(draft_.undo_404_ok, "undo_404_ok");
      refuse_flag(draft_.barrier, "barrier");
    }
  }

  void nested() {
    const NestedDraft& draft = *draft_.saga;
    DefinitionHash hash = draft.hash;
    bool has_pivot = draft.has_pivot;
    if (hash.value().empty()) {
      const auto found = std::ranges::find(known_, draft.name.value, [](const auto& d) { return d->name; });
      if (found == known_.end()) {
        std::vector<std::string_view> names;
        for (const DefinitionPtr& d : known_) {
          names.emplace_back(d->name);
        }
        fault(draft.name.at, fmt::format("runs the saga '{}', which is not defined{}", draft.name.value,
                                         hint(draft.name.value, names)));
        return;
      }
      hash = (*found)->hash;
      has_pivot = (*found)->pivot.has_value();
    }
    step_.retry = kEndlessRetry;
    step_.undo_retry = kEndlessRetry;
    undo_of_nested(draft.name.value, has_pivot);
    if (!draft.input) {
      fault(draft.name.at, fmt::format("starts the saga '{}' without an `input`; write one, as in "
                                       "`input: .input`",
                                       draft.name.value));
    } else if (auto input = text_.expression(*draft.input, what("input"), before_)) {
      step_.action = NestedSaga{draft.name.value, std::move(hash), has_pivot, *std::move(input)};
    }
  }

  void undo_of_nested(std::string_view name, bool has_pivot) {
    if (step_.kind != StepKind::compensatable || has_pivot) {
      if (draft_.undo && draft_.undo->retry) {
        requests_.apply(*draft_.undo->retry, step_.undo_retry, "an undo");
      }
      undo(kDefaultTimeout);
      options();
      return;
    }
    if (draft_.undo || draft_.no_undo || draft_.because) {
      fault(draft_.undo      ? draft_.undo->call.at
            : draft_.no_undo ? *draft_.no_undo
                             : draft_.because->at,
            fmt::format("has an undo, but '{}' has no pivot and is undone by its own undos; take it out",
                        name));
    }
  }

  void wait() {
    const Position at = draft_.signal ? draft_.signal->at : draft_.timer->at;
    if (step_.kind == StepKind::pivot) {
      fault(at, "waits, which changes nothing, so it cannot be the pivot");
    }
    if (draft_.undo || draft_.no_undo || draft_.because) {
      fault(draft_.undo      ? draft_.undo->call.at
            : draft_.no_undo ? *draft_.no_undo
                             : draft_.because->at,
            "waits, which leaves nothing to undo; take the undo out");
    }
    if (draft_.timer) {
      within_bounds({draft_.timer->value.length, at}, kShortest, kLongestWait, what("wait"), faults_);
      step_.action = draft_.timer->value;
      return;
    }
    const SignalWait& signal = draft_.signal->value;
    if (signal.signal.empty() || signal.signal.size() > kMaxNameBytes) {
      fault(at,
            fmt::format("waits for a signal without a name; give it one of 1 to {} bytes", kMaxNameBytes));
    }
    if (signal.within) {
      within_bounds({*signal.within, at}, kShortest, kLongestWait, what("wait.within"), faults_);
    }
    if (step_.kind == StepKind::retriable && signal.within && signal.abort_when_over) {
      fault(at,
            "comes after the pivot, so it cannot abort when its signal does not come; write "
            "`else: continue`, or take `within` out");
    }
    step_.action = signal;
  }

  const StepDraft& draft_;
  StepIndex index_;
  Step& step_;
  std::span<const DefinitionPtr> known_;
  Faults& faults_;
  TextCompiler text_;
  RequestCompiler requests_;
  Sight before_;
};

}  // namespace

void complete_step(const StepDraft& draft, StepIndex index, Definition& into,
                   std::span<const DefinitionPtr> known, Faults& faults) {
  StepChecker(draft, index, into, known, faults).run();
}

}  // namespace flotilla::saga
