// Reading what definition_json.cpp wrote.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/saga/core/definition_check.hpp"
#include "flotilla/saga/core/definition_json.hpp"

namespace flotilla::saga {
namespace {

using json::Value;

// One object, member by member; whatever is left at its end is an error. The first error wins.
class Members {
 public:
  Members(const Value& object, std::string where, std::optional<Error>& error)
      : object_(object), where_(std::move(where)), error_(error) {
    if (!object.is_object()) {
      wrong("", "an object");
    }
  }
  ~Members() {
    for (const json::Member& member : object_.members()) {
      if (std::ranges::find(taken_, member.key()) == taken_.end()) {
        wrong(member.key(), "absent: a newer build may have written it");
      }
    }
  }
  Members(const Members&) = delete;
  Members& operator=(const Members&) = delete;

  const Value* take(std::string_view key) {
    taken_.push_back(key);
    return object_.find(key);
  }
  void wrong(std::string_view key, std::string_view form) {
    if (!error_) {
      error_ = Error{Errc::invalid, fmt::format("a stored definition: {}{}{} must be {}", where_,
                                                where_.empty() || key.empty() ? "" : ".", key, form)};
    }
  }
  [[nodiscard]] std::string below(std::string_view key) const {
    return where_.empty() ? std::string(key) : fmt::format("{}.{}", where_, key);
  }
  [[nodiscard]] std::optional<Error>& error() const { return error_; }

  std::optional<std::string> text(std::string_view key) {
    const Value* const value = take(key);
    if (value == nullptr) {
      return std::nullopt;
    }
    if (!value->is_string()) {
      wrong(key, "a string");
      return std::nullopt;
    }
    return std::string(value->as_string());
  }
  std::string required_text(std::string_view key) {
    auto value = text(key);
    if (!value) {
      wrong(key, "a string");
    }
    return value.value_or("");
  }
  std::optional<WrittenText> written(std::string_view key) {
    auto value = text(key);
    return value ? std::optional(WrittenText{*std::move(value)}) : std::nullopt;
  }
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t most = INT64_MAX) {
    const Value* const value = take(key);
    if (value == nullptr) {
      return std::nullopt;
    }
    const auto number = value->as_int();
    if (!number || *number < 0 || *number > most) {
      wrong(key, fmt::format("a whole number, at most {}", most));
      return std::nullopt;
    }
    return number;
  }
  std::optional<Duration> duration(std::string_view key) {
    const auto count = integer(key);
    return count ? std::optional(Duration(*count)) : std::nullopt;
  }
  std::optional<Written<Duration>> written_duration(std::string_view key) {
    const auto value = duration(key);
    return value ? std::optional(Written<Duration>{*value}) : std::nullopt;
  }
  bool flag(std::string_view key) {
    const Value* const value = take(key);
    if (value != nullptr && !(value->is_bool() && value->as_bool())) {
      wrong(key, "true or absent");
    }
    return value != nullptr;
  }
  std::optional<Written<bool>> written_flag(std::string_view key) {
    return flag(key) ? std::optional(Written<bool>{true}) : std::nullopt;
  }
  std::span<const Value> list(std::string_view key) {
    const Value* const value = take(key);
    if (value != nullptr && !value->is_array()) {
      wrong(key, "a list");
    }
    return value == nullptr ? std::span<const Value>() : value->items();
  }

 private:
  const Value& object_;
  std::string where_;
  std::optional<Error>& error_;
  std::vector<std::string_view> taken_;
};

RetryDraft parse_retry(const Value& value, const std::string& where, std::optional<Error>& error) {
  Members members(value, where, error);
  RetryDraft draft;
  if (const auto attempts = members.integer("attempts", kMostAttempts)) {
    draft.attempts = static_cast<std::uint32_t>(*attempts);
  }
  draft.within = members.duration("within_ns");
  draft.first = members.duration("first_ns");
  draft.cap = members.duration("cap_ns");
  if (const Value* const factor = members.take("factor")) {
    draft.factor = factor->as_double();
    if (!draft.factor) {
      members.wrong("factor", "a number");
    }
  }
  return draft;
}

std::optional<RequestDraft> parse_request(Members& of, std::string_view key) {
  const Value* const value = of.take(key);
  if (value == nullptr) {
    return std::nullopt;
  }
  Members members(*value, of.below(key), of.error());
  RequestDraft draft{.call = {members.required_text("call")}};
  draft.timeout = members.written_duration("timeout_ns");
  if (const Value* const retry = members.take("retry")) {
    draft.retry = {parse_retry(*retry, members.below("retry"), of.error())};
  }
  if (const Value* const body = members.take("body")) {
    Members kinds(*body, members.below("body"), of.error());
    draft.body.emplace();
    if (auto expression = kinds.text("expression")) {
      draft.body->value = *std::move(expression);
    } else if (const Value* const literal = kinds.take("value")) {
      draft.body->value = *literal;
    } else {
      kinds.wrong("", "an expression or a value");
    }
  }
  if (const Value* const headers = members.take("headers")) {
    Members names(*headers, members.below("headers"), of.error());
    for (const json::Member& header : headers->members()) {
      draft.headers.emplace_back(header.key(), WrittenText{names.required_text(header.key())});
    }
  }
  return draft;
}

void parse_action(Members& members, StepDraft& draft) {
  draft.action = parse_request(members, "action");
  if (const Value* const saga = members.take("saga")) {
    Members nested(*saga, members.below("saga"), members.error());
    draft.saga.emplace(NestedDraft{.name = {nested.required_text("name")},
                                   .input = WrittenText{nested.required_text("input")},
                                   .hash = DefinitionHash(nested.required_text("hash")),
                                   .has_pivot = nested.flag("has_pivot")});
    if (draft.saga->hash.value().empty()) {
      nested.wrong("hash", "the hash of a definition");
    }
  }
  if (const Value* const signal = members.take("signal")) {
    Members wait(*signal, members.below("signal"), members.error());
    draft.signal.emplace(Written<SignalWait>{{.signal = wait.required_text("name"),
                                              .within = wait.duration("within_ns"),
                                              .abort_when_over = !wait.flag("continue")}});
  }
  if (const auto timer = members.duration("timer_ns")) {
    draft.timer.emplace(Written<TimerWait>{{*timer}});
  }
}

void parse_outcomes(Members& members, StepDraft& draft) {
  const Value* const value = members.take("outcomes");
  if (value == nullptr) {
    return;
  }
  Members outcomes(*value, members.below("outcomes"), members.error());
  for (const json::Member& outcome : value->members()) {
    const auto status = parse_int<std::uint16_t>(outcome.key());
    const auto verdict = parse_verdict(outcomes.required_text(outcome.key()));
    if (!status || !verdict) {
      outcomes.wrong(outcome.key(), "a verdict for a status");
      return;
    }
    draft.outcomes.push_back({{*status, *verdict}});
  }
}

StepDraft parse_step(const Value& value, const std::string& where, std::optional<Error>& error) {
  Members members(value, where, error);
  StepDraft draft{.name = {members.required_text("name")}};
  const std::string kind = members.required_text("kind");
  for (const StepKind k : {StepKind::compensatable, StepKind::pivot, StepKind::retriable}) {
    if (kind == to_string(k)) {
      draft.kind.value = k;
    }
  }
  if (kind != to_string(draft.kind.value)) {
    members.wrong("kind", "compensatable, pivot or retriable");
  }
  draft.after.emplace();
  for (const Value& name : members.list("after")) {
    if (!name.is_string()) {
      members.wrong("after", "a list of names");
      break;
    }
    draft.after->push_back({std::string(name.as_string())});
  }
  parse_action(members, draft);
  draft.undo = parse_request(members, "undo");
  draft.because = members.written("no_undo_because");
  if (draft.because) {
    draft.no_undo.emplace();
  }
  draft.status = parse_request(members, "status");
  draft.when = members.written("when");
  if (const auto unknown = members.text("on_unknown")) {
    draft.abort_when_unknown = {*unknown == "abort"};
    if (*unknown != "abort" && *unknown != "suspend") {
      members.wrong("on_unknown", "abort or suspend");
    }
  }
  parse_outcomes(members, draft);
  draft.accept_202 = members.written_flag("accept_202");
  draft.undo_404_ok = members.written_flag("undo_404_ok");
  draft.replays_answers = members.written_flag("replays_answers");
  draft.barrier = members.written_flag("barrier");
  if (const Value* const schema = members.take("output_schema")) {
    draft.output_schema = {*schema};
  }
  return draft;
}

void parse_locks(Members& of, SagaDraft& draft) {
  const Value* const value = of.take("locks");
  if (value == nullptr) {
    return;
  }
  Members members(*value, "locks", of.error());
  for (const Value& key : members.list("keys")) {
    if (!key.is_string()) {
      members.wrong("keys", "a list of templates");
      break;
    }
    draft.locks.keys.push_back({std::string(key.as_string())});
  }
  draft.locks.when = members.written("when");
  if (members.flag("reject")) {
    draft.locks.if_held = Locks::IfHeld::reject;
  }
  if (const auto wait = members.duration("wait_ns")) {
    draft.locks.if_held = Locks::IfHeld::wait;
    draft.locks.wait = {*wait};
  }
}

SagaDraft parse_saga(const Value& value, std::optional<Error>& error) {
  Members members(value, "", error);
  (void)members.take("format");
  SagaDraft draft{.name = {members.required_text("name")}};
  draft.version = static_cast<std::uint32_t>(members.integer("version", UINT32_MAX).value_or(0));
  std::size_t index = 0;
  for (const Value& step : members.list("steps")) {
    draft.steps.push_back(parse_step(step, fmt::format("steps[{}]", index++), error));
  }
  draft.keep_completed = members.written_duration("keep_completed_ns");
  draft.keep_compensated = members.written_duration("keep_compensated_ns");
  if (const Value* const schema = members.take("input_schema")) {
    draft.input_schema = {*schema};
  }
  draft.deadline = members.written_duration("deadline_ns");
  parse_locks(members, draft);
  index = 0;
  for (const Value& item : members.list("publish")) {
    Members publication(item, fmt::format("publish[{}]", index++), error);
    draft.publish.push_back({.cause = {publication.required_text("at")},
                             .topic = {publication.required_text("topic")},
                             .data = WrittenText{publication.required_text("data")}});
  }
  draft.result = members.written("result");
  draft.require_key = members.flag("require_key");
  if (const Value* const search = members.take("search")) {
    Members names(*search, "search", error);
    for (const json::Member& attribute : search->members()) {
      draft.search.emplace_back(WrittenText{std::string(attribute.key())},
                                WrittenText{names.required_text(attribute.key())});
    }
  }
  for (const Value& path : members.list("redact")) {
    if (!path.is_string()) {
      members.wrong("redact", "a list of paths");
      break;
    }
    draft.redact.push_back({std::string(path.as_string())});
  }
  draft.drain_on_failure = members.flag("drain_on_failure");
  draft.independent_undo = members.flag("independent_undo");
  draft.fail_when_blocked = members.flag("fail_when_blocked");
  return draft;
}

}  // namespace

Result<SagaDraft> parse_draft(std::string_view json) {
  auto value = json::parse(json, {.size = kMaxDefinitionBytes});
  if (!value) {
    return fail(value.error().code, fmt::format("a stored definition: {}", value.error().message));
  }
  if ((*value)["format"].as_int() != kDefinitionFormat) {
    return fail(Errc::unsupported,
                fmt::format("a stored definition has the format {}, this build reads {}; run the build that "
                            "wrote it",
                            (*value)["format"].as_int().value_or(0), kDefinitionFormat));
  }
  std::optional<Error> error;
  SagaDraft draft = parse_saga(*value, error);
  if (error) {
    return std::unexpected(*std::move(error));
  }
  return draft;
}

Result<DefinitionPtr> parse_definition(std::string_view json) {
  const auto draft = parse_draft(json);
  if (!draft) {
    return std::unexpected(draft.error());
  }
  auto checked = check_definition(*draft);
  if (!checked) {
    return fail(Errc::invalid, fmt::format("the stored definition of saga '{}': {}", draft->name.value,
                                           checked.error().front().message));
  }
  if (checked->definition->canonical != json) {
    return fail(Errc::invalid, fmt::format("the stored definition of saga '{}' is not in its canonical form; "
                                           "it was changed, or a newer build wrote it",
                                           draft->name.value));
  }
  return std::move(checked->definition);
}

}  // namespace flotilla::saga
