#include "flotilla/saga/core/definition_check.hpp"

#include <algorithm>
#include <array>

#include "flotilla/base/sha256.hpp"
#include "flotilla/json/canonical.hpp"
#include "flotilla/saga/core/definition_faults.hpp"
#include "flotilla/saga/core/definition_graph.hpp"
#include "flotilla/saga/core/definition_json.hpp"
#include "flotilla/saga/core/definition_request.hpp"
#include "flotilla/saga/core/definition_step.hpp"
#include "flotilla/saga/core/definition_text.hpp"

namespace flotilla::saga {
namespace {

bool is_letter(char c) noexcept { return ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z'; }

// Goes unquoted into paths, headers, keys and, mostly, expressions.
bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && (is_letter(name.front()) || name.front() == '_') &&
         std::ranges::all_of(name,
                             [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; });
}

constexpr std::string_view kNameRule =
    "a name is letters, digits, '_' and '-', at most 64, and begins with a letter or '_'";

class Checker {
 public:
  Checker(const SagaDraft& draft, std::span<const DefinitionPtr> known)
      : draft_(draft), known_(known), text_(saga_, faults_) {}

  std::expected<Checked, std::vector<Fault>> run() {
    names();
    if (faults_.empty()) {
      link_steps(draft_.steps, saga_, faults_);
    }
    if (faults_.empty()) {
      for (const StepIndex i : step_indices(draft_.steps.size())) {
        complete_step(draft_.steps[i], i, saga_, known_, faults_);
      }
      input_and_times();
      locks();
      publications();
      search();
      redactions();
      if (draft_.result) {
        saga_.result = text_.expression(*draft_.result, "result", {.steps = all_steps()});
      }
    }
    if (faults_.empty()) {
      name_content();
    }
    if (!faults_.empty()) {
      return std::unexpected(faults_.take());
    }
    return Checked{std::make_shared<const Definition>(std::move(saga_)), faults_.take_warnings()};
  }

 private:
  void names() {
    saga_.name = draft_.name.value;
    saga_.version = draft_.version;
    if (!is_name(saga_.name)) {
      faults_.add(draft_.name.at,
                  fmt::format("'{}' cannot be the name of a saga: {}", saga_.name, kNameRule));
    }
    if (draft_.steps.empty() || draft_.steps.size() > kMaxSteps) {
      faults_.add(draft_.name.at,
                  fmt::format("saga '{}' has {} steps; 1 to {} are taken: move some into a saga "
                              "of their own",
                              saga_.name, draft_.steps.size(), kMaxSteps));
      return;
    }
    for (const StepDraft& draft : draft_.steps) {
      const std::string& name = draft.name.value;
      if (!is_name(name)) {
        faults_.add(draft.name.at, fmt::format("'{}' cannot be the name of a step: {}", name, kNameRule));
      } else if (saga_.find(name)) {
        faults_.add(draft.name.at, fmt::format("there are two steps named '{}'; rename one", name));
      }
      Step step;
      step.name = name;
      step.kind = draft.kind.value;
      saga_.steps.push_back(std::move(step));
    }
  }

  void input_and_times() {
    saga_.input_schema = json::canonical(draft_.input_schema.value);
    if (!saga_.input_schema.is_null()) {
      if (auto schema = json::Schema::compile(saga_.input_schema)) {
        saga_.input = *std::move(schema);
      } else {
        faults_.add(draft_.input_schema.at,
                    fmt::format("the schema of the input: {}", schema.error().message));
      }
    }
    if (draft_.deadline) {
      within_bounds(*draft_.deadline, kShortest, kLongestWait, "deadline", faults_);
      saga_.deadline = draft_.deadline->value;
    }
    saga_.require_key = draft_.require_key;
    saga_.drain_on_failure = draft_.drain_on_failure;
    saga_.independent_undo = draft_.independent_undo;
    saga_.fail_when_blocked = draft_.fail_when_blocked;
    saga_.keep_completed = kept(draft_.keep_completed, kKeepCompleted, "retention.completed");
    saga_.keep_compensated = kept(draft_.keep_compensated, kKeepCompensated, "retention.compensated");
  }

  Duration kept(const std::optional<Written<Duration>>& written, Duration otherwise, std::string_view what) {
    if (!written) {
      return otherwise;
    }
    within_bounds(*written, std::chrono::minutes(1), kLongestKeeping, what, faults_);
    return written->value;
  }

  // Claimed when the saga is accepted, so no step has run.
  void locks() {
    if (draft_.locks.keys.size() > kMaxLocks) {
      faults_.add(draft_.locks.keys[kMaxLocks].at,
                  fmt::format("{} locks; at most {} are taken", draft_.locks.keys.size(), kMaxLocks));
      return;
    }
    for (const WrittenText& key : draft_.locks.keys) {
      if (key.value.empty()) {
        faults_.add(key.at, "a lock without a name; write one, as in \"order:{.input.order_id}\"");
      } else if (auto text = text_.text(key, "lock", {})) {
        saga_.locks.keys.push_back(*std::move(text));
      }
    }
    if (draft_.locks.when) {
      saga_.locks.when = text_.expression(*draft_.locks.when, "when of locks", {});
    }
    saga_.locks.if_held = draft_.locks.if_held;
    if (saga_.locks.if_held == Locks::IfHeld::wait) {
      within_bounds(draft_.locks.wait, kShortest, kLongestWait, "if_held", faults_);
      saga_.locks.wait = draft_.locks.wait.value;
    }
  }

  // Evaluated from the input alone, so that a saga is found from its acceptance on.
  void search() {
    if (draft_.search.size() > kMaxSearched) {
      faults_.add(draft_.search[kMaxSearched].first.at,
                  fmt::format("{} attributes to search by; at most {} are taken", draft_.search.size(),
                              kMaxSearched));
      return;
    }
    for (const auto& [name, text] : draft_.search) {
      if (!is_name(name.value)) {
        faults_.add(name.at,
                    fmt::format("'{}' cannot be an attribute to search by: {}", name.value, kNameRule));
      } else if (std::ranges::find(saga_.search, name.value, [](const auto& s) { return s.first; }) !=
                 saga_.search.end()) {
        faults_.add(name.at, fmt::format("'{}' stands twice in `search`; keep one", name.value));
      } else if (auto expression = text_.expression(text, fmt::format("search '{}'", name.value), {})) {
        saga_.search.emplace_back(name.value, *std::move(expression));
      }
    }
    std::ranges::sort(saga_.search, {}, [](const auto& s) { return s.first; });  // as canonical JSON has them
  }

  void redactions() {
    if (draft_.redact.size() > kMaxRedactions) {
      faults_.add(draft_.redact[kMaxRedactions].at,
                  fmt::format("{} redactions; at most {} are taken", draft_.redact.size(), kMaxRedactions));
      return;
    }
    for (const WrittenText& path : draft_.redact) {
      auto redaction = read_redaction(path.value);
      if (redaction) {
        saga_.redact.push_back(*std::move(redaction));
      } else {
        faults_.add(path.at, fmt::format("'{}' is no path to redact; write .input.NAME, .steps.STEP.NAME or "
                                         ".result.NAME, with more names below if need be",
                                         path.value));
      }
    }
  }

  [[nodiscard]] std::optional<Redaction> read_redaction(std::string_view text) const {
    std::vector<std::string> names;
    std::string_view rest = text;
    while (rest.starts_with('.')) {
      rest.remove_prefix(1);
      const std::size_t end = std::min(rest.find('.'), rest.size());
      names.emplace_back(rest.substr(0, end));
      rest.remove_prefix(end);
    }
    const bool named = std::ranges::none_of(names, [](const auto& name) { return name.empty(); });
    if (!rest.empty() || names.empty() || !named) {
      return std::nullopt;
    }
    Redaction redaction{.text = std::string(text)};
    std::size_t root = 1;
    if (names[0] == "steps") {
      const auto step = names.size() > 1 ? saga_.find(names[1]) : std::nullopt;
      if (!step) {
        return std::nullopt;
      }
      redaction.of = Redaction::Of::step;
      redaction.step = *step;
      root = 2;
    } else if (names[0] == "result") {
      redaction.of = Redaction::Of::result;
    } else if (names[0] != "input") {
      return std::nullopt;
    }
    redaction.members.assign(names.begin() + static_cast<std::ptrdiff_t>(root), names.end());
    return redaction;
  }

  void publications() {
    if (draft_.publish.size() > kMaxPublications) {
      faults_.add(
          draft_.publish[kMaxPublications].cause.at,
          fmt::format("{} publications; at most {} are taken", draft_.publish.size(), kMaxPublications));
      return;
    }
    for (const PublicationDraft& draft : draft_.publish) {
      publication(draft);
    }
  }

  void publication(const PublicationDraft& draft) {
    const std::string_view written = draft.cause.value;
    const std::size_t dot = std::min(written.find('.'), written.size());
    const auto cause = find_cause(written.substr(0, dot));
    const std::string_view step_name = written.substr(std::min(dot + 1, written.size()));
    if (!cause) {
      std::array<std::string_view, Publication::kCauses> known{};
      for (std::size_t i = 0; i < known.size(); ++i) {
        known[i] = to_string(static_cast<Publication::Cause>(i));
      }
      faults_.add(draft.cause.at, fmt::format("nothing is published at '{}'; known are accepted, done.STEP, "
                                              "refused.STEP, undone.STEP, aborting, suspended, completed, "
                                              "compensated, failed, rejected{}",
                                              written, hint(written.substr(0, dot), known)));
      return;
    }
    const bool of_step = *cause == Publication::Cause::done || *cause == Publication::Cause::refused ||
                         *cause == Publication::Cause::undone;
    const auto step = saga_.find(step_name);
    if (of_step != (dot < written.size()) || (of_step && !step)) {
      std::vector<std::string_view> names;
      for (const Step& s : saga_.steps) {
        names.emplace_back(s.name);
      }
      faults_.add(draft.cause.at,
                  of_step ? fmt::format("'{}' names no step of this saga; write {}.STEP{}", written,
                                        to_string(*cause), hint(step_name, names))
                          : fmt::format("'{}' is of the whole saga; write {}", written, to_string(*cause)));
      return;
    }
    if (draft.topic.value.empty() || draft.topic.value.size() > kMaxNameBytes ||
        std::ranges::any_of(draft.topic.value, [](char c) {
          return !is_letter(c) && !is_digit(c) && !std::string_view("._-").contains(c);
        })) {
      faults_.add(
          draft.topic.at,
          fmt::format("'{}' cannot be the name of a topic: it is letters, digits, '.', '_' and '-', at "
                      "most {}",
                      draft.topic.value, kMaxNameBytes));
      return;
    }
    const WrittenText input{".input", draft.cause.at};
    const StepIndex index = step.value_or(0);
    auto data = text_.expression(draft.data ? *draft.data : input,
                                 fmt::format("what is published at {}", written), sight_of(*cause, index));
    if (data) {
      saga_.publish.push_back({*cause, index, draft.topic.value, *std::move(data)});
    }
  }

  static std::optional<Publication::Cause> find_cause(std::string_view name) {
    for (std::size_t i = 0; i < Publication::kCauses; ++i) {
      if (to_string(static_cast<Publication::Cause>(i)) == name) {
        return static_cast<Publication::Cause>(i);
      }
    }
    return std::nullopt;
  }

  // From an abort on any step may have an answer or none, so its reader must expect null.
  [[nodiscard]] Sight sight_of(Publication::Cause cause, StepIndex step) const {
    const StepSet before = saga_.steps[step].ancestors;
    switch (cause) {
      case Publication::Cause::accepted:
      case Publication::Cause::rejected:
        return {};
      case Publication::Cause::done: {
        StepSet with_own = before;
        with_own.set(step);
        return {.steps = with_own};
      }
      case Publication::Cause::refused:
        return {.steps = before, .cause = true};
      case Publication::Cause::completed:
        return {.steps = all_steps()};
      case Publication::Cause::undone:
      case Publication::Cause::aborting:
      case Publication::Cause::suspended:
      case Publication::Cause::compensated:
      case Publication::Cause::failed:
        break;
    }
    return {.steps = all_steps(), .cause = true};
  }

  [[nodiscard]] StepSet all_steps() const {
    StepSet all;
    for (std::size_t i = 0; i < saga_.steps.size(); ++i) {
      all.set(i);
    }
    return all;
  }

  void name_content() {
    saga_.canonical = canonical_json(saga_);
    if (saga_.canonical.size() > kMaxDefinitionBytes) {
      faults_.add(draft_.name.at,
                  fmt::format("saga '{}' takes {} bytes; at most {} are taken: shorten literal "
                              "bodies or the input's schema",
                              saga_.name, saga_.canonical.size(), kMaxDefinitionBytes));
    }
    saga_.hash = DefinitionHash(to_hex(sha256(saga_.canonical)));
  }

  const SagaDraft& draft_;
  std::span<const DefinitionPtr> known_;
  Definition saga_;
  Faults faults_;
  TextCompiler text_;
};

// Checks each draft after those it nests, depth first.
class SetChecker {
 public:
  explicit SetChecker(std::span<const SagaDraft> drafts) : drafts_(drafts), states_(drafts.size()) {}

  std::expected<CheckedSet, std::vector<Fault>> run() {
    for (std::size_t i = 0; i < drafts_.size(); ++i) {
      if (find(drafts_[i].name.value) != i) {
        fault(drafts_[i].name.at,
              fmt::format("there are two sagas named '{}'; rename one", drafts_[i].name.value));
      } else {
        visit(i);
      }
    }
    if (!faults_.empty()) {
      return std::unexpected(std::move(faults_));
    }
    CheckedSet set;
    for (State& state : states_) {
      set.definitions.push_back(std::move(state.checked.definition));
      std::ranges::move(state.checked.warnings, std::back_inserter(set.warnings));
    }
    return set;
  }

 private:
  struct State {
    enum class Mark : std::uint8_t { fresh, open, closed } mark = Mark::fresh;
    std::size_t levels = 1;  // of nesting, itself included
    Checked checked;
  };

  void fault(Position at, std::string message) {
    if (faults_.size() < kMaxFaults) {
      faults_.push_back({at, std::move(message)});
    }
  }

  [[nodiscard]] std::size_t find(std::string_view name) const {
    const auto found = std::ranges::find(drafts_, name, [](const SagaDraft& d) { return d.name.value; });
    return static_cast<std::size_t>(found - drafts_.begin());
  }

  [[nodiscard]] std::vector<std::string_view> names() const {
    std::vector<std::string_view> all;
    for (const SagaDraft& draft : drafts_) {
      all.emplace_back(draft.name.value);
    }
    return all;
  }

  // Recursion is bounded by kMaxNesting. False if `i` lies on a circle or is nested too deeply.
  bool visit(std::size_t i, std::size_t depth = 1) {
    State& state = states_[i];
    if (state.mark == State::Mark::closed) {
      return depth + state.levels - 1 <= kMaxNesting;
    }
    if (state.mark == State::Mark::open || depth > kMaxNesting) {
      return false;
    }
    state.mark = State::Mark::open;
    bool good = true;
    for (const StepDraft& step : drafts_[i].steps) {
      if (!step.saga || step.action) {  // both: a fault of its own
        continue;
      }
      const std::size_t child = find(step.saga->name.value);
      if (child == drafts_.size()) {
        fault(step.saga->name.at,
              fmt::format("step '{}' runs the saga '{}', which is not defined{}", step.name.value,
                          step.saga->name.value, hint(step.saga->name.value, names())));
        good = false;
        continue;
      }
      if (!visit(child, depth + 1)) {
        fault(step.saga->name.at,
              fmt::format("step '{}' runs '{}' within itself, or more than {} sagas deep; break the chain",
                          step.name.value, step.saga->name.value, kMaxNesting));
        good = false;
      }
      state.levels = std::max(state.levels, states_[child].levels + 1);
    }
    state.mark = State::Mark::closed;
    if (good) {
      check(i);
    }
    return true;
  }

  void check(std::size_t i) {
    std::vector<DefinitionPtr> known;
    for (const State& state : states_) {
      if (state.checked.definition) {
        known.push_back(state.checked.definition);
      }
    }
    for (const StepDraft& step : drafts_[i].steps) {
      const std::size_t child = step.saga ? find(step.saga->name.value) : drafts_.size();
      if (child < drafts_.size() && !states_[child].checked.definition) {
        return;  // its own faults come first
      }
    }
    auto checked = check_definition(drafts_[i], known);
    if (checked) {
      states_[i].checked = *std::move(checked);
      return;
    }
    for (Fault& f : checked.error()) {
      fault(f.at, std::move(f.message));
    }
  }

  std::span<const SagaDraft> drafts_;
  std::vector<State> states_;
  std::vector<Fault> faults_;
};

}  // namespace

std::expected<Checked, std::vector<Fault>> check_definition(const SagaDraft& draft,
                                                            std::span<const DefinitionPtr> known) {
  return Checker(draft, known).run();
}

std::expected<CheckedSet, std::vector<Fault>> check_definitions(std::span<const SagaDraft> drafts) {
  return SetChecker(drafts).run();
}

}  // namespace flotilla::saga
