#include "flotilla/admin/report_json.hpp"

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"

namespace flotilla::admin {
namespace {

void write_time(json::Writer& out, const std::optional<WallTime>& time) {
  if (time) {
    out.value(iso_time(*time));
  } else {
    out.value(nullptr);
  }
}

}  // namespace

std::string duration_text(Duration duration) {
  const std::int64_t ms = to_millis(duration);
  return ms % 1000 == 0 ? fmt::format("{}s", ms / 1000) : fmt::format("{}ms", ms);
}

void write_json(json::Writer& out, const ServiceReport& report) {
  out.begin_object().key("name").value(report.name).key("source").value(report.source);
  out.key("instances").begin_array();
  for (const InstanceReport& instance : report.instances) {
    out.begin_object().key("id").value(instance.id).key("address").value(instance.address);
    out.key("weight").value(instance.weight).key("healthy").value(instance.healthy).end();
  }
  out.end().end();
}

void write_json(json::Writer& out, const RouteReport& report) {
  out.begin_object().key("gateway").value(report.gateway).key("name").value(report.name);
  out.key("action").value(report.action).key("requests").value(report.requests).end();
}

void write_json(json::Writer& out, const RouteExplanation& report) {
  out.begin_object().key("result").value(report.result).key("candidates").begin_array();
  for (const RouteCandidate& candidate : report.candidates) {
    out.begin_object().key("route").value(candidate.route);
    out.key("matches").value(candidate.matches).key("why").value(candidate.why).end();
  }
  out.end().end();
}

void write_json(json::Writer& out, const BreakerReport& report) {
  out.begin_object().key("service").value(report.service).key("state").value(report.state);
  out.key("mode").value(report.mode).key("failures").value(report.failures);
  write_time(out.key("opened_at"), report.opened_at);
  write_time(out.key("retry_at"), report.retry_at);
  out.end();
}

void write_json(json::Writer& out, const ExplainReport& report) {
  out.begin_object().key("service").value(report.service).key("policies").begin_array();
  for (const PolicyReport& policy : report.policies) {
    out.begin_object().key("policy").value(policy.policy).key("setting").value(policy.setting).end();
  }
  out.end().key("attempts").value(report.attempts).key("time").value(duration_text(report.time)).end();
}

}  // namespace flotilla::admin
