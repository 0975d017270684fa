#include <fmt/format.h>

#include "flotilla/json/writer.hpp"
#include "flotilla/saga/core/plan.hpp"
#include "flotilla/saga/core/render.hpp"

namespace flotilla::saga {
namespace {

using Found = std::optional<std::pair<Publication::Cause, StepIndex>>;

// What a record is the cause of publishing, if anything.
struct CauseOf {
  using Cause = Publication::Cause;
  Found operator()(const record::Accepted& /*r*/) const { return {{Cause::accepted, 0}}; }
  Found operator()(const record::StepDone& r) const { return {{Cause::done, r.step}}; }
  Found operator()(const record::StepRefused& r) const { return {{Cause::refused, r.step}}; }
  Found operator()(const record::StepUndone& r) const { return {{Cause::undone, r.step}}; }
  Found operator()(const record::Aborting& /*r*/) const { return {{Cause::aborting, 0}}; }
  Found operator()(const record::Suspended& /*r*/) const { return {{Cause::suspended, 0}}; }
  Found operator()(const record::Completed& /*r*/) const { return {{Cause::completed, 0}}; }
  Found operator()(const record::Compensated& /*r*/) const { return {{Cause::compensated, 0}}; }
  Found operator()(const record::Failed& /*r*/) const { return {{Cause::failed, 0}}; }
  Found operator()(const record::Rejected& /*r*/) const { return {{Cause::rejected, 0}}; }
  Found operator()(const record::Operator& r) const {
    if (r.verb != Verb::set_result) {
      return std::nullopt;
    }
    return {{r.op == Op::undo ? Cause::undone : Cause::done, r.step}};
  }
  Found operator()(const auto& /*r*/) const { return std::nullopt; }
};

// The texts by which the saga is found. A string as it is, a number or a flag as JSON writes it; anything
// else, what is too long, and an expression that fails give no attribute: a list is no place to fail a saga.
std::vector<std::pair<std::string, std::string>> attributes_of(const SagaState& state) {
  std::vector<std::pair<std::string, std::string>> found;
  if (state.definition->search.empty()) {
    return found;
  }
  const json::Value scope = scope_of(state);
  for (const auto& [name, expression] : state.definition->search) {
    const auto value = evaluate(expression, scope);
    if (!value || value->is_null() || value->is_array() || value->is_object()) {
      continue;
    }
    std::string text = value->is_string() ? std::string(value->as_string()) : json::write(*value);
    if (text.size() <= kMaxSearchText) {
      found.emplace_back(name, std::move(text));
    }
  }
  return found;
}

}  // namespace

void Plan::publish() {
  if (next_.definition->publish.empty()) {
    return;
  }
  const std::uint64_t first = next_.seq - records_.size() + 1;
  for (std::size_t i = 0; i < records_.size(); ++i) {
    if (const auto cause = std::visit(CauseOf{}, records_[i].body)) {
      publish_one(cause->first, cause->second, first + i);
    }
  }
}

void Plan::publish_one(Publication::Cause cause, StepIndex step, std::uint64_t seq) {
  std::size_t nth = 0;
  for (const Publication& publication : next_.definition->publish) {
    ++nth;
    if (publication.cause != cause || publication.step != step) {
      continue;
    }
    auto data = evaluate(publication.data, scope_of(next_));
    if (!data) {
      after.emplace_back(effect::Alert{
          .saga = next_.id, .kind = effect::Alert::Kind::publish_failed, .detail = data.error().message});
      continue;
    }
    events.push_back({.id = fmt::format("{}-{}-{}", next_.id.text(), seq, nth),
                      .topic = publication.topic,
                      .data = *std::move(data)});
  }
}

effect::Append Plan::append() const {
  effect::Append append{.saga = next_.id,
                        .expected = next_.seq - records_.size(),
                        .epoch = context_.epoch,
                        .time = context_.time,
                        .events = events};
  append.records.reserve(records_.size());
  for (const Record& record : records_) {
    append.records.push_back({.type = record.type(), .body = encode(record)});
  }
  const Definition& definition = *next_.definition;
  if (append.expected == 0) {
    append.claim_key = claim_key;
    append.claim_hash = claim_hash;
    append.locks = next_.locks;
    append.if_held = definition.locks.if_held;
  }
  append.definition = definition.hash.value();
  append.key = next_.key;
  append.correlation = next_.correlation;
  append.parent = next_.parent.saga;
  append.name = definition.name;
  append.search = attributes_of(next_);
  append.state = next_.suspended ? "suspended" : to_string(next_.phase);
  if (!context_.admitted && next_.phase == Phase::running && !next_.suspended) {
    append.state = "scheduled";
  }
  if (next_.suspended) {
    append.reason = to_string(next_.suspension.reason);
    append.step = definition.steps[next_.suspension.step].name;
  } else if (next_.abort.cause != Cause::none) {
    append.reason = to_string(next_.abort.cause);
    append.step = next_.abort.cause == Cause::step ? definition.steps[next_.abort.step].name : "";
  }
  if (!is_terminal(next_.phase)) {
    append.all_locks = next_.locks;
  } else {
    append.release_locks = true;
    append.keep = next_.phase == Phase::completed ? std::optional(definition.keep_completed)
                  : next_.phase == Phase::failed  ? std::nullopt
                                                  : std::optional(definition.keep_compensated);
  }
  return append;
}

}  // namespace flotilla::saga
