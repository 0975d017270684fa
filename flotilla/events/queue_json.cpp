// Queues and their calls as the API shows them.
#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "flotilla/base/iso_time.hpp"
#include "flotilla/base/text.hpp"
#include "flotilla/events/queue_api.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::events {
namespace {

constexpr std::array<std::string_view, 4> kSecret{"Authorization", "Cookie", "Proxy-Authorization",
                                                  "Idempotency-Key"};

json::Value time_or_null(std::int64_t millis) {
  return millis == 0 ? json::Value() : json::Value(iso_time({millis * 1'000'000}));
}

std::string_view name_of(QueueGate gate) {
  constexpr std::array<std::string_view, 3> names{"closed", "probe", "open"};
  return names[static_cast<std::size_t>(gate)];
}

// JSON as JSON, anything else as text, where it is text.
json::Value body_of(std::string_view body) {
  if (body.empty()) {
    return {};
  }
  if (auto value = json::parse(body)) {
    return *std::move(value);
  }
  const bool text =
      std::ranges::all_of(body, [](char c) { return (c >= 0x20 && c < 0x7f) || c == '\n' || c == '\t'; });
  return text ? json::Value(body) : json::Value(fmt::format("{} bytes", body.size()));
}

json::Value request_of(const AcceptedRecord& accepted) {
  json::Value headers = json::Value::object();
  for (const http::Field& field : accepted.request.headers) {
    const bool secret =
        std::ranges::any_of(kSecret, [&](std::string_view name) { return iequals(name, field.name); });
    headers.set(field.name, secret ? json::Value("***") : json::Value(field.value));
  }
  return json::Value::object({{"method", accepted.request.method},
                              {"path", accepted.request.target},
                              {"headers", headers},
                              {"body", body_of(accepted.request.body)}});
}

struct Told {
  json::Value history = json::Value::array();
  json::Value request;
  json::Value result;
};

json::Value entry(std::string_view what, std::int64_t at) {
  return json::Value::object({{"what", what}, {"at", time_or_null(at)}});
}

Result<> tell_outcome(Told& told, const OutcomeRecord& outcome, std::int64_t at) {
  json::Value out = entry(to_string(outcome.state), at);
  out.set("code", outcome.code);
  out.set("certainty", to_string(outcome.certainty));
  if (outcome.reason) {
    out.set("reason", to_string(*outcome.reason));
  }
  told.history.push_back(std::move(out));
  if (outcome.status != 0) {
    told.result =
        json::Value::object({{"status", outcome.status},
                             {"content_type", outcome.content_type},
                             {"body", outcome.cut ? json::Value(outcome.body) : body_of(outcome.body)},
                             {"cut", outcome.cut}});
  }
  return {};
}

Result<> tell(Told& told, const journal::Record& record) {
  const std::int64_t at = record.time.value();
  switch (static_cast<QueueRecord>(record.type)) {
    case QueueRecord::accepted: {
      const auto accepted = decode_accepted(record.body);
      if (!accepted) {
        return std::unexpected(accepted.error());
      }
      told.request = request_of(*accepted);
      json::Value out = entry("accepted", at);
      out.set("code", accepted->cause);
      out.set("certainty", to_string(accepted->certainty));
      told.history.push_back(std::move(out));
      return {};
    }
    case QueueRecord::sending: {
      const auto sending = decode_sending(record.body);
      if (!sending) {
        return std::unexpected(sending.error());
      }
      json::Value out = entry("sending", at);
      out.set("attempt", sending->attempt);
      told.history.push_back(std::move(out));
      return {};
    }
    case QueueRecord::outcome: {
      const auto outcome = decode_outcome(record.body);
      return outcome ? tell_outcome(told, *outcome, at) : std::unexpected(outcome.error());
    }
    case QueueRecord::requeued:
    case QueueRecord::removed: {
      const auto person = decode_person(record.body);
      if (!person) {
        return std::unexpected(person.error());
      }
      json::Value out =
          entry(record.type == static_cast<std::uint16_t>(QueueRecord::removed) ? "removed" : "requeued", at);
      out.set("by", person->who_why);
      told.history.push_back(std::move(out));
      return {};
    }
  }
  return fail(Errc::invalid, fmt::format("a record of type {} is unknown", record.type));
}

}  // namespace

json::Value to_json(const QueueReport& report) {
  const QueuePolicy& policy = report.queue->policy;
  json::Value out = json::Value::object({{"name", policy.name},
                                         {"service", report.queue->service.value()},
                                         {"state", report.state},
                                         {"waiting", report.view.open},
                                         {"in_flight", report.view.in_flight},
                                         {"dead", report.view.dead},
                                         {"bytes", report.view.bytes},
                                         {"oldest", time_or_null(report.view.oldest)},
                                         {"gate", name_of(report.view.gate)},
                                         {"troubled", report.view.troubled},
                                         {"most_items", policy.items},
                                         {"most_bytes", policy.bytes}});
  if (!report.failure.empty()) {
    out.set("failure", report.failure);
  }
  return out;
}

json::Value to_json(const QueueItem& item) {
  json::Value out =
      json::Value::object({{"id", item.id.text()},
                           {"key", item.key.empty() ? json::Value() : json::Value(item.key)},
                           {"state", to_string(item.state)},
                           {"certainty", to_string(item.certainty)},
                           {"attempts", item.attempts},
                           {"accepted", time_or_null(item.accepted)},
                           {"expires", time_or_null(item.expires)},
                           {"due", time_or_null(item.due)},
                           {"code", item.code},
                           {"request", json::Value::object({{"method", item.method}, {"path", item.path}})}});
  if (item.reason) {
    out.set("reason", to_string(*item.reason));
  }
  return out;
}

Result<json::Value> to_json(const QueueItemStory& story) {
  Told told;
  for (const journal::RecordPtr& stored : story.records) {
    if (const auto good = tell(told, stored->record); !good) {
      return std::unexpected(good.error());
    }
  }
  json::Value out = to_json(story.item);
  out.set("request", std::move(told.request));
  out.set("result", std::move(told.result));
  out.set("history", std::move(told.history));
  return out;
}

}  // namespace flotilla::events
