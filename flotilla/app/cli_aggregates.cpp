#include "flotilla/app/cli_aggregates.hpp"

#include <array>
#include <span>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "flotilla/json/writer.hpp"

namespace flotilla::app {
namespace {

constexpr std::array kDeclaredColumns{Column{"NAME", "name"}, Column{"COMMANDS", "commands"},
                                      Column{"SNAPSHOT EVERY", "snapshot_every"}};
constexpr std::array kRowColumns{Column{"ID", "id"}, Column{"CREATED", "created"}};
constexpr std::array kSightColumns{Column{"AGGREGATE", "aggregate"}, Column{"ID", "id"},
                                   Column{"VERSION", "version"},     Column{"NEWEST", "newest"},
                                   Column{"SNAPSHOT", "snapshot"},   Column{"POSITION", "position"}};
constexpr std::array kEventColumns{Column{"VERSION", "version"}, Column{"TYPE", "type"},
                                   Column{"TIME", "time"}, Column{"POSITION", "position"},
                                   Column{"DATA", "data"}};

std::string more(const json::Value& answer) {
  return answer["next"].is_string() ? fmt::format("\nmore with --after {}\n", answer["next"].as_string())
                                    : std::string();
}

std::string rows(const json::Value& answer) {
  return format_table(answer["items"].items(), kRowColumns) + more(answer);
}

std::string sight(const json::Value& answer) {
  return fmt::format("{}\n{}\n\n{}{}", format_table(std::span(&answer, 1), kSightColumns),
                     json::write(answer["state"], json::Style::pretty),
                     format_table(answer["items"].items(), kEventColumns), more(answer));
}

int ask(const ClientOptions& options, const AggregateOrder& order) {
  http::Request request{.target = "/api/v1/aggregates", .headers = {}, .body = {}};
  if (order.name.empty()) {
    return ask_and_show(options, std::move(request), as_list(kDeclaredColumns));
  }
  request.target = with_segment(request.target + "/", order.name);
  if (order.verb == "show") {
    request.target = with_segment(request.target + "/", order.id);
    if (order.at > 0) {
      add_parameter(request.target, "at", std::to_string(order.at));
    }
  }
  add_parameter(request.target, "limit", std::to_string(order.limit));
  if (!order.after.empty()) {
    add_parameter(request.target, "after", order.after);
  }
  return ask_and_show(options, std::move(request), order.verb == "show" ? &sight : &rows);
}

}  // namespace

void add_aggregate_options(CLI::App& verb, AggregateOrder& order, const ClientOptions& options,
                           std::function<int()>& run) {
  verb.add_option("ACTION", order.verb, "list or show")->check(CLI::IsMember({"list", "show"}));
  verb.add_option("NAME", order.name, "list: of which aggregate the ids, or else those that the file names");
  verb.add_option("ID", order.id, "show: which one, with its state and its events");
  verb.add_option("--at", order.at, "show: as of this version")->check(CLI::PositiveNumber);
  verb.add_option("--limit", order.limit, "at most so many ids or events")
      ->check(CLI::Range(1, 500))
      ->capture_default_str();
  verb.add_option("--after", order.after, "from where a page ended");
  verb.callback([&order, &options, &run] {
    const bool show = order.verb == "show";
    if (show && (order.name.empty() || order.id.empty())) {
      throw CLI::ValidationError("ID", "show needs an aggregate's name and an id");
    }
    if (!show && (!order.id.empty() || order.at > 0)) {
      throw CLI::ValidationError(order.id.empty() ? "--at" : "ID", "list takes none");
    }
    run = [&] { return ask(options, order); };
  });
}

}  // namespace flotilla::app
