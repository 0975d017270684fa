#include "flotilla/events/core/queue_item.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/journal/core/body.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

using journal::BodyReader;
using journal::BodyWriter;
using journal::Field;

constexpr std::array<std::string_view, kQueueStates> kStates{"pending", "sending", "done", "dead", "removed"};
constexpr std::array<std::string_view, kQueueDeadReasons> kReasons{"refused", "exhausted", "expired",
                                                                   "unknown"};
constexpr std::array<std::string_view, 2> kCertainties{"never-sent", "unknown"};

template <class Enum, std::size_t N>
std::optional<Enum> parse(const std::array<std::string_view, N>& names, std::string_view text) {
  const auto* const found = std::ranges::find(names, text);
  return found == names.end() ? std::nullopt : std::optional(static_cast<Enum>(found - names.begin()));
}

// Feeds each field to `take`, which says whether it knows it.
template <class Take>
Result<> read_fields(std::string_view body, Take take) {
  BodyReader reader(body);
  for (;;) {
    const auto field = reader.next();
    if (!field) {
      return std::unexpected(field.error());
    }
    if (!*field) {
      return {};
    }
    if (!take(**field)) {
      return fail(Errc::invalid, fmt::format("field {} is unknown, or not what it should be", (*field)->tag));
    }
  }
}

bool take_text(const Field& field, std::string& into) {
  into = field.bytes;
  return field.is_bytes;
}

template <class Number>
bool take_number(const Field& field, Number& into, std::uint64_t most) {
  into = static_cast<Number>(field.number);
  return !field.is_bytes && field.number <= most;
}

bool take_id(const Field& field, Ulid& into) {
  const auto id = field.is_bytes ? Ulid::parse(field.bytes) : std::nullopt;
  into = id.value_or(Ulid());
  return id.has_value();
}

bool take_header(const Field& field, http::Fields& into) {
  const std::size_t colon = field.bytes.find(':');
  if (!field.is_bytes || colon == std::string_view::npos) {
    return false;
  }
  into.add(std::string(field.bytes.substr(0, colon)), std::string(field.bytes.substr(colon + 1)));
  return true;
}

}  // namespace

std::string_view to_string(QueueState state) noexcept { return kStates[static_cast<std::size_t>(state)]; }
std::optional<QueueState> parse_queue_state(std::string_view text) noexcept {
  return parse<QueueState>(kStates, text);
}
std::string_view to_string(QueueDeadReason reason) noexcept {
  return kReasons[static_cast<std::size_t>(reason)];
}
std::string_view to_string(Certainty certainty) noexcept {
  return kCertainties[static_cast<std::size_t>(certainty)];
}

std::string to_attributes(const QueueItem& item) {
  json::Value out = json::Value::object({{"id", item.id.text()},
                                         {"version", item.version},
                                         {"certainty", to_string(item.certainty)},
                                         {"attempts", item.attempts},
                                         {"bytes", item.bytes},
                                         {"accepted", item.accepted},
                                         {"expires", item.expires},
                                         {"due", item.due},
                                         {"resendable", item.resendable},
                                         {"forced", item.forced},
                                         {"method", item.method},
                                         {"path", item.path.substr(0, kMaxItemText)},
                                         {"code", item.code.substr(0, kMaxItemText)},
                                         {"claim", item.claim},
                                         {"key", item.key}});
  if (item.reason) {
    out.set("reason", to_string(*item.reason));
  }
  return json::write(out);
}

Result<QueueItem> read_attributes(std::string_view attributes, journal::StreamId stream,
                                  std::string_view state) {
  const auto bad = [&](std::string_view what) {
    return fail(Errc::invalid, fmt::format("the row of stream {} is damaged: {}", stream.value(), what));
  };
  const auto value = json::parse(attributes);
  if (!value) {
    return bad(value.error().message);
  }
  const json::Value& row = *value;
  const auto text = [&](std::string_view name) {
    return row[name].is_string() ? row[name].as_string() : std::string_view();
  };
  const auto number = [&](std::string_view name) { return row[name].as_int().value_or(-1); };
  QueueItem item{.stream = stream};
  const auto id = Ulid::parse(text("id"));
  const auto known = parse_queue_state(state);
  const auto certainty = parse<Certainty>(kCertainties, text("certainty"));
  for (const std::string_view name : {"version", "attempts", "bytes", "accepted", "expires", "due"}) {
    if (number(name) < 0) {
      return bad(name);
    }
  }
  if (!id || !known || !certainty) {
    return bad(!id ? "id" : !known ? "state" : "certainty");
  }
  item.id = *id;
  item.state = *known;
  item.certainty = *certainty;
  item.version = static_cast<std::uint64_t>(number("version"));
  item.attempts = static_cast<std::uint32_t>(number("attempts"));
  item.bytes = static_cast<std::uint64_t>(number("bytes"));
  item.accepted = number("accepted");
  item.expires = number("expires");
  item.due = number("due");
  item.resendable = row["resendable"].is_true();
  item.forced = row["forced"].is_true();
  item.method = text("method");
  item.path = text("path");
  item.code = text("code");
  item.claim = text("claim");
  item.key = text("key");
  item.reason = parse<QueueDeadReason>(kReasons, text("reason"));
  return item;
}

std::vector<journal::RecordType> queue_record_types() {
  using journal::RecordClass;
  const auto type = [](QueueRecord record, std::string_view name) {
    return journal::RecordType{RecordClass::queue, static_cast<std::uint16_t>(record), 1, name};
  };
  return {type(QueueRecord::accepted, "accepted"), type(QueueRecord::sending, "sending"),
          type(QueueRecord::outcome, "outcome"), type(QueueRecord::requeued, "requeued"),
          type(QueueRecord::removed, "removed")};
}

std::string encode(const AcceptedRecord& record) {
  std::string out;
  BodyWriter body(out);
  body.bytes(1, record.id.text()).bytes(2, record.key).bytes(3, record.service);
  body.bytes(4, record.request.method).bytes(5, record.request.target);
  for (const http::Field& field : record.request.headers) {
    body.bytes(6, field.name + ":" + field.value);
  }
  body.bytes(7, record.request.body).bytes(8, record.idempotency_key);
  body.number(9, record.resendable ? 1 : 0).number(10, static_cast<std::uint64_t>(record.certainty));
  body.bytes(11, record.cause).number(12, static_cast<std::uint64_t>(record.expires));
  return out;
}

std::string encode(const SendingRecord& record) {
  std::string out;
  BodyWriter(out).number(1, record.attempt);
  return out;
}

std::string encode(const OutcomeRecord& record) {
  std::string out;
  BodyWriter body(out);
  body.number(1, static_cast<std::uint64_t>(record.state))
      .number(2, static_cast<std::uint64_t>(record.certainty));
  body.number(3, record.attempts).bytes(4, record.code).number(5, record.status);
  body.bytes(6, record.content_type).bytes(7, record.body).number(8, record.cut ? 1 : 0);
  if (record.reason) {
    body.number(9, static_cast<std::uint64_t>(*record.reason));
  }
  return out;
}

std::string encode(const PersonRecord& record) {
  std::string out;
  BodyWriter(out).bytes(1, record.who_why);
  return out;
}

Result<AcceptedRecord> decode_accepted(std::string_view body) {
  AcceptedRecord out;
  const auto read = read_fields(body, [&out](const Field& field) {
    switch (field.tag) {
      case 1:
        return take_id(field, out.id);
      case 2:
        return take_text(field, out.key);
      case 3:
        return take_text(field, out.service);
      case 4:
        return take_text(field, out.request.method);
      case 5:
        return take_text(field, out.request.target);
      case 6:
        return take_header(field, out.request.headers);
      case 7:
        return take_text(field, out.request.body);
      case 8:
        return take_text(field, out.idempotency_key);
      case 9:
        return take_number(field, out.resendable, 1);
      case 10:
        return take_number(field, out.certainty, 1);
      case 11:
        return take_text(field, out.cause);
      case 12:
        return take_number(field, out.expires, journal::kMaxNumber);
      default:
        return false;
    }
  });
  return read ? Result<AcceptedRecord>(std::move(out)) : std::unexpected(read.error());
}

Result<SendingRecord> decode_sending(std::string_view body) {
  SendingRecord out;
  const auto read = read_fields(body, [&out](const Field& field) {
    return field.tag == 1 && take_number(field, out.attempt, UINT32_MAX);
  });
  return read ? Result<SendingRecord>(out) : std::unexpected(read.error());
}

Result<OutcomeRecord> decode_outcome(std::string_view body) {
  OutcomeRecord out;
  const auto read = read_fields(body, [&out](const Field& field) {
    switch (field.tag) {
      case 1:
        return take_number(field, out.state, kQueueStates - 1);
      case 2:
        return take_number(field, out.certainty, 1);
      case 3:
        return take_number(field, out.attempts, UINT32_MAX);
      case 4:
        return take_text(field, out.code);
      case 5:
        return take_number(field, out.status, UINT16_MAX);
      case 6:
        return take_text(field, out.content_type);
      case 7:
        return take_text(field, out.body);
      case 8:
        return take_number(field, out.cut, 1);
      case 9:
        out.reason = static_cast<QueueDeadReason>(field.number);
        return !field.is_bytes && field.number < kQueueDeadReasons;
      default:
        return false;
    }
  });
  return read ? Result<OutcomeRecord>(std::move(out)) : std::unexpected(read.error());
}

Result<PersonRecord> decode_person(std::string_view body) {
  PersonRecord out;
  const auto read = read_fields(
      body, [&out](const Field& field) { return field.tag == 1 && take_text(field, out.who_why); });
  return read ? Result<PersonRecord>(std::move(out)) : std::unexpected(read.error());
}

}  // namespace flotilla::events
