#include "flotilla/events/core/correlation_picture.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <string_view>
#include <utility>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/journal/core/causal_order.hpp"

namespace flotilla::events {
namespace {

using json::Value;

Value time_of(std::int64_t ms) { return ms == 0 ? Value() : Value(iso_time({ms * 1'000'000})); }

Value list_of(const std::vector<std::string>& texts) {
  Value out = Value::array();
  for (const std::string& text : texts) {
    out.push_back(text);
  }
  return out;
}

Value expected(const FoundInstance& found, std::int64_t now_ms) {
  Value out = Value::array();
  for (const Wait& wait : found.instance.waits) {
    if (wait.expectation >= found.choreography->expect.size()) {
      continue;  // it was followed by an older definition, which is being replaced
    }
    const Expectation& expectation = found.choreography->expect[wait.expectation];
    out.push_back(Value::object({{"after", expectation.after},
                                 {"event", wait.event},
                                 {"position", wait.position.text()},
                                 {expectation.all ? "all_of" : "one_of", list_of(wait.missing)},
                                 {"due", time_of(wait.due_ms)},
                                 {"overdue", wait.due_ms != 0 && wait.due_ms <= now_ms},
                                 {"told", time_of(wait.told_ms)}}));
  }
  return out;
}

Value choreography_json(const FoundInstance& found, std::int64_t now_ms) {
  const Instance& instance = found.instance;
  return Value::object({{"name", found.choreography->name},
                        {"id", instance.id},
                        {"state", to_string(state_at(instance, now_ms))},
                        {"started", time_of(instance.started_ms)},
                        {"changed", time_of(instance.changed_ms)},
                        {"events", instance.count},
                        {"unexpected", instance.unexpected},
                        {"late", instance.late},
                        {"dead_letters", instance.dead},
                        {"told", instance.told},
                        {"left_out", instance.left_out},
                        {"depth", instance.depth},
                        {"too_deep", instance.depth > kDeepCausation},
                        {"expected", expected(found, now_ms)}});
}

// What became of an event at each subscription of its topic, as far as the journal knows.
Value deliveries(const InstanceEvent& event, const std::vector<GroupProgress>& groups) {
  Value out = Value::array();
  for (const DeadDelivery& dead : event.dead) {
    out.push_back(Value::object(
        {{"subscription", dead.group},
         {"state", "dead-letter"},
         {"attempts", dead.attempts},
         {"reason", dead.reason},
         {"code", dead.code},
         {"dead_letter", Value::object({{"topic", dead.topic}, {"position", dead.position.text()}})}}));
  }
  for (const GroupProgress& group : groups) {
    const bool is_dead =
        std::ranges::any_of(event.dead, [&](const DeadDelivery& dead) { return dead.group == group.name; });
    if (group.topic != event.topic || is_dead) {
      continue;
    }
    const std::uint64_t number = event.position.number();
    const auto progress = group.progress.find(event.position.shard());
    const bool settled = progress != group.progress.end() &&
                         (number <= progress->second.mark || progress->second.settled.contains(number));
    out.push_back(Value::object({{"subscription", group.name}, {"state", settled ? "settled" : "pending"}}));
  }
  return out;
}

Value event_json(const InstanceEvent& event, const std::vector<GroupProgress>& groups) {
  return Value::object({{"position", event.position.text()},
                        {"topic", event.topic},
                        {"id", event.id},
                        {"source", event.source},
                        {"type", event.type},
                        {"correlationid", event.correlation},
                        {"causationid", event.cause.empty() ? Value() : Value(event.cause)},
                        {"depth", event.depth},
                        {"recorded", time_of(event.recorded_ms)},
                        {"unexpected", event.unexpected},
                        {"late", event.late},
                        {"deliveries", deliveries(event, groups)}});
}

using EventsByPlace = std::map<std::pair<std::uint32_t, std::uint64_t>, const InstanceEvent*>;

// As they are folded: those of one shard as they lie there, of several by when they were recorded, and none
// before its cause.
std::vector<const InstanceEvent*> in_order(const EventsByPlace& events) {
  std::vector<journal::Moment> moments;
  std::vector<const InstanceEvent*> all;
  for (const auto& [place, event] : events) {
    moments.push_back(
        {.shard = place.first, .ms = event->recorded_ms, .id = event->id, .cause = event->cause});
    all.push_back(event);
  }
  journal::settle_order(moments);
  std::vector<std::pair<std::int64_t, std::size_t>> order;
  for (std::size_t i = 0; i < moments.size(); ++i) {
    order.emplace_back(moments[i].ms, i);
  }
  std::ranges::sort(order);
  std::vector<const InstanceEvent*> sorted;
  for (const auto& [ms, i] : order) {
    sorted.push_back(all[i]);
  }
  return sorted;
}

// How much a state asks to be looked at.
int weight(InstanceState state) {
  constexpr std::array<int, kInstanceStates> kWeights{2, 3, 0, 1};  // open, overdue, ok, undone
  return kWeights[static_cast<std::size_t>(state)];
}

}  // namespace

Value picture(const PictureParts& parts, std::int64_t now_ms) {
  Value choreographies = Value::array();
  std::vector<std::string> correlations;
  EventsByPlace events;  // of one that is in several, the one that says most
  std::optional<InstanceState> state;
  for (const FoundInstance& found : parts.instances) {
    const InstanceState now = state_at(found.instance, now_ms);
    state = !state || weight(now) > weight(*state) ? now : *state;
    choreographies.push_back(choreography_json(found, now_ms));
    for (const std::string& each : found.instance.correlations) {
      if (std::ranges::find(correlations, each) == correlations.end()) {
        correlations.push_back(each);
      }
    }
    for (const InstanceEvent& event : found.instance.events) {
      const InstanceEvent*& known = events[{event.position.shard(), event.position.number()}];
      if (known == nullptr || (known->unexpected && !event.unexpected)) {
        known = &event;
      }
    }
  }
  Value all = Value::array();
  for (const InstanceEvent* const event : in_order(events)) {
    all.push_back(event_json(*event, parts.groups));
  }
  Value sagas = Value::array();
  for (const Value& saga : parts.sagas) {
    sagas.push_back(saga);
  }
  return Value::object({{"id", parts.id},
                        {"state", state ? Value(to_string(*state)) : Value()},
                        {"choreographies", choreographies},
                        {"correlations", list_of(correlations)},
                        {"events", all},
                        {"sagas", sagas}});
}

Value list_item(std::string_view choreography, std::string_view id, const Value& summary, std::int64_t due_ms,
                std::int64_t now_ms) {
  const Value& state = summary["state"];
  const auto started = summary["started"].as_int();
  const auto changed = summary["changed"].as_int();
  if (!state.is_string() || !started || !changed) {
    return {};
  }
  const bool overdue = state.as_string() == "overdue" || (due_ms != 0 && due_ms <= now_ms);
  return Value::object({{"id", id},
                        {"choreography", choreography},
                        {"state", overdue ? std::string_view("overdue") : state.as_string()},
                        {"started", time_of(*started)},
                        {"changed", time_of(*changed)},
                        {"due", time_of(due_ms)},
                        {"events", summary["events"]},
                        {"unexpected", summary["unexpected"]},
                        {"late", summary["late"]},
                        {"dead_letters", summary["dead"]}});
}

}  // namespace flotilla::events
