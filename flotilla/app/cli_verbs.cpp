#include "flotilla/app/cli_verbs.hpp"

#include <array>
#include <cstdio>
#include <functional>

#include <fmt/format.h>

#include "flotilla/app/cli_table.hpp"
#include "flotilla/http/core/uri.hpp"
#include "flotilla/json/reader.hpp"

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
constexpr std::array kPolicyColumns{Column{"POLICY", "policy"}, Column{"SETTING", "setting"}};

int complain(const std::string& message) {
  fmt::print(stderr, "flotilla: {}\n", message);
  return 1;
}

// A problem (RFC 9457) as one line: "title: detail".
std::string problem_text(const http::Response& response) {
  const auto problem = json::parse(response.body);
  if (!problem || !(*problem)["title"].is_string()) {
    return fmt::format("the process answered with status {}", response.status);
  }
  const std::string title = format_cell((*problem)["title"]);
  const json::Value& detail = (*problem)["detail"];
  return detail.is_string() && !detail.as_string().empty() ? fmt::format("{}: {}", title, format_cell(detail))
                                                           : title;
}

using Show = std::function<std::string(const json::Value& answer)>;

int run(const ClientOptions& options, std::string method, std::string target, const Show& show) {
  const auto response = ask_admin(
      options.target, {.method = std::move(method), .target = std::move(target), .headers = {}, .body = {}});
  if (!response) {
    return complain(response.error().message);
  }
  if (response->status != 200) {
    return complain(problem_text(*response));
  }
  const auto answer = json::parse(response->body);
  if (!answer) {
    return complain(fmt::format("{} answered what is not JSON ({}); is it a flotilla admin port?",
                                options.target.url, answer.error().message));
  }
  fmt::print("{}", options.form == OutputForm::json ? response->body + "\n" : show(*answer));
  return 0;
}

Show as_list(std::span<const Column> columns) {
  return [columns](const json::Value& answer) { return format_table(answer["items"].items(), columns); };
}

std::string breaker_table(const json::Value& breaker) {
  return format_table(std::span(&breaker, 1), kBreakerColumns);
}

std::string with_segment(std::string path, std::string_view segment) {
  http::percent_encode_segment(path, segment);
  return path;
}

void add_parameter(std::string& target, std::string_view name, std::string_view value) {
  target += target.contains('?') ? '&' : '?';
  target += name;
  target += '=';
  http::percent_encode_query_value(target, value);
}

}  // namespace

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
