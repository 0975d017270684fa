#include "flotilla/cqrs/operator_api.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/cqrs/view_answer.hpp"
#include "flotilla/http/core/api_answer.hpp"
#include "flotilla/journal/core/position.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {
namespace {

json::Value version_json(const VersionReport& report) {
  json::Value out = json::Value::object({{"version", report.version.generation},
                                         {"fold", report.version.hash},
                                         {"position", report.position.text()},
                                         {"rows", report.checkpoint.rows},
                                         {"events", report.checkpoint.events}});
  if (!report.failure.empty()) {
    out.set("failure", report.failure);
  }
  return out;
}

// Records of all shards that it has not looked behind.
std::uint64_t lag_of(const ViewStatus& status) {
  std::uint64_t lag = 0;
  const journal::ReadToken& at = status.report.live->position;
  for (std::uint32_t shard = 0; shard < std::min(at.shards(), status.journal.shards()); ++shard) {
    const std::uint64_t end = status.journal.at(shard).number();
    lag += end - std::min(end, at.at(shard).number());
  }
  return lag;
}

std::string_view state_of(const ViewStatus& status) {
  const ViewReport& report = status.report;
  const bool stopped = (report.live && !report.live->failure.empty()) ||
                       (!report.live && report.building && !report.building->failure.empty());
  return !status.failure.empty() ? "failed"
         : !report.loaded        ? "starting"
         : stopped               ? "stopped"
         : report.building       ? (report.live ? "rebuilding" : "building")
                                 : "live";
}

}  // namespace

json::Value to_json(const ViewStatus& status) {
  const ViewReport& report = status.report;
  json::Value from = json::Value::array();
  for (const std::string& topic : status.definition->texts.from) {
    from.push_back(topic);
  }
  json::Value out = json::Value::object(
      {{"name", status.definition->name},
       {"state", state_of(status)},
       {"from", from},
       {"key", status.definition->texts.key},
       {"here", status.here},
       {"row", status.definition->by_row() ? json::Value(status.definition->texts.row) : json::Value()}});
  const std::optional<VersionReport>& live = report.live;
  out.set("version", live ? json::Value(live->version.generation) : json::Value());
  out.set("position", live ? json::Value(live->position.text()) : json::Value());
  out.set("lag", live ? json::Value(lag_of(status)) : json::Value());
  out.set("rows", live ? json::Value(live->checkpoint.rows) : json::Value());
  out.set("events", live ? json::Value(live->checkpoint.events) : json::Value());
  out.set("behind_since", status.behind_since_ms == 0
                              ? json::Value()
                              : json::Value(iso_time({status.behind_since_ms * 1'000'000})));
  out.set("memory", status.memory);
  out.set("building", report.building ? version_json(*report.building) : json::Value());
  out.set("copies", status.copies == CopyState::none
                        ? json::Value()
                        : json::Value::object(
                              {{"state", to_string(status.copies)}, {"pending", status.copies_pending}}));
  const std::string failure = !status.failure.empty()          ? status.failure
                              : live && !live->failure.empty() ? live->failure
                              : report.building && !live       ? report.building->failure
                                                               : std::string();
  if (!failure.empty()) {
    out.set("failure", failure);
  }
  return out;
}

net::Task<http::Response> OperatorApi::rebuild(std::string name, std::string body) {
  std::string who;
  if (!body.empty()) {
    const auto said = json::parse(body);
    if (!said || !said->is_object()) {
      co_return refusal_answer(
          {.reason = Reason::malformed, .detail = "the body is a JSON object, or empty"});
    }
    for (const json::Member& member : said->members()) {
      if ((member.key() != "who" && member.key() != "why") || !member.value.is_string() ||
          member.value.as_string().size() > kMaxWords) {
        co_return refusal_answer(
            {.reason = Reason::invalid,
             .detail =
                 fmt::format("the body may have 'who' and 'why', texts of at most {} bytes", kMaxWords)});
      }
      who += (who.empty() ? "" : ", ") + std::string(member.value.as_string());
    }
  }
  const auto status = co_await runner_.rebuild(std::move(name), std::move(who));
  co_return status ? http::json_response(json::write(to_json(*status))) : refusal_answer(status.error());
}

net::Task<http::Response> OperatorApi::handle(http::Request request, net::SocketAddress /*peer*/) {
  const auto path = http::read_api_path(request.target, kPrefix);
  const std::size_t depth = path ? path->segments.size() : 3;
  if (depth > 2 || (depth == 2 && path->segments[1] != "rebuild")) {
    co_return refusal_answer({.reason = Reason::not_found,
                              .detail = "the management API has no such path; views are at /api/v1/views and "
                                        "/api/v1/views/{view}, and take POST .../rebuild"});
  }
  if (depth == 2) {
    co_return request.method == "POST" ? co_await rebuild(path->segments[0], std::move(request.body))
                                       : http::method_response("POST");
  }
  if (request.method != "GET" && request.method != "HEAD") {
    co_return http::method_response("GET, HEAD");
  }
  if (depth == 1) {
    const auto status = co_await runner_.show(path->segments[0]);
    co_return status ? http::json_response(json::write(to_json(*status))) : refusal_answer(status.error());
  }
  json::Value items = json::Value::array();
  for (const ViewStatus& each : co_await runner_.list()) {
    items.push_back(to_json(each));
  }
  co_return http::json_response(json::write(json::Value::object({{"items", items}, {"next", nullptr}})));
}

}  // namespace flotilla::cqrs
