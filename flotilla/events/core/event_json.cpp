#include "flotilla/events/core/event_json.hpp"

#include "flotilla/base/base64.hpp"
#include "flotilla/events/core/cloud_event.hpp"
#include "flotilla/json/utf8.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

constexpr std::string_view kRecorded = "recordedtime";

bool is_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = json::utf8_sequence(text, at);
    if (length == 0) {
      return false;
    }
    at += length;
  }
  return true;
}

}  // namespace

void append_event(std::string& out, const journal::Event& event, std::string_view recorded) {
  json::Writer writer(out);
  writer.begin_object().key("specversion").value("1.0");
  for (const auto& [name, value] : event.attributes) {
    if (name != kRecorded) {
      writer.key(name).value(value);
    }
  }
  writer.key(kRecorded).value(recorded);
  if (!event.data.empty()) {
    if (is_json_type(event.attribute("datacontenttype"))) {
      writer.key("data").raw(event.data);
    } else if (is_utf8(event.data)) {
      writer.key("data").value(event.data);
    } else {
      writer.key("data_base64").value(base64_encode(event.data));
    }
  }
  writer.end();
}

}  // namespace flotilla::events
