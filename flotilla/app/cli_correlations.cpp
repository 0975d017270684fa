#include "flotilla/app/cli_correlations.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <vector>

#include <fmt/format.h>

namespace flotilla::app {
namespace {

constexpr std::array kListColumns{Column{"ID", "id"},
                                  Column{"CHOREOGRAPHY", "choreography"},
                                  Column{"STATE", "state"},
                                  Column{"EVENTS", "events"},
                                  Column{"UNEXPECTED", "unexpected"},
                                  Column{"DEAD", "dead_letters"},
                                  Column{"CHANGED", "changed"},
                                  Column{"DUE", "due"}};
constexpr std::array kChoreographyColumns{Column{"CHOREOGRAPHY", "name"}, Column{"ID", "id"},
                                          Column{"STATE", "state"},       Column{"EVENTS", "events"},
                                          Column{"STARTED", "started"},   Column{"CHANGED", "changed"}};
constexpr std::array kSagaColumns{Column{"SAGA", "name"}, Column{"ID", "id"}, Column{"STATE", "state"},
                                  Column{"STEPS", "steps", "state"}};
constexpr std::array kExpectedColumns{Column{"AFTER", "after"},     Column{"ONE OF", "one_of"},
                                      Column{"ALL OF", "all_of"},   Column{"DUE", "due"},
                                      Column{"OVERDUE", "overdue"}, Column{"TOLD", "told"}};

bool is_true(const json::Value& value) { return value == json::Value(true); }

std::string delivery_text(const json::Value& delivery) {
  std::string out =
      fmt::format("{}: {}", format_cell(delivery["subscription"]), format_cell(delivery["state"]));
  if (const json::Value* const attempts = delivery.find("attempts")) {
    out += fmt::format(" after {} attempts, {} {}", format_cell(*attempts), format_cell(delivery["reason"]),
                       format_cell(delivery["code"]));
  }
  return out;
}

// Events below those that caused them, in the order of their positions.
class Tree {
 public:
  explicit Tree(const json::Value& events) : events_(events.items()) {
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if (!cause_of(i)) {
        add(i, 0);
      }
    }
    for (std::size_t i = 0; i < events_.size(); ++i) {  // those whose causes go in a circle
      add(i, 0);
    }
  }
  [[nodiscard]] std::string& text() noexcept { return text_; }

 private:
  [[nodiscard]] std::optional<std::size_t> cause_of(std::size_t of) const {
    const json::Value& cause = events_[of]["causationid"];
    for (std::size_t i = 0; cause.is_string() && i < events_.size(); ++i) {
      if (i != of && events_[i]["id"] == cause) {
        return i;
      }
    }
    return std::nullopt;
  }
  void add(std::size_t at, std::size_t depth) {
    if (!shown_.insert(at).second) {
      return;
    }
    const json::Value& event = events_[at];
    const std::string indent(2 * std::min<std::size_t>(depth, 32), ' ');
    text_ += fmt::format("{}  {}{}  ({}{}{})\n", format_cell(event["recorded"]), indent,
                         format_cell(event["topic"]), format_cell(event["id"]),
                         is_true(event["unexpected"]) ? ", unexpected" : "",
                         is_true(event["late"]) ? ", late" : "");
    for (const json::Value& delivery : event["deliveries"].items()) {
      text_ += fmt::format("{:26}{}  -> {}\n", "", indent, delivery_text(delivery));
    }
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if (cause_of(i) == at) {
        add(i, depth + 1);
      }
    }
  }

  std::span<const json::Value> events_;
  std::set<std::size_t> shown_;
  std::string text_;
};

}  // namespace

std::string trace_text(const json::Value& picture) {
  std::string out;
  const auto part = [&out](std::string text) { out += (out.empty() ? "" : "\n") + std::move(text); };
  if (!picture["choreographies"].items().empty()) {
    part(format_table(picture["choreographies"].items(), kChoreographyColumns));
  }
  if (!picture["events"].items().empty()) {
    part(std::move(Tree(picture["events"]).text()));
  }
  if (!picture["sagas"].items().empty()) {
    part(format_table(picture["sagas"].items(), kSagaColumns));
  }
  std::vector<json::Value> expected;
  for (const json::Value& each : picture["choreographies"].items()) {
    std::ranges::copy(each["expected"].items(), std::back_inserter(expected));
  }
  if (!expected.empty()) {
    part(format_table(expected, kExpectedColumns));
  }
  return out;
}

int trace(const ClientOptions& options, const TraceOrder& order) {
  std::string target = "/api/v1/correlations";
  if (!order.id.empty()) {
    return ask_and_show(
        options, {.method = "GET", .target = with_segment(target + "/", order.id), .headers = {}, .body = {}},
        &trace_text);
  }
  for (const auto& [name, value] : {std::pair("choreography", &order.choreography),
                                    std::pair("state", &order.state), std::pair("after", &order.after)}) {
    if (!value->empty()) {
      add_parameter(target, name, *value);
    }
  }
  add_parameter(target, "limit", std::to_string(order.limit));
  return ask_and_show(options, {.method = "GET", .target = std::move(target), .headers = {}, .body = {}},
                      as_list(kListColumns));
}

}  // namespace flotilla::app
