#include "flotilla/app/cli_verbs.hpp"

#include <array>

#include <fmt/format.h>

#include "flotilla/json/writer.hpp"

namespace flotilla::app {
namespace {

constexpr std::array kServiceColumns{Column{"NAME", "name"}, Column{"SOURCE", "source"},
                                     Column{"INSTANCES", "instances", "address"}};
constexpr std::array kRouteColumns{Column{"GATEWAY", "gateway"}, Column{"NAME", "name"},
                                   Column{"ACTION", "action"}, Column{"REQUESTS", "requests"}};
constexpr std::array kCandidateColumns{Column{"ROUTE", "route"}, Column{"MATCHES", "matches"},
                                       Column{"WHY", "why"}};
constexpr std::array kBreakerColumns{Column{"SERVICE", "service"},     Column{"STATE", "state"},
                                     Column{"MODE", "mode"},           Column{"FAILURES", "failures"},
                                     Column{"OPENED AT", "opened_at"}, Column{"RETRY AT", "retry_at"}};
constexpr std::array kTopicColumns{Column{"NAME", "name"},         Column{"EVENTS", "events"},
                                   Column{"POSITION", "position"}, Column{"RETAIN", "retain"},
                                   Column{"KEY", "key"},           Column{"SCHEMA", "schema"}};
constexpr std::array kViewColumns{
    Column{"NAME", "name"},         Column{"STATE", "state"}, Column{"VERSION", "version"},
    Column{"POSITION", "position"}, Column{"LAG", "lag"},     Column{"ROWS", "rows"},
    Column{"EVENTS", "events"},     Column{"FROM", "from"},   Column{"FAILURE", "failure"}};
constexpr std::array kKafkaColumns{Column{"BROKERS", "brokers"}, Column{"GROUP", "group"},
                                   Column{"STATE", "state"},     Column{"PARTITIONS", "partitions"},
                                   Column{"WAITING", "waiting"}, Column{"TROUBLE", "trouble"}};
constexpr std::array kKafkaTopicColumns{Column{"TOPIC", "name"},          Column{"CONFIRMED", "confirmed"},
                                        Column{"READ", "read"},           Column{"UNSETTLED", "unsettled"},
                                        Column{"IN FLIGHT", "in_flight"}, Column{"TROUBLE", "trouble"}};
constexpr std::array kPolicyColumns{Column{"POLICY", "policy"}, Column{"SETTING", "setting"}};

int run(const ClientOptions& options, std::string method, std::string target, const Show& show) {
  return ask_and_show(
      options, {.method = std::move(method), .target = std::move(target), .headers = {}, .body = {}}, show);
}

std::string breaker_table(const json::Value& breaker) {
  return format_table(std::span(&breaker, 1), kBreakerColumns);
}

std::string view_table(const json::Value& view) { return format_table(std::span(&view, 1), kViewColumns); }

std::string kafka_table(const json::Value& kafka) {
  const json::Value* const topics = kafka.find("topics");
  std::string out = format_table(std::span(&kafka, 1), kKafkaColumns);
  return topics == nullptr ? out : out + "\n" + format_table(topics->items(), kKafkaTopicColumns);
}

std::string topic_table(const json::Value& topic) {
  return format_table(std::span(&topic, 1), kTopicColumns);
}

}  // namespace

int list_topics(const ClientOptions& options) {
  return run(options, "GET", "/api/v1/topics", as_list(kTopicColumns));
}

int show_topic(const ClientOptions& options, const std::string& topic) {
  return run(options, "GET", with_segment("/api/v1/topics/", topic), &topic_table);
}

int show_kafka(const ClientOptions& options) { return run(options, "GET", "/api/v1/kafka", &kafka_table); }

int list_views(const ClientOptions& options) {
  return run(options, "GET", "/api/v1/views", as_list(kViewColumns));
}

int show_view(const ClientOptions& options, const std::string& name) {
  return run(options, "GET", with_segment("/api/v1/views/", name), &view_table);
}

int rebuild_view(const ClientOptions& options, const ViewOrder& order) {
  json::Value body = json::Value::object();
  for (const auto& [name, value] : {std::pair("who", &order.who), std::pair("why", &order.why)}) {
    if (!value->empty()) {
      body.set(name, *value);
    }
  }
  return ask_and_show(options,
                      {.method = "POST",
                       .target = with_segment("/api/v1/views/", order.name) + "/rebuild",
                       .headers = {{"Content-Type", "application/json"}},
                       .body = json::write(body)},
                      &view_table);
}

int list_services(const ClientOptions& options) {
  return run(options, "GET", "/api/v1/services", as_list(kServiceColumns));
}

int list_routes(const ClientOptions& options, const std::string& gateway) {
  std::string target = "/api/v1/routes";
  if (!gateway.empty()) {
    add_parameter(target, "gateway", gateway);
  }
  return run(options, "GET", std::move(target), as_list(kRouteColumns));
}

int explain_route(const ClientOptions& options, const std::string& gateway, const std::string& method,
                  const std::string& url) {
  std::string target = "/api/v1/routes";
  if (!gateway.empty()) {
    add_parameter(target, "gateway", gateway);
  }
  add_parameter(target, "method", method);
  add_parameter(target, "url", url);
  return run(options, "GET", std::move(target), [](const json::Value& answer) {
    return fmt::format("{}\n\n{}", format_cell(answer["result"]),
                       format_table(answer["candidates"].items(), kCandidateColumns));
  });
}

int list_breakers(const ClientOptions& options) {
  return run(options, "GET", "/api/v1/breakers", as_list(kBreakerColumns));
}

int show_breaker(const ClientOptions& options, const std::string& service) {
  return run(options, "GET", with_segment("/api/v1/breakers/", service), breaker_table);
}

int set_breaker(const ClientOptions& options, const std::string& action, const std::string& service) {
  return run(options, "POST", with_segment("/api/v1/breakers/", service) + "/" + action, breaker_table);
}

int explain_service(const ClientOptions& options, const std::string& service) {
  return run(options, "GET", with_segment("/api/v1/explain/", service), [](const json::Value& answer) {
    return fmt::format("{}\nat worst: {} attempts, {}\n",
                       format_table(answer["policies"].items(), kPolicyColumns),
                       format_cell(answer["attempts"]), format_cell(answer["time"]));
  });
}

}  // namespace flotilla::app
