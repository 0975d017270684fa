#include "flotilla/saga/core/report.hpp"

#include <algorithm>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/saga/core/redact.hpp"

namespace flotilla::saga {
namespace {

json::Value time_of(Millis64 millis) { return iso_time({millis * 1'000'000}); }

// A status of 0 stands for none, an empty text likewise.
void set_if(json::Value& object, std::string_view key, std::uint64_t number) {
  if (number != 0) {
    object.set(key, number);
  }
}
void set_if(json::Value& object, std::string_view key, std::string_view text) {
  if (!text.empty()) {
    object.set(key, text);
  }
}

json::Value cause_of(const SagaState& state) {
  json::Value cause = json::Value::object();
  if (state.abort.cause == Cause::step) {
    cause.set("step", state.definition->steps[state.abort.step].name);
  }
  cause.set("reason", to_string(state.abort.cause));
  set_if(cause, "status", state.abort.status);
  set_if(cause, "detail", state.abort.detail);
  return cause;
}

json::Value suspension_of(const SagaState& state) {
  json::Value suspension = json::Value::object({{"reason", to_string(state.suspension.reason)},
                                                {"from", to_string(state.phase)},
                                                {"step", state.definition->steps[state.suspension.step].name},
                                                {"op", to_string(state.suspension.op)}});
  set_if(suspension, "detail", state.suspension.detail);
  return suspension;
}

json::Value steps_of(const SagaState& state) {
  json::Value steps = json::Value::array();
  steps.reserve(state.steps.size());
  for (std::size_t i = 0; i < state.steps.size(); ++i) {
    const StepState& step = state.steps[i];
    const Step& defined = state.definition->steps[i];
    json::Value shown = json::Value::object({{"name", defined.name},
                                             {"kind", to_string(defined.kind)},
                                             {"state", to_string(step.at)},
                                             {"attempts", step.attempts}});
    set_if(shown, "status", step.status);
    if (!step.output.is_null()) {
      shown.set("output", redacted_output(*state.definition, static_cast<StepIndex>(i), step.output));
    }
    steps.push_back(std::move(shown));
  }
  return steps;
}

// What a record says, member by member. Texts that hold JSON are shown as JSON.
class Shown {
 public:
  Shown(json::Value& out, const Definition& definition) : out_(out), definition_(definition) {}

  void operator()(const record::Accepted& r) {
    put("definition", r.definition);
    put_json("input", r.input,
             [&](const json::Value& input) { return redacted(definition_, Redaction::Of::input, input); });
    put("correlation", r.correlation);
    if (!r.parent.is_none()) {
      out_.set("parent", r.parent.saga.text());
    }
    for (const std::string& lock : r.locks) {
      locks_.push_back(lock);
    }
    if (!r.locks.empty()) {
      out_.set("locks", locks_);
    }
    if (r.deadline != 0) {
      out_.set("deadline", time_of(r.deadline));
    }
  }
  void operator()(const record::StepDone& r) {
    step(r.step, r.status, r.attempts);
    put_json("output", r.output,
             [&](const json::Value& output) { return redacted_output(definition_, r.step, output); });
    put("signal", r.signal);
  }
  void operator()(const record::StepRefused& r) { step(r.step, r.status, r.attempts, r.detail); }
  void operator()(const record::StepUnknown& r) { step(r.step, 0, r.attempts, r.detail); }
  void operator()(const record::Aborting& r) {
    if (r.cause == Cause::step) {
      step(r.step, r.status, 0);
    }
    put("reason", to_string(r.cause));
    put("detail", r.detail);
    steps("unsent", r.unsent);
  }
  void operator()(const record::CancelRequested& r) { person(r.who, r.why); }
  void operator()(const record::StepUndone& r) {
    step(r.step, r.status, r.attempts);
    if (r.null_undo) {
      out_.set("null_undo", true);
    }
  }
  void operator()(const record::UndoBlocked& r) { step(r.step, r.status, r.attempts, r.detail); }
  void operator()(const record::TimerSet& r) {
    step(r.step, 0, 0);
    out_.set("timer", r.id);
    out_.set("due", time_of(r.due));
  }
  void operator()(const record::TimerFired& r) { out_.set("timer", r.id); }
  void operator()(const record::Signal& r) {
    put("name", r.name);
    put("signal", r.id);
    put_json("payload", r.payload, [&](const json::Value& payload) { return as_answer(r.name, payload); });
  }
  void operator()(const record::Suspended& r) {
    step(r.step, 0, 0);
    put("op", to_string(r.op));
    put("reason", to_string(r.reason));
    put("detail", r.detail);
  }
  void operator()(const record::Resumed& r) { put("who", r.by); }
  void operator()(const record::Operator& r) {
    put("verb", to_string(r.verb));
    step(r.step, 0, 0);
    person(r.who, r.why);
    if (r.verb == Verb::set_result) {
      put_json("payload", r.payload,
               [&](const json::Value& output) { return redacted_output(definition_, r.step, output); });
    } else {
      put("payload", r.payload);
    }
  }
  void operator()(const record::Held& r) { put_result(r.result); }
  void operator()(const record::Completed& r) { put_result(r.result); }
  void operator()(const record::Compensated& /*r*/) {}
  void operator()(const record::Failed& r) { steps("residue", r.residue); }
  void operator()(const record::Rejected& r) {
    put("reason", to_string(r.cause));
    put("detail", r.detail);
  }

 private:
  void put(std::string_view key, std::string_view text) { set_if(out_, key, text); }
  template <class Redact>
  void put_json(std::string_view key, std::string_view text, Redact redact) {
    if (!text.empty()) {
      const auto value = json::parse(text);
      out_.set(key, redact(value ? *value : json::Value(text)));
    }
  }
  void put_result(std::string_view text) {
    put_json("result", text,
             [&](const json::Value& result) { return redacted(definition_, Redaction::Of::result, result); });
  }
  // A signal's payload is the output of the steps that wait for it.
  [[nodiscard]] json::Value as_answer(std::string_view signal, json::Value payload) const {
    for (const StepIndex step : step_indices(definition_.steps.size())) {
      const auto* const wait = std::get_if<SignalWait>(&definition_.steps[step].action);
      if (wait != nullptr && wait->signal == signal) {
        payload = redacted_output(definition_, step, payload);
      }
    }
    return payload;
  }
  void step(std::uint8_t index, std::uint16_t status, std::uint32_t attempts, std::string_view detail = {}) {
    out_.set("step", definition_.steps[index].name);
    set_if(out_, "status", status);
    set_if(out_, "attempts", attempts);
    put("detail", detail);
  }
  void steps(std::string_view key, std::uint64_t set) {
    json::Value names = json::Value::array();
    for (std::size_t i = 0; i < definition_.steps.size(); ++i) {
      if ((set >> i & 1U) != 0) {
        names.push_back(definition_.steps[i].name);
      }
    }
    if (!names.empty()) {
      out_.set(key, std::move(names));
    }
  }
  void person(std::string_view who, std::string_view why) {
    put("who", who);
    put("why", why);
  }

  json::Value& out_;
  const Definition& definition_;
  json::Value locks_ = json::Value::array();
};

}  // namespace

std::string_view state_name(const SagaState& state, bool admitted) noexcept {
  if (state.suspended) {
    return "suspended";
  }
  return state.phase == Phase::running && !admitted ? "scheduled" : to_string(state.phase);
}

bool is_state_name(std::string_view name) noexcept {
  constexpr std::string_view kNames[] = {"scheduled", "running",     "committed", "held",   "compensating",
                                         "completed", "compensated", "suspended", "failed", "rejected"};
  return std::ranges::find(kNames, name) != std::end(kNames);
}

json::Value report(const SagaState& state, bool admitted) {
  json::Value out = json::Value::object(
      {{"id", state.id.text()}, {"name", state.definition->name}, {"state", state_name(state, admitted)}});
  out.reserve(16);
  if (state.phase == Phase::completed || state.phase == Phase::held) {
    out.set("result", redacted(*state.definition, Redaction::Of::result, state.result));
  }
  if (state.abort.cause != Cause::none) {
    out.set("cause", cause_of(state));
  }
  if (state.suspended) {
    out.set("suspension", suspension_of(state));
  }
  out.set("created", time_of(state.created));
  out.set("changed", time_of(state.changed));
  if (state.deadline != 0) {
    out.set("deadline", time_of(state.deadline));
  }
  set_if(out, "correlation", state.correlation);
  if (!state.parent.is_none()) {
    out.set("parent", state.parent.saga.text());
  }
  out.set("definition", state.definition->hash.value());
  set_if(out, "version", state.definition->version);
  out.set("seq", state.seq);
  out.set("steps", steps_of(state));
  return out;
}

json::Value report(const Record& record, const RecordMeta& meta, const Definition& definition) {
  json::Value out = json::Value::object({{"seq", meta.seq},
                                         {"epoch", meta.epoch},
                                         {"time", time_of(meta.time)},
                                         {"type", record_name(record.type())}});
  std::visit(Shown(out, definition), record.body);
  json::Value exposed = json::Value::array();
  for (const Exposure& exposure : record.exposed) {
    json::Value entry =
        json::Value::object({{"step", definition.steps[exposure.step].name}, {"op", to_string(exposure.op)}});
    if (exposure.request != nullptr && exposure.kind == Exposure::Kind::request) {
      const RenderedRequest& request = *exposure.request;
      entry.set("request", request.method + " " + request.service + request.target);
    }
    exposed.push_back(std::move(entry));
  }
  if (!exposed.empty()) {
    out.set("exposed", std::move(exposed));
  }
  return out;
}

}  // namespace flotilla::saga
