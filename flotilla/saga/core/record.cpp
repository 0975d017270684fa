#include "flotilla/saga/core/record.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "flotilla/saga/core/codec.hpp"
#include "flotilla/saga/core/codec_parts.hpp"

namespace flotilla::saga {
namespace {

constexpr std::uint32_t kExposedTag = 100;  // behind the fields of any body

constexpr std::array<std::string_view, kRecordTypes> kNames{
    "accepted",         "step-done",   "step-refused", "step-unknown", "aborting",
    "cancel-requested", "step-undone", "undo-blocked", "timer-set",    "timer-fired",
    "signal",           "suspended",   "resumed",      "operator",     "held",
    "completed",        "compensated", "failed",       "rejected"};
constexpr std::array<std::string_view, kVerbs> kVerbNames{"suspend", "resume", "retry", "set-result",
                                                          "forgive", "abort",  "fail",  "migrate"};

}  // namespace

template <class Fields>
void describe(Fields& fields, Exposure& exposure) {
  step_and_op(fields, 1, exposure.step, &exposure.op);
  fields(3, exposure.kind);
  fields.at_most(exposure.kind, Exposure::Kind::skip);
  RenderedRequest request;
  if (exposure.request) {
    request = *exposure.request;
  }
  fields(4, request);
  if (exposure.kind == Exposure::Kind::request || exposure.kind == Exposure::Kind::child) {
    exposure.request = std::make_shared<const RenderedRequest>(std::move(request));
  } else if (request != RenderedRequest{}) {
    fields.at_most(1, 0);  // a request where none belongs
  }
}
template <class Fields>
void describe(Fields& fields, record::Accepted& r) {
  fields(1, r.id);
  fields(2, r.definition);
  fields(3, r.input);
  fields(4, r.key);
  fields(5, r.parent);
  fields(6, r.locks);
  fields(7, r.deadline);
  fields(8, r.trace);
  fields(9, r.correlation);
}
template <class Fields>
void describe(Fields& fields, record::StepDone& r) {
  step_and_op(fields, 1, r.step);
  fields(2, r.status);
  fields(3, r.output);
  fields(4, r.attempts);
  fields(5, r.signal);
}
template <class Fields>
void describe(Fields& fields, record::StepRefused& r) {
  step_and_op(fields, 1, r.step);
  fields(2, r.status);
  fields(3, r.detail);
  fields(4, r.attempts);
}
template <class Fields>
void describe(Fields& fields, record::StepUnknown& r) {
  step_and_op(fields, 1, r.step);
  fields(2, r.detail);
  fields(3, r.attempts);
}
template <class Fields>
void describe(Fields& fields, record::Aborting& r) {
  fields(1, r.cause);
  fields.at_most(r.cause, Cause::parent);
  step_and_op(fields, 2, r.step);
  fields(3, r.status);
  fields(4, r.detail);
  fields(5, r.unsent);
}
template <class Fields>
void describe(Fields& fields, record::CancelRequested& r) {
  fields(1, r.who);
  fields(2, r.why);
}
template <class Fields>
void describe(Fields& fields, record::StepUndone& r) {
  step_and_op(fields, 1, r.step);
  fields(2, r.status);
  fields(3, r.null_undo);
  fields(4, r.attempts);
}
template <class Fields>
void describe(Fields& fields, record::UndoBlocked& r) {
  step_and_op(fields, 1, r.step);
  fields(2, r.status);
  fields(3, r.detail);
  fields(4, r.attempts);
}
template <class Fields>
void describe(Fields& fields, record::TimerSet& r) {
  fields(1, r.id);
  fields(2, r.due);
  fields(3, r.use);
  fields.at_most(r.use, TimerUse::wait);
  step_and_op(fields, 4, r.step, &r.op);
}
template <class Fields>
void describe(Fields& fields, record::TimerFired& r) {
  fields(1, r.id);
}
template <class Fields>
void describe(Fields& fields, record::Signal& r) {
  fields(1, r.id);
  fields(2, r.name);
  fields(3, r.payload);
}
template <class Fields>
void describe(Fields& fields, record::Suspended& r) {
  fields(1, r.reason);
  fields.at_most(r.reason, SuspendReason::operator_);
  step_and_op(fields, 2, r.step, &r.op);
  fields(4, r.detail);
}
template <class Fields>
void describe(Fields& fields, record::Resumed& r) {
  fields(1, r.by);
}
template <class Fields>
void describe(Fields& fields, record::Operator& r) {
  fields(1, r.verb);
  fields.at_most(r.verb, Verb::migrate);
  step_and_op(fields, 2, r.step, &r.op);
  fields(4, r.who);
  fields(5, r.why);
  fields(6, r.payload);
}
template <class Fields>
void describe(Fields& fields, record::Held& r) {
  fields(1, r.result);
}
template <class Fields>
void describe(Fields& fields, record::Completed& r) {
  fields(1, r.result);
}
template <class Fields>
void describe(Fields& /*fields*/, record::Compensated& /*r*/) {}
template <class Fields>
void describe(Fields& fields, record::Failed& r) {
  fields(1, r.residue);
}
template <class Fields>
void describe(Fields& fields, record::Rejected& r) {
  fields(1, r.cause);
  fields.at_most(r.cause, Cause::parent);
  fields(2, r.detail);
}

namespace {

// An empty body of the type; the type must be known.
template <std::size_t Index = 0>
RecordBody empty_body(std::size_t index) {
  if constexpr (Index + 1 < kRecordTypes) {
    if (index != Index) {
      return empty_body<Index + 1>(index);
    }
  }
  return RecordBody(std::in_place_index<Index>);
}

}  // namespace

std::string_view record_name(std::uint16_t type) noexcept { return kNames[type - 1U]; }

std::string encode(const Record& record) {
  std::string out;
  FieldWriter fields(out);
  std::visit(
      [&](const auto& body) { describe(fields, const_cast<std::decay_t<decltype(body)>&>(body)); },  // NOLINT
      record.body);
  fields(kExposedTag, record.exposed);
  return out;
}

Result<Record> decode(std::uint16_t type, std::string_view bytes) {
  if (type == 0 || type > kRecordTypes) {
    return fail(Errc::unsupported,
                fmt::format("a saga's record of type {}; this version of Flotilla knows 1 to {}", type,
                            kRecordTypes));
  }
  Record record{.body = empty_body(type - 1U), .exposed = {}};
  FieldReader fields(bytes);
  std::visit([&](auto& body) { describe(fields, body); }, record.body);
  fields(kExposedTag, record.exposed);
  if (const auto wrong = fields.finish()) {
    return fail(Errc::invalid, fmt::format("a {} record is damaged: {}", record_name(type), *wrong));
  }
  return record;
}

std::string_view to_string(Cause cause) noexcept {
  constexpr std::array<std::string_view, 6> names{"", "step", "deadline", "cancel", "operator", "parent"};
  return names[static_cast<std::size_t>(cause)];
}

std::string_view to_string(SuspendReason reason) noexcept {
  constexpr std::array<std::string_view, 10> names{"",
                                                   "config",
                                                   "pivot-unknown",
                                                   "step-unknown",
                                                   "undo-blocked",
                                                   "step-refused",
                                                   "cannot-render",
                                                   "output-too-large",
                                                   "too-long",
                                                   "operator"};
  return names[static_cast<std::size_t>(reason)];
}

std::string_view to_string(Verb verb) noexcept { return kVerbNames[static_cast<std::size_t>(verb)]; }

std::optional<Verb> parse_verb(std::string_view text) noexcept {
  const auto found = std::ranges::find(kVerbNames, text);
  if (found == kVerbNames.end()) {
    return std::nullopt;
  }
  return static_cast<Verb>(found - kVerbNames.begin());
}

}  // namespace flotilla::saga
