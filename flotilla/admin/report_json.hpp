// The reports of a Platform as the management API writes them (DESIGN 4.4). Ownership: append to the
// writer's text. Threads: pure.
#pragma once

#include "flotilla/admin/platform.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::admin {

void write_json(json::Writer& out, const ServiceReport& report);
void write_json(json::Writer& out, const RouteReport& report);
void write_json(json::Writer& out, const RouteExplanation& report);
void write_json(json::Writer& out, const BreakerReport& report);
void write_json(json::Writer& out, const ExplainReport& report);

// As the configuration file writes durations: "5s", "250ms"; parts of a millisecond are cut off.
[[nodiscard]] std::string duration_text(Duration duration);

// {"items":[...],"next":null}
template <class Report>
void write_json_list(json::Writer& out, const std::vector<Report>& items) {
  out.begin_object().key("items").begin_array();
  for (const Report& item : items) {
    write_json(out, item);
  }
  out.end().key("next").value(nullptr).end();
}

}  // namespace flotilla::admin
