#include "flotilla/events/core/choreography_fold.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/ulid.hpp"
#include "flotilla/expr/core/evaluate.hpp"
#include "flotilla/journal/core/position.hpp"

namespace flotilla::events {
namespace {

using journal::Folded;
using journal::FoldInput;
using json::Value;

constexpr std::size_t kUlid = 26;

bool contains(const std::vector<std::string>& all, const std::string& one) {
  return std::ranges::find(all, one) != all.end();
}

std::string_view attribute(const FoldInput& in, std::string_view name) {
  const Value& value = in.event[name];
  return value.is_string() ? value.as_string() : std::string_view();
}

// At most kMaxInstanceText bytes, and no half of a character.
std::string cut(std::string_view text) {
  if (text.size() <= kMaxInstanceText) {
    return std::string(text);
  }
  std::size_t size = kMaxInstanceText;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) {
    --size;
  }
  return std::string(text.substr(0, size));
}

std::uint64_t number_of(std::string_view text) {
  std::uint64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

bool is_dead_letter(const FoldInput& in) { return !attribute(in, "deadlettergroup").empty(); }

// Of the sagas that publish, the id is that of the event up to its first hyphen.
std::string saga_of(const FoldInput& in) {
  const std::string_view id = attribute(in, "id");
  const bool is_saga =
      attribute(in, "source").starts_with("/sagas/") && id.size() > kUlid && id[kUlid] == '-';
  return is_saga && Ulid::parse(id.substr(0, kUlid)) ? std::string(id.substr(0, kUlid)) : std::string();
}

void add_bounded(std::vector<std::string>& all, std::string one, std::size_t most, std::uint64_t& left_out) {
  if (one.empty() || contains(all, one)) {
    return;
  }
  if (all.size() < most) {
    all.push_back(std::move(one));
  } else {
    ++left_out;
  }
}

}  // namespace

ChoreographyFold::ChoreographyFold(ChoreographyPtr choreography,
                                   std::shared_ptr<ChoreographyCounters> counters, FollowFault planted)
    : choreography_(std::move(choreography)), counters_(std::move(counters)), planted_(planted) {
  Choreography own = *choreography_;
  own.dead_letters.clear();
  own.on_overdue.clear();
  own_ = topics_of(own);
  for (const Expectation& each : choreography_->expect) {
    marks_.push_back(expectation_mark(each));
  }
}

Result<std::shared_ptr<const journal::EventFold>> ChoreographyFold::remake(const std::string& text) const {
  auto choreography = read_choreography(text);
  if (!choreography) {
    return std::unexpected(std::move(choreography.error()));
  }
  return std::make_shared<const ChoreographyFold>(std::move(*choreography), counters_, planted_);
}

std::string ChoreographyFold::id_of(const FoldInput& in) const {
  if (!choreography_->on_overdue.empty() && in.topic == choreography_->on_overdue) {
    return attribute(in, "source") == alert_source(choreography_->name)
               ? std::string(attribute(in, "subject"))
               : std::string();
  }
  if (!contains(own_, in.topic) && !is_dead_letter(in)) {
    return {};
  }
  std::string id;
  if (choreography_->program) {
    const std::array<Value, 1> variables{in.event};
    const auto result = expr::evaluate_first(*choreography_->program, in.data, variables);
    if (result && result->is_string()) {
      id = result->as_string();
    } else if (result && result->is_number()) {
      id = result->number_text();
    }
  }
  if (id.empty() || id.size() > kMaxInstanceText) {
    id = attribute(in, "correlationid");
  }
  return id.size() <= kMaxInstanceText ? id : std::string();
}

std::optional<journal::RowName> ChoreographyFold::place(const FoldInput& in) const {
  const std::string id = id_of(in);
  if (id.empty()) {
    return std::nullopt;
  }
  return journal::RowName{.key = instance_key(id), .row = {}};
}

std::expected<Folded, std::string> ChoreographyFold::fold(const Value& so_far, const FoldInput& in) const {
  std::optional<Instance> before;
  if (!so_far.is_null()) {
    auto read = read_instance(so_far);
    if (!read) {
      return std::unexpected(read.error().message);
    }
    before = std::move(*read);
  }
  Instance after = before.value_or(Instance{});
  if (!before) {
    after.id = id_of(in);
    after.started_ms = in.recorded_ms;
    after.first = in.position;
    counters_->started.add();
  }
  advance(after, in);
  const auto ended = [&](InstanceState state) {
    return after.state == state && (!before || before->state != state);
  };
  counters_->ended_ok.add(ended(InstanceState::ok) ? 1 : 0);
  counters_->ended_undone.add(ended(InstanceState::undone) ? 1 : 0);
  counters_->left_out.add(after.left_out - (before ? before->left_out : 0));
  return folded(before ? &*before : nullptr, &after);
}

std::optional<Folded> ChoreographyFold::expire(const Value& row, std::int64_t now_ms) const {
  const auto instance = read_instance(row);
  if (!instance || instance->changed_ms + to_millis(choreography_->retain) > now_ms) {
    return std::nullopt;
  }
  const std::int64_t due = instance->due_ms();
  const bool awaited = due != 0 && (due > now_ms || !choreography_->on_overdue.empty());
  if (awaited && planted_ != FollowFault::expire_open) {
    return std::nullopt;
  }
  counters_->expired.add();
  return folded(&*instance, nullptr);
}

void ChoreographyFold::advance(Instance& instance, const FoldInput& in) const {
  instance.changed_ms = std::max(instance.changed_ms, in.recorded_ms);
  if (!choreography_->on_overdue.empty() && in.topic == choreography_->on_overdue) {
    take_alert(instance, in);
  } else {
    if (is_dead_letter(in)) {
      take_dead_letter(instance, in);
    }
    if (contains(own_, in.topic)) {
      take_event(instance, in);
    }
  }
  instance.state = state_of(instance);
}

void ChoreographyFold::take_event(Instance& instance, const FoldInput& in) const {
  counters_->events.add();
  ++instance.count;
  const Fulfilled fulfilled = fulfil(instance, in);
  const bool starts = !instance.started && in.topic == choreography_->start;
  instance.started = instance.started || starts;
  InstanceEvent event{.position = in.position,
                      .topic = in.topic,
                      .id = cut(attribute(in, "id")),
                      .source = cut(attribute(in, "source")),
                      .type = cut(attribute(in, "type")),
                      .correlation = cut(attribute(in, "correlationid")),
                      .cause = cut(attribute(in, "causationid")),
                      .recorded_ms = in.recorded_ms};
  event.unexpected = !starts && !fulfilled.any && !choreography_->expect.empty() &&
                     !contains(choreography_->also, in.topic) && planted_ != FollowFault::unexpected_missed;
  event.late = fulfilled.late && planted_ != FollowFault::late_unmarked;
  if (event.cause == event.id) {
    event.cause.clear();
  }
  for (const InstanceEvent& each : instance.events) {
    if (!event.cause.empty() && each.id == event.cause) {
      event.depth = std::max(event.depth, each.depth + 1);
    }
  }
  instance.unexpected += event.unexpected ? 1 : 0;
  instance.late += event.late ? 1 : 0;
  counters_->unexpected.add(event.unexpected ? 1 : 0);
  counters_->late.add(event.late ? 1 : 0);
  counters_->deep.add(event.depth > kDeepCausation && instance.depth <= kDeepCausation ? 1 : 0);
  instance.depth = std::max(instance.depth, event.depth);
  expect_more(instance, in);
  link(instance, in);
  if (contains(choreography_->ok, in.topic) || contains(choreography_->undone, in.topic)) {
    const bool ok = contains(choreography_->ok, in.topic);
    if (!instance.end || planted_ != FollowFault::ends_stay) {
      instance.end = ok ? InstanceState::ok : InstanceState::undone;
    }
  }
  if (instance.events.size() < kMaxInstanceEvents) {
    instance.events.push_back(std::move(event));
  } else {
    ++instance.left_out;
  }
}

// Correlations under which it is found, and sagas that take part.
void ChoreographyFold::link(Instance& instance, const FoldInput& in) const {
  const std::string_view correlation = attribute(in, "correlationid");
  if (correlation.size() <= kMaxInstanceText && correlation != instance.id) {
    add_bounded(instance.correlations, std::string(correlation), kMaxCorrelations, instance.left_out);
  }
  add_bounded(instance.sagas, saga_of(in), kMaxInstanceSagas, instance.left_out);
}

ChoreographyFold::Fulfilled ChoreographyFold::fulfil(Instance& instance, const FoldInput& in) const {
  Fulfilled done;
  std::set<std::size_t> had;  // expectations
  const auto look = [&](Wait& wait) {
    if (!contains(wait.missing, in.topic) ||
        (!had.insert(wait.expectation).second && planted_ != FollowFault::fulfil_all)) {
      return;
    }
    done.any = true;
    done.late = done.late || (wait.due_ms != 0 && in.recorded_ms > wait.due_ms);
    const bool all = wait.expectation < choreography_->expect.size() &&
                     choreography_->expect[wait.expectation].all && planted_ != FollowFault::one_is_enough;
    if (all) {
      std::erase(wait.missing, in.topic);
    } else {
      wait.missing.clear();
    }
  };
  if (planted_ == FollowFault::fulfil_newest) {
    for (std::size_t i = instance.waits.size(); i > 0; --i) {
      look(instance.waits[i - 1]);
    }
  } else {
    std::ranges::for_each(instance.waits, look);
  }
  std::erase_if(instance.waits, [](const Wait& wait) { return wait.missing.empty(); });
  return done;
}

void ChoreographyFold::expect_more(Instance& instance, const FoldInput& in) const {
  for (std::size_t i = 0; i < choreography_->expect.size(); ++i) {
    const Expectation& each = choreography_->expect[i];
    if (each.after != in.topic) {
      continue;
    }
    if (instance.waits.size() >= kMaxWaits) {
      ++instance.left_out;
      continue;
    }
    const std::int64_t since = planted_ == FollowFault::due_from_start ? instance.started_ms : in.recorded_ms;
    instance.waits.push_back({.expectation = i,
                              .position = in.position,
                              .event = cut(attribute(in, "id")),
                              .due_ms = each.within > Duration::zero() ? since + to_millis(each.within) : 0,
                              .told_ms = 0,
                              .missing = each.topics});
  }
}

bool ChoreographyFold::is_same(journal::Position one, journal::Position other) const {
  return planted_ == FollowFault::shard_ignored ? one.number() == other.number() : one == other;
}

void ChoreographyFold::take_dead_letter(Instance& instance, const FoldInput& in) const {
  counters_->dead.add();
  ++instance.dead;
  const auto at = journal::Position::parse(attribute(in, "deadletterposition"));
  const std::string_view topic = attribute(in, "deadlettertopic");
  auto event = std::ranges::find_if(instance.events, [&](const InstanceEvent& each) {
    return at && is_same(each.position, *at) && each.topic == topic;
  });
  if (planted_ == FollowFault::dead_elsewhere && !instance.events.empty()) {
    event = instance.events.end() - 1;
  }
  if (event == instance.events.end() || event->dead.size() >= kMaxCorrelations) {
    ++instance.left_out;
    return;
  }
  event->dead.push_back(
      {.group = cut(attribute(in, "deadlettergroup")),
       .topic = in.topic,
       .position = in.position,
       .reason = cut(attribute(in, "deadletterreason")),
       .code = cut(attribute(in, "deadlettercode")),
       .attempts = static_cast<std::uint32_t>(number_of(attribute(in, "deadletterattempts")))});
}

// What was fulfilled meanwhile is told all the same; then there is no wait any more.
void ChoreographyFold::take_alert(Instance& instance, const FoldInput& in) const {
  ++instance.told;
  const std::string_view id = attribute(in, "id");
  for (Wait& wait : instance.waits) {
    if (wait.told_ms == 0 && alert_id(instance, wait) == id && planted_ != FollowFault::forget_told) {
      wait.told_ms = std::max<std::int64_t>(in.recorded_ms, 1);
    }
  }
}

InstanceState ChoreographyFold::state_of(const Instance& instance) const {
  const bool told = std::ranges::any_of(instance.waits, [](const Wait& wait) { return wait.told_ms != 0; });
  if (told) {
    return InstanceState::overdue;
  }
  if (!instance.waits.empty() && !(planted_ == FollowFault::end_early && instance.end)) {
    return InstanceState::open;
  }
  if (instance.end) {
    return *instance.end;
  }
  const bool has_ends = !choreography_->ok.empty() || !choreography_->undone.empty();
  return !has_ends && !choreography_->expect.empty() && instance.started ? InstanceState::ok
                                                                         : InstanceState::open;
}

}  // namespace flotilla::events
