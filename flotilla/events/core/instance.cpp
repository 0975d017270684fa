#include "flotilla/events/core/instance.hpp"

#include <algorithm>
#include <array>

namespace flotilla::events {
namespace {

using json::Value;

constexpr std::array<std::string_view, kInstanceStates> kStates{"open", "overdue", "ok", "undone"};

Value list_of(const std::vector<std::string>& texts) {
  Value out = Value::array();
  for (const std::string& text : texts) {
    out.push_back(text);
  }
  return out;
}

Value to_json(const DeadDelivery& dead) {
  return Value::object({{"group", dead.group},
                        {"topic", dead.topic},
                        {"position", events::to_json(dead.position)},
                        {"reason", dead.reason},
                        {"code", dead.code},
                        {"attempts", dead.attempts}});
}

// What is as usual is left out: a row is written with each of its events.
Value to_json(const InstanceEvent& event) {
  Value out = Value::object({{"position", events::to_json(event.position)},
                             {"topic", event.topic},
                             {"id", event.id},
                             {"source", event.source},
                             {"correlation", event.correlation},
                             {"at", event.recorded_ms},
                             {"depth", event.depth}});
  if (event.type != event.topic) {
    out.set("type", event.type);
  }
  if (!event.cause.empty()) {
    out.set("cause", event.cause);
  }
  if (event.unexpected) {
    out.set("unexpected", true);
  }
  if (event.late) {
    out.set("late", true);
  }
  if (!event.dead.empty()) {
    Value all = Value::array();
    for (const DeadDelivery& dead : event.dead) {
      all.push_back(to_json(dead));
    }
    out.set("dead", all);
  }
  return out;
}

Value to_json(const Wait& wait) {
  return Value::object({{"expectation", wait.expectation},
                        {"position", events::to_json(wait.position)},
                        {"event", wait.event},
                        {"due", wait.due_ms},
                        {"told", wait.told_ms},
                        {"missing", list_of(wait.missing)}});
}

// Reads members, and remembers whether one is not what it must be.
class Reader {
 public:
  explicit Reader(const Value& value) : value_(value), good_(value.is_object()) {}

  template <class T>
  void number(std::string_view name, T& into) {
    const auto read = value_[name].as_int();
    good_ = good_ && read && *read >= 0;
    into = static_cast<T>(read.value_or(0));
  }
  void position(std::string_view name, journal::Position& into) {
    const auto read = read_position(value_[name]);
    good_ = good_ && read;
    into = read.value_or(journal::Position());
  }
  void text(std::string_view name, std::string& into) {
    const Value& read = value_[name];
    good_ = good_ && read.is_string();
    into = read.is_string() ? std::string(read.as_string()) : std::string();
  }
  void texts(std::string_view name, std::vector<std::string>& into) {
    for (const Value& each : value_[name].items()) {
      good_ = good_ && each.is_string();
      into.emplace_back(each.is_string() ? each.as_string() : "");
    }
  }
  [[nodiscard]] const Value& value() const noexcept { return value_; }
  [[nodiscard]] bool has(std::string_view name) const { return value_.find(name) != nullptr; }
  void spoil() noexcept { good_ = false; }
  [[nodiscard]] bool good() const noexcept { return good_; }

 private:
  const Value& value_;
  bool good_;
};

bool read(const Value& value, DeadDelivery& dead) {
  Reader in(value);
  in.text("group", dead.group);
  in.text("topic", dead.topic);
  in.position("position", dead.position);
  in.text("reason", dead.reason);
  in.text("code", dead.code);
  in.number("attempts", dead.attempts);
  return in.good();
}

bool read(const Value& value, InstanceEvent& event) {
  Reader in(value);
  in.position("position", event.position);
  in.text("topic", event.topic);
  in.text("id", event.id);
  in.text("source", event.source);
  in.text("correlation", event.correlation);
  in.number("at", event.recorded_ms);
  in.number("depth", event.depth);
  event.type = event.topic;
  if (in.has("type")) {
    in.text("type", event.type);
  }
  if (in.has("cause")) {
    in.text("cause", event.cause);
  }
  event.unexpected = in.has("unexpected");
  event.late = in.has("late");
  for (const Value& each : value["dead"].items()) {
    if (!read(each, event.dead.emplace_back())) {
      in.spoil();
    }
  }
  return in.good();
}

bool read(const Value& value, Wait& wait) {
  Reader in(value);
  in.number("expectation", wait.expectation);
  in.position("position", wait.position);
  in.text("event", wait.event);
  in.number("due", wait.due_ms);
  in.number("told", wait.told_ms);
  in.texts("missing", wait.missing);
  return in.good();
}

}  // namespace

std::string_view to_string(InstanceState state) noexcept { return kStates[static_cast<std::size_t>(state)]; }

std::optional<InstanceState> parse_instance_state(std::string_view text) noexcept {
  const auto found = std::ranges::find(kStates, text);
  return found == kStates.end() ? std::nullopt
                                : std::optional(static_cast<InstanceState>(found - kStates.begin()));
}

std::string short_text(journal::Position position) {
  return position.shard() == 0 ? std::to_string(position.number()) : position.text();
}

Value to_json(journal::Position position) {
  return position.shard() == 0 ? Value(position.number()) : Value(position.text());
}

std::optional<journal::Position> read_position(const Value& value) {
  if (value.is_string()) {
    const auto read = journal::Position::parse(value.as_string());
    return read ? std::optional(*read) : std::nullopt;
  }
  const auto number = value.as_int();
  return number && *number >= 0 ? std::optional(journal::Position(static_cast<std::uint64_t>(*number)))
                                : std::nullopt;
}

std::int64_t Instance::due_ms() const noexcept {
  std::int64_t due = 0;
  for (const Wait& wait : waits) {
    if (wait.due_ms != 0 && wait.told_ms == 0 && (due == 0 || wait.due_ms < due)) {
      due = wait.due_ms;
    }
  }
  return due;
}

InstanceState state_at(const Instance& instance, std::int64_t now_ms) noexcept {
  const std::int64_t due = instance.due_ms();
  return due != 0 && due <= now_ms ? InstanceState::overdue : instance.state;
}

Value to_json(const Instance& instance) {
  Value events = Value::array();
  for (const InstanceEvent& event : instance.events) {
    events.push_back(to_json(event));
  }
  Value waits = Value::array();
  for (const Wait& wait : instance.waits) {
    waits.push_back(to_json(wait));
  }
  return Value::object({{"id", instance.id},
                        {"state", to_string(instance.state)},
                        {"started_at", instance.started_ms},
                        {"changed_at", instance.changed_ms},
                        {"first", to_json(instance.first)},
                        {"started", instance.started},
                        {"end", instance.end ? Value(to_string(*instance.end)) : Value()},
                        {"events", events},
                        {"waits", waits},
                        {"correlations", list_of(instance.correlations)},
                        {"sagas", list_of(instance.sagas)},
                        {"count", instance.count},
                        {"unexpected", instance.unexpected},
                        {"late", instance.late},
                        {"dead", instance.dead},
                        {"told", instance.told},
                        {"left_out", instance.left_out},
                        {"depth", instance.depth}});
}

Result<Instance> read_instance(const Value& value) {
  Instance out;
  Reader in(value);
  in.text("id", out.id);
  in.number("started_at", out.started_ms);
  in.number("changed_at", out.changed_ms);
  in.position("first", out.first);
  out.started = value["started"] == Value(true);
  std::string state;
  in.text("state", state);
  const auto known = parse_instance_state(state);
  if (!known) {
    in.spoil();
  }
  out.state = known.value_or(InstanceState::open);
  if (value["end"].is_string()) {
    out.end = parse_instance_state(value["end"].as_string());
  }
  for (const Value& each : value["events"].items()) {
    if (!read(each, out.events.emplace_back())) {
      in.spoil();
    }
  }
  for (const Value& each : value["waits"].items()) {
    if (!read(each, out.waits.emplace_back())) {
      in.spoil();
    }
  }
  in.texts("correlations", out.correlations);
  in.texts("sagas", out.sagas);
  in.number("count", out.count);
  in.number("unexpected", out.unexpected);
  in.number("late", out.late);
  in.number("dead", out.dead);
  in.number("told", out.told);
  in.number("left_out", out.left_out);
  in.number("depth", out.depth);
  if (!in.good()) {
    return fail(Errc::invalid, "the kept row of a transaction is damaged");
  }
  return out;
}

}  // namespace flotilla::events
