#include "flotilla/app/cli_sagas.hpp"

#include <array>
#include <cstdio>
#include <vector>

#include <fmt/format.h>

#include "flotilla/json/writer.hpp"

namespace flotilla::app {
namespace {

constexpr std::size_t kMostOutput = 60;  // characters of a step's output in a table

constexpr std::array kSagaColumns{Column{"ID", "id"},          Column{"NAME", "name"},
                                  Column{"STATE", "state"},    Column{"STEP", "step"},
                                  Column{"REASON", "reason"},  Column{"CREATED", "created"},
                                  Column{"CHANGED", "changed"}};
constexpr std::array kCountColumns{Column{"NAME", "name"}, Column{"STATE", "state"},
                                   Column{"COUNT", "count"}};
constexpr std::array kStepColumns{Column{"STEP", "name"}, Column{"KIND", "kind"}, Column{"STATE", "state"},
                                  Column{"ATTEMPTS", "attempts"}, Column{"OUTPUT", "shown"}};
constexpr std::array kRecordColumns{Column{"SEQ", "seq"},       Column{"TIME", "time"},
                                    Column{"RECORD", "type"},   Column{"STEP", "step"},
                                    Column{"STATUS", "status"}, Column{"NOTE", "note"}};

// "charge: refused (402)", of what is there. That it was a step is said by naming it.
std::string cause_text(const json::Value& cause) {
  const bool by_step = cause["reason"] == json::Value("step") && cause["detail"].is_string();
  std::string text = cause["step"].is_string() ? format_cell(cause["step"]) + ": " : "";
  text += format_cell(by_step ? cause["detail"] : cause["reason"]);
  if (!cause["status"].is_null()) {
    text += fmt::format(" ({})", format_cell(cause["status"]));
  }
  return cause["detail"].is_string() && !by_step ? fmt::format("{}: {}", text, format_cell(cause["detail"]))
                                                 : text;
}

void add_line(std::string& out, std::string_view heading, const std::string& text) {
  out += fmt::format("{:<11}{}\n", heading, text);
}

std::string step_table(const json::Value& saga) {
  std::vector<json::Value> rows;
  for (json::Value step : saga["steps"].items()) {
    if (const json::Value* const output = step.find("output")) {
      std::string text = json::write(*output);
      if (text.size() > kMostOutput) {
        std::size_t end = kMostOutput;
        while ((static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) {
          --end;  // never within a character
        }
        text.resize(end);
        text += "...";
      }
      step.set("shown", json::Value(text));
    }
    rows.push_back(std::move(step));
  }
  return format_table(rows, kStepColumns);
}

std::string record_table(const json::Value& saga) {
  std::vector<json::Value> rows;
  for (json::Value record : saga["timeline"].items()) {
    if (record["who"].is_string()) {
      record.set("note",
                 json::Value(fmt::format("{}{} by {}: {}", record["verb"].is_string() ? "" : "asked",
                                         record["verb"].is_string() ? format_cell(record["verb"]) : "",
                                         format_cell(record["who"]), format_cell(record["why"]))));
    } else if (record["detail"].is_string()) {
      record.set("note", record["detail"]);
    } else if (record["reason"].is_string()) {
      record.set("note", record["reason"]);
    }
    rows.push_back(std::move(record));
  }
  return format_table(rows, kRecordColumns);
}

std::string saga_text(const json::Value& saga) {
  std::string out;
  add_line(out, "ID", format_cell(saga["id"]));
  add_line(out, "NAME", format_cell(saga["name"]));
  add_line(out, "STATE", format_cell(saga["state"]));
  if (saga.find("cause") != nullptr) {
    add_line(out, "CAUSE", cause_text(saga["cause"]));
  }
  if (saga.find("suspension") != nullptr) {
    add_line(out, "SUSPENDED", cause_text(saga["suspension"]));
  }
  if (saga["decided_by"].is_string()) {
    add_line(out, "DECIDED BY", format_cell(saga["decided_by"]));
  }
  if (saga.find("result") != nullptr) {
    add_line(out, "RESULT", format_cell(json::Value(json::write(saga["result"]))));
  }
  add_line(out, "CREATED", format_cell(saga["created"]));
  add_line(out, "CHANGED", format_cell(saga["changed"]));
  add_line(out, "SEQ", format_cell(saga["seq"]));
  out += '\n' + step_table(saga);
  if (saga.find("timeline") != nullptr) {
    out += '\n' + record_table(saga);
  }
  return out;
}

std::string saga_path(const std::string& id) { return with_segment("/api/v1/sagas/", id); }

int get(const ClientOptions& options, std::string target, const Show& show) {
  return ask_and_show(options, {.method = "GET", .target = std::move(target), .headers = {}, .body = {}},
                      show);
}

// The target with what the filter says of the sagas that are meant. Error: invalid (an attribute without
// `=`).
Result<std::string> filtered(std::string target, const SagaFilter& filter) {
  if (!filter.name.empty()) {
    add_parameter(target, "name", filter.name);
  }
  if (!filter.state.empty()) {
    add_parameter(target, "state", filter.state);
  }
  for (const std::string& attribute : filter.search) {
    const std::size_t equals = attribute.find('=');
    if (equals == std::string::npos) {
      return fail(Errc::invalid, fmt::format("--search {}: expected NAME=TEXT", attribute));
    }
    add_parameter(target, "search." + attribute.substr(0, equals), attribute.substr(equals + 1));
  }
  return target;
}

int misused(const Error& error) {
  fmt::print(stderr, "flotilla: {}\n", error.message);
  return 2;
}

}  // namespace

int list_sagas(const ClientOptions& options, const SagaFilter& filter) {
  auto target = filtered("/api/v1/sagas", filter);
  if (!target) {
    return misused(target.error());
  }
  add_parameter(*target, "limit", std::to_string(filter.limit));
  if (!filter.after.empty()) {
    add_parameter(*target, "after", filter.after);
  }
  return get(options, *std::move(target), [](const json::Value& answer) {
    if (answer["next"].is_string()) {
      fmt::print(stderr, "flotilla: there are more: --after {}\n", format_cell(answer["next"]));
    }
    return as_list(kSagaColumns)(answer);
  });
}

int count_sagas(const ClientOptions& options, const SagaFilter& filter) {
  auto target = filtered("/api/v1/sagas/count", filter);
  return target ? get(options, *std::move(target), as_list(kCountColumns)) : misused(target.error());
}

int show_saga(const ClientOptions& options, const std::string& id, bool timeline) {
  return get(options, saga_path(id) + (timeline ? "?timeline=true" : ""), &saga_text);
}

int operate_saga(const ClientOptions& options, const SagaOrder& order) {
  std::string body;
  json::Writer out(body);
  out.begin_object().key("who").value(order.who).key("why").value(order.why);
  if (!order.step.empty()) {
    out.key("step").value(order.step);
  }
  if (!order.result.empty()) {
    out.key("result").raw(order.result);
  }
  if (!order.version.empty()) {
    out.key("version").value(order.version);
  }
  if (order.expected_seq) {
    out.key("expected_seq").value(*order.expected_seq);
  }
  out.end();
  return ask_and_show(options,
                      {.method = "POST",
                       .target = saga_path(order.id) + "/" + order.verb,
                       .headers = {{"Content-Type", "application/json"}},
                       .body = std::move(body)},
                      &saga_text);
}

int signal_saga(const ClientOptions& options, const SagaSignal& signal) {
  return ask_and_show(options,
                      {.method = "POST",
                       .target = with_segment(saga_path(signal.id) + "/signal/", signal.name),
                       .headers = {{"Content-Type", "application/json"}},
                       .body = signal.payload},
                      [](const json::Value&) { return std::string("delivered\n"); });
}

}  // namespace flotilla::app
