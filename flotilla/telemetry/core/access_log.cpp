#include "flotilla/telemetry/core/access_log.hpp"

#include <iterator>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/json/utf8.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::telemetry {
namespace {

// Readers of JSON reject a line that is not UTF-8, and clients choose the bytes of paths and methods.
void add_text(std::string& out, std::string_view name, std::string_view text) {
  out += ",\"";
  out += name;
  out += "\":";
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = json::utf8_sequence(text, at);
    if (length == 0) {
      break;
    }
    at += length;
  }
  if (at == text.size()) [[likely]] {
    json::append_quoted(out, text);
    return;
  }
  std::string clean(text.substr(0, at));
  while (at < text.size()) {
    const std::size_t length = json::utf8_sequence(text, at);
    if (length == 0) {
      clean += "\xEF\xBF\xBD";
      ++at;
    } else {
      clean += text.substr(at, length);
      at += length;
    }
  }
  json::append_quoted(out, clean);
}

void add_text_if_any(std::string& out, std::string_view name, std::string_view text) {
  if (!text.empty()) {
    add_text(out, name, text);
  }
}

void add_path(std::string& out, std::string_view target) {
  const std::string_view path = target.substr(0, target.find_first_of("?#"));
  add_text(out, "path", path.substr(0, kMostPath));
  if (path.size() > kMostPath) {
    out += ",\"path_cut\":true";
  }
}

}  // namespace

void append_access_line(std::string& out, const AccessRecord& record) {
  out += "{\"time\":\"";
  append_iso_time(out, record.time);
  out += '"';
  const TraceIdText trace = trace_id_text(record.trace);
  add_text(out, "trace_id", {trace.data(), trace.size()});
  add_text(out, "gateway", record.gateway);
  add_text_if_any(out, "route", record.route);
  add_text(out, "method", record.method);
  add_path(out, record.target);
  auto end = std::back_inserter(out);
  fmt::format_to(end, ",\"status\":{}", record.status);
  if (record.reason) {
    add_text(out, "reason", to_string(*record.reason));
  }
  const std::int64_t us = record.duration.count() / 1000;
  fmt::format_to(end, ",\"bytes\":{},\"duration_ms\":{}.{:03}", record.bytes, us / 1000, us % 1000);
  if (!record.service.empty()) {
    add_text(out, "service", record.service);
    add_text_if_any(out, "instance", record.instance);
    fmt::format_to(end, ",\"attempts\":{}", record.attempts);
  }
  add_text(out, "client", record.client);
  out += "}\n";
}

}  // namespace flotilla::telemetry
