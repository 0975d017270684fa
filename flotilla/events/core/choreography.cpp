#include "flotilla/events/core/choreography.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "flotilla/base/duration_text.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

// Other rules of following the same text are another number: what was followed by them is built anew.
constexpr std::int64_t kRules = 1;

using Names = std::vector<std::string>;

json::Value list_of(const Names& names) {
  json::Value out = json::Value::array();
  for (const std::string& name : names) {
    out.push_back(name);
  }
  return out;
}

Names names_of(const json::Value& list) {
  Names out;
  for (const json::Value& each : list.items()) {
    if (each.is_string()) {
      out.emplace_back(each.as_string());
    }
  }
  return out;
}

std::string text_of(const json::Value& value) {
  return value.is_string() ? std::string(value.as_string()) : std::string();
}

// What leads on from an event: walks from `start`, and finds circles.
class Reach {
 public:
  explicit Reach(const Choreography& choreography) : choreography_(choreography) { walk(choreography.start); }
  [[nodiscard]] bool has(const std::string& topic) const { return state_.contains(topic); }
  [[nodiscard]] const std::vector<ChoreographyFault>& circles() const noexcept { return circles_; }

 private:
  void walk(const std::string& topic) {
    state_[topic] = true;
    way_.push_back(topic);
    for (std::size_t i = 0; i < choreography_.expect.size(); ++i) {
      if (choreography_.expect[i].after != topic) {
        continue;
      }
      for (const std::string& next : choreography_.expect[i].topics) {
        const auto known = state_.find(next);
        if (known == state_.end()) {
          walk(next);
        } else if (known->second) {
          const auto from = std::ranges::find(way_, next);
          circles_.push_back({.message = fmt::format("goes in a circle, so it would never end: {} -> {}",
                                                     fmt::join(from, way_.end(), " -> "), next),
                              .expectation = i});
        }
      }
    }
    way_.pop_back();
    state_[topic] = false;
  }

  const Choreography& choreography_;
  std::map<std::string, bool> state_;  // true: on the way
  Names way_;
  std::vector<ChoreographyFault> circles_;
};

void check_topics(const Choreography& c, std::vector<ChoreographyFault>& faults) {
  if (const std::size_t count = topics_of(c).size(); count > kMaxChoreographyTopics) {
    faults.push_back(
        {.message = fmt::format("it reads {} topics with those of its dead letters, the limit is {}", count,
                                kMaxChoreographyTopics),
         .expectation = {}});
  }
  const auto twice = [&](const std::string& topic, const char* what) {
    faults.push_back({.message = fmt::format("the topic {} cannot be {}", topic, what), .expectation = {}});
  };
  for (const std::string& topic : c.undone) {
    if (std::ranges::find(c.ok, topic) != c.ok.end()) {
      twice(topic, "both ends, `ok` and `undone`");
    }
  }
  if (c.on_overdue.empty()) {
    return;
  }
  Choreography without = c;
  without.on_overdue.clear();
  const Names others = topics_of(without);
  if (std::ranges::find(others, c.on_overdue) != others.end()) {
    twice(c.on_overdue, "that of `on_overdue` and one of its events");
  }
  if (std::ranges::none_of(c.expect, [](const Expectation& e) { return e.within > Duration::zero(); })) {
    faults.push_back({.message = "on_overdue: nothing can be overdue, for no expectation says `within`",
                      .expectation = {}});
  }
}

}  // namespace

Result<expr::Program> compile_correlate(const std::string& text) {
  static constexpr std::array<std::string_view, 1> kVariables{"event"};
  auto program = expr::compile(text, kVariables);
  if (!program) {
    return std::unexpected(program.error().to_error());
  }
  return std::move(*program);
}

std::vector<ChoreographyFault> check(const Choreography& c) {
  const Reach reach(c);
  std::vector<ChoreographyFault> faults = reach.circles();
  for (std::size_t i = 0; i < c.expect.size(); ++i) {
    const Expectation& each = c.expect[i];
    if (!reach.has(each.after)) {
      faults.push_back(
          {.message = fmt::format("after {}: nothing leads to it from the start, {}", each.after, c.start),
           .expectation = i});
    }
    if (each.within > c.retain) {
      faults.push_back(
          {.message = fmt::format("within {}: transactions are forgotten before, after `retain` ({})",
                                  show_duration(each.within), show_duration(c.retain)),
           .expectation = i});
    }
  }
  for (const Names* const ends : {&c.ok, &c.undone}) {
    for (const std::string& topic : *ends) {
      if (!c.expect.empty() && !reach.has(topic)) {
        faults.push_back({.message = fmt::format(
                              "end: nothing leads to {} from the start, {}; name it in `expect` (`within` "
                              "may be left out)",
                              topic, c.start),
                          .expectation = {}});
      }
    }
  }
  check_topics(c, faults);
  if (const std::size_t size = write(c).size(); size > kMaxChoreographyText) {
    faults.push_back(
        {.message = fmt::format("it has {} bytes, the limit is {}: it is kept beside its transactions", size,
                                kMaxChoreographyText),
         .expectation = {}});
  }
  return faults;
}

Names topics_of(const Choreography& c) {
  Names all;
  std::set<std::string_view> seen;
  const auto add = [&](const std::string& topic) {
    if (!topic.empty() && seen.insert(topic).second) {
      all.push_back(topic);
    }
  };
  add(c.start);
  for (const Expectation& each : c.expect) {
    add(each.after);
    std::ranges::for_each(each.topics, add);
  }
  for (const Names* const names : {&c.ok, &c.undone, &c.also, &c.dead_letters}) {
    std::ranges::for_each(*names, add);
  }
  add(c.on_overdue);
  return all;
}

std::string write(const Choreography& c) {
  json::Value expect = json::Value::array();
  for (const Expectation& each : c.expect) {
    expect.push_back(json::Value::object({{"after", each.after},
                                          {"all", each.all},
                                          {"topics", list_of(each.topics)},
                                          {"within", to_millis(each.within)}}));
  }
  return json::write(json::Value::object({{"rules", kRules},
                                          {"name", c.name},
                                          {"correlate", c.correlate},
                                          {"start", c.start},
                                          {"expect", expect},
                                          {"ok", list_of(c.ok)},
                                          {"undone", list_of(c.undone)},
                                          {"also", list_of(c.also)},
                                          {"on_overdue", c.on_overdue},
                                          {"retain", to_millis(c.retain)},
                                          {"dead_letters", list_of(c.dead_letters)}}));
}

Result<ChoreographyPtr> read_choreography(std::string_view text) {
  const auto value = json::parse(text);
  if (!value || (*value)["rules"].as_int() != kRules) {
    return fail(Errc::invalid, "it was written down by another version of Flotilla, or is damaged");
  }
  const json::Value& v = *value;
  Choreography c;
  c.name = text_of(v["name"]);
  c.correlate = text_of(v["correlate"]);
  c.start = text_of(v["start"]);
  for (const json::Value& each : v["expect"].items()) {
    c.expect.push_back({.after = text_of(each["after"]),
                        .all = each["all"] == json::Value(true),
                        .topics = names_of(each["topics"]),
                        .within = std::chrono::milliseconds(each["within"].as_int().value_or(0))});
  }
  c.ok = names_of(v["ok"]);
  c.undone = names_of(v["undone"]);
  c.also = names_of(v["also"]);
  c.on_overdue = text_of(v["on_overdue"]);
  c.retain = std::chrono::milliseconds(v["retain"].as_int().value_or(0));
  c.dead_letters = names_of(v["dead_letters"]);
  if (!c.correlate.empty()) {
    auto program = compile_correlate(c.correlate);
    if (!program) {
      return std::unexpected(std::move(program.error()));
    }
    c.program = std::move(*program);
  }
  return std::make_shared<const Choreography>(std::move(c));
}

}  // namespace flotilla::events
