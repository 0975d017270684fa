#include "flotilla/app/cli_ask.hpp"

#include <cstdio>

#include <fmt/format.h>

#include "flotilla/http/core/uri.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::app {
namespace {

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

}  // namespace

int ask_and_show(const ClientOptions& options, http::Request request, const Show& show) {
  const auto response = ask_admin(options.target, std::move(request));
  if (!response) {
    return complain(response.error().message);
  }
  if (response->status / 100 != 2) {
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

}  // namespace flotilla::app
