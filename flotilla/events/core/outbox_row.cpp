#include "flotilla/events/core/outbox_row.hpp"

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/json/check.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

// What the columns of the row say; everything else may stand in `headers`.
constexpr std::string_view kFromColumns[] = {"specversion",  "id",   "source",      "type",           "time",
                                             "partitionkey", "data", "data_base64", "datacontenttype"};

bool is_from_column(std::string_view name) {
  for (const std::string_view known : kFromColumns) {
    if (name == known) {
      return true;
    }
  }
  return false;
}

Result<> write_headers(json::Writer& writer, const std::string& text) {
  const auto headers = json::parse(text.empty() ? "{}" : text);
  if (!headers || !headers->is_object()) {
    return fail(Errc::invalid, "its headers are no JSON object");
  }
  for (const json::Member& member : headers->members()) {
    if (is_from_column(member.key())) {
      return fail(Errc::invalid, fmt::format("its headers hold '{}', which a column says", member.key()));
    }
    if (!member.value.is_null()) {
      writer.key(member.key()).value(member.value);
    }
  }
  return {};
}

}  // namespace

Result<std::string> render_event(const OutboxRow& row, std::string_view source) {
  if (row.bytes > kMaxOutboxRow) {
    return fail(Errc::limit, fmt::format("it has {} bytes, of at most {}", row.bytes, kMaxOutboxRow));
  }
  if (row.id.empty() || row.topic.empty()) {
    return fail(Errc::invalid, row.id.empty() ? "its id is empty" : "its topic is empty");
  }
  if (const auto fault = json::find_fault(row.data)) {
    return fail(Errc::invalid, fmt::format("its data is not JSON: byte {}: {}", fault->offset, fault->what));
  }
  std::string out;
  json::Writer writer(out);
  writer.begin_object().key("specversion").value("1.0").key("id").value(row.id).key("source").value(source);
  writer.key("type").value(row.type.empty() ? row.topic : row.type);
  writer.key("time").value(iso_time(row.written)).key("datacontenttype").value("application/json");
  if (row.key) {
    writer.key("partitionkey").value(*row.key);
  }
  if (auto headers = write_headers(writer, row.headers); !headers) {
    return std::unexpected(headers.error());
  }
  writer.key("data").raw(row.data).end();
  return out;
}

}  // namespace flotilla::events
