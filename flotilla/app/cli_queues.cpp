#include "flotilla/app/cli_queues.hpp"

#include <array>

#include <fmt/format.h>

#include "flotilla/json/writer.hpp"

namespace flotilla::app {
namespace {

constexpr std::array kQueueColumns{
    Column{"NAME", "name"}, Column{"SERVICE", "service"}, Column{"STATE", "state"},
    Column{"GATE", "gate"}, Column{"WAITING", "waiting"}, Column{"IN FLIGHT", "in_flight"},
    Column{"DEAD", "dead"}, Column{"BYTES", "bytes"},     Column{"OLDEST", "oldest"}};
constexpr std::array kItemColumns{Column{"ID", "id"},
                                  Column{"STATE", "state"},
                                  Column{"KEY", "key"},
                                  Column{"CERTAINTY", "certainty"},
                                  Column{"ATTEMPTS", "attempts"},
                                  Column{"CODE", "code"},
                                  Column{"REASON", "reason"},
                                  Column{"ACCEPTED", "accepted"},
                                  Column{"DUE", "due"},
                                  Column{"REQUEST", "request", "path"}};
constexpr std::array kHistoryColumns{
    Column{"AT", "at"},     Column{"WHAT", "what"},           Column{"ATTEMPT", "attempt"},
    Column{"CODE", "code"}, Column{"CERTAINTY", "certainty"}, Column{"BY", "by"}};

std::string item_table(const json::Value& item) { return format_table(std::span(&item, 1), kItemColumns); }

std::string items_table(const json::Value& answer) {
  std::string out = format_table(answer["items"].items(), kItemColumns);
  if (answer["next"].is_string()) {
    out += fmt::format("\nmore with --after {}\n", answer["next"].as_string());
  }
  return out;
}

std::string story(const json::Value& item) {
  return fmt::format("{}\n{}", item_table(item), format_table(item["history"].items(), kHistoryColumns));
}

std::string person(const QueueOrder& order) {
  std::string body;
  json::Writer out(body);
  out.begin_object();
  for (const auto& [name, value] : {std::pair("who", &order.who), std::pair("why", &order.why)}) {
    if (!value->empty()) {
      out.key(name).value(*value);
    }
  }
  out.end();
  return body;
}

}  // namespace

int run_queues(const ClientOptions& options, const QueueOrder& order) {
  http::Request request{.target = "/api/v1/queues", .headers = {}, .body = {}};
  if (order.verb == "list") {
    return ask_and_show(options, std::move(request), as_list(kQueueColumns));
  }
  request.target = with_segment("/api/v1/queues/", order.queue);
  if (order.verb == "show" && order.id.empty()) {
    add_parameter(request.target, "limit", std::to_string(order.limit));
    if (!order.state.empty()) {
      add_parameter(request.target, "state", order.state);
    }
    if (!order.after.empty()) {
      add_parameter(request.target, "after", order.after);
    }
    return ask_and_show(options, std::move(request), &items_table);
  }
  request.target = with_segment(request.target + "/", order.id);
  if (order.verb == "show") {
    return ask_and_show(options, std::move(request), &story);
  }
  request.method = order.verb == "delete" ? "DELETE" : "POST";
  request.target += order.verb == "delete" ? "" : "/retry";
  request.headers.add("Content-Type", "application/json");
  request.body = person(order);
  return ask_and_show(options, std::move(request), &item_table);
}

}  // namespace flotilla::app
