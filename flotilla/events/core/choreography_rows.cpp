// The rows of transactions: their names, and what stands in them.
#include <algorithm>
#include <charconv>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "flotilla/base/sha256.hpp"
#include "flotilla/events/core/choreography_fold.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

using journal::Folded;
using json::Value;

// What stands in lists: enough to show it without reading the transaction.
std::string summary(const Instance& instance) {
  const std::int64_t due = instance.due_ms();
  return json::write(Value::object({{"id", instance.id},
                                    {"state", to_string(instance.state)},
                                    {"started", instance.started_ms},
                                    {"changed", instance.changed_ms},
                                    {"due", due},
                                    {"events", instance.count},
                                    {"unexpected", instance.unexpected},
                                    {"late", instance.late},
                                    {"dead", instance.dead}}));
}

}  // namespace

std::string instance_key(std::string_view id) { return fmt::format("i/{}", id); }
std::string alias_key(std::string_view correlation) { return fmt::format("a/{}", correlation); }
std::string state_key(InstanceState state) { return fmt::format("s/{}", to_string(state)); }
std::string timed_name(std::int64_t ms, std::string_view id) { return fmt::format("{:015}/{}", ms, id); }
std::string alert_source(std::string_view choreography) {
  return fmt::format("/choreographies/{}", choreography);
}

std::string expectation_mark(const Expectation& each) {
  const std::string text = fmt::format("{}\n{}\n{}", each.after, each.all, fmt::join(each.topics, "\n"));
  return to_hex(sha256(text)).substr(0, 8);
}

std::optional<TimedName> read_timed_name(std::string_view name) {
  constexpr std::size_t kDigits = 15;
  if (name.size() <= kDigits || name[kDigits] != '/') {
    return std::nullopt;
  }
  std::int64_t ms = 0;
  std::from_chars(name.data(), name.data() + kDigits, ms);
  return TimedName{.ms = ms, .id = std::string(name.substr(kDigits + 1))};
}

Result<DueRow> read_due_row(std::string_view name, std::string_view value) {
  const auto at = read_timed_name(name);
  const auto json = json::parse(value);
  if (!at || !json || !json->is_object()) {
    return fail(Errc::invalid, fmt::format("the kept row {} of what is due is damaged", name));
  }
  const auto text = [&](std::string_view member) {
    const Value& read = (*json)[member];
    return read.is_string() ? std::string(read.as_string()) : std::string();
  };
  DueRow row{.due_ms = at->ms,
             .id = at->id,
             .alert = text("alert"),
             .after = text("after"),
             .event = text("event"),
             .correlation = text("correlation"),
             .position = read_position((*json)["position"]).value_or(journal::Position()),
             .missing = {},
             .all = (*json)["all"] == Value(true)};
  for (const Value& each : (*json)["missing"].items()) {
    row.missing.emplace_back(each.is_string() ? each.as_string() : "");
  }
  return row;
}

std::string ChoreographyFold::alert_id(const Instance& instance, const Wait& wait) const {
  const std::string mark = wait.expectation < marks_.size() ? marks_[wait.expectation] : std::string();
  return fmt::format("{}/{}/{}/{}", choreography_->name, instance.id,
                     planted_ == FollowFault::shard_ignored ? std::to_string(wait.position.number())
                                                            : short_text(wait.position),
                     mark);
}

void ChoreographyFold::add_rows(const Instance& instance, bool put, Beside& rows) const {
  const auto add = [&](std::string key, std::string row, std::string value) {
    rows.emplace_back(journal::RowName{.key = std::move(key), .row = std::move(row)},
                      put ? std::optional(std::move(value)) : std::nullopt);
  };
  for (const std::string& correlation : instance.correlations) {
    add(alias_key(correlation), instance.id, "1");
  }
  if (put || planted_ != FollowFault::keep_state) {
    add(state_key(instance.state), timed_name(instance.changed_ms, instance.id),
        put ? summary(instance) : "");
  }
  const std::int64_t due = instance.due_ms();
  const auto wait = std::ranges::find_if(
      instance.waits, [&](const Wait& each) { return due != 0 && each.due_ms == due && each.told_ms == 0; });
  if (wait == instance.waits.end() || wait->expectation >= choreography_->expect.size() ||
      (!put && planted_ == FollowFault::keep_due)) {
    return;
  }
  const Expectation& expectation = choreography_->expect[wait->expectation];
  Value missing = Value::array();
  for (const std::string& topic : wait->missing) {
    missing.push_back(topic);
  }
  add(std::string(kDueKey), timed_name(due, instance.id),
      json::write(Value::object(
          {{"alert", alert_id(instance, *wait)},
           {"after", expectation.after},
           {"event", wait->event},
           {"position", to_json(wait->position)},
           {"all", expectation.all},
           {"missing", missing},
           {"correlation", instance.correlations.empty() ? instance.id : instance.correlations.front()},
           {"summary", Value::object({{"state", to_string(instance.state)},
                                      {"started", instance.started_ms},
                                      {"changed", instance.changed_ms},
                                      {"events", instance.count},
                                      {"unexpected", instance.unexpected},
                                      {"late", instance.late},
                                      {"dead", instance.dead}})}})));
}

// What stays as it was is not written again.
Folded ChoreographyFold::folded(const Instance* before, const Instance* after) const {
  Folded out;
  if (after != nullptr) {
    out.row = to_json(*after);
    out.text = json::write(out.row);
  }
  Beside gone;
  if (before != nullptr) {
    add_rows(*before, false, gone);
  }
  if (after != nullptr) {
    add_rows(*after, true, out.beside);
  }
  for (auto& each : gone) {
    const bool stays =
        std::ranges::any_of(out.beside, [&](const auto& row) { return row.first == each.first; });
    if (!stays) {
      out.beside.push_back(std::move(each));
    }
  }
  if (before != nullptr && after != nullptr) {
    std::erase_if(out.beside, [&](const auto& row) {
      return row.second && row.first.key.starts_with("a/") &&
             std::ranges::find(before->correlations, row.first.key.substr(2)) != before->correlations.end();
    });
  }
  return out;
}

}  // namespace flotilla::events
