#include "flotilla/cqrs/core/command_record.hpp"

#include <array>

#include <fmt/format.h>

#include "flotilla/base/sha256.hpp"
#include "flotilla/journal/core/body.hpp"
#include "flotilla/json/canonical.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::cqrs {
namespace {

// Tags of a reply.
constexpr std::uint32_t kCommand = 1;
constexpr std::uint32_t kId = 2;
constexpr std::uint32_t kVersion = 3;
constexpr std::uint32_t kEvents = 4;
constexpr std::uint32_t kRefused = 5;
constexpr std::uint32_t kCode = 6;
constexpr std::uint32_t kMessage = 7;

std::string* text_of(KeptReply& reply, std::uint32_t tag) {
  switch (tag) {
    case kCommand:
      return &reply.command;
    case kId:
      return &reply.id;
    case kCode:
      return &reply.code;
    case kMessage:
      return &reply.message;
    default:
      return nullptr;
  }
}

std::uint64_t* number_of(KeptReply& reply, std::uint32_t tag) {
  switch (tag) {
    case kVersion:
      return &reply.version;
    case kEvents:
      return &reply.events;
    default:
      return nullptr;
  }
}

}  // namespace

std::span<const journal::RecordType> command_record_types() noexcept {
  static constexpr std::array<journal::RecordType, 2> kTypes{
      journal::RecordType{journal::RecordClass::aggregate, kAggregateEvent, 1, "event"},
      journal::RecordType{journal::RecordClass::aggregate, kReplyRecord, 1, "reply"}};
  return kTypes;
}

std::string aggregate_scope(std::string_view aggregate) { return fmt::format("aggregate/{}", aggregate); }
std::string command_scope(std::string_view command) { return fmt::format("command/{}", command); }

std::string command_key(std::string_view principal, std::string_view key) {
  return fmt::format("{}\n{}", principal, key);
}

journal::Hash command_hash(const CommandAsk& ask) {
  std::string text = json::write(json::canonical(ask.command));
  if (ask.expected) {
    text += fmt::format("\n{}", *ask.expected);
  }
  return sha256(text);
}

std::uint32_t aggregate_shard(std::string_view aggregate, std::string_view id,
                              std::uint32_t shards) noexcept {
  if (shards == 1) {
    return 0;
  }
  const Sha256 hash = sha256(std::string(aggregate) + "\n" + std::string(id));
  return (static_cast<std::uint32_t>(hash[0]) << 8 | hash[1]) % shards;
}

std::string reply_attributes(std::int64_t expires_ms) {
  return fmt::format(R"({{"expires":{}}})", expires_ms);
}

std::optional<std::int64_t> reply_expiry(std::string_view attributes) {
  const auto read = json::parse(attributes);
  return read ? (*read)["expires"].as_int() : std::nullopt;
}

std::string aggregate_attributes(std::string_view id) {
  std::string attributes = R"({"id":)";
  json::append_quoted(attributes, id);
  return attributes + "}";
}

std::optional<std::string> aggregate_of(std::string_view attributes) {
  const auto read = json::parse(attributes);
  if (!read || !(*read)["id"].is_string()) {
    return std::nullopt;
  }
  return std::string((*read)["id"].as_string());
}

std::string encode(const KeptReply& reply) {
  std::string out;
  journal::BodyWriter writer(out);
  writer.bytes(kCommand, reply.command).bytes(kId, reply.id);
  writer.number(kVersion, reply.version).number(kEvents, reply.events);
  if (reply.refused) {
    writer.number(kRefused, 1).bytes(kCode, reply.code).bytes(kMessage, reply.message);
  }
  return out;
}

Result<KeptReply> decode_reply(std::string_view body) {
  KeptReply reply;
  journal::BodyReader reader(body);
  for (;;) {
    const auto field = reader.next();
    if (!field) {
      return std::unexpected(field.error());
    }
    if (!*field) {
      return reply;
    }
    const journal::Field& read = **field;
    std::string* const text = read.is_bytes ? text_of(reply, read.tag) : nullptr;
    std::uint64_t* const number = read.is_bytes ? nullptr : number_of(reply, read.tag);
    if (text != nullptr) {
      *text = read.bytes;
    } else if (number != nullptr) {
      *number = read.number;
    } else if (read.tag == kRefused && !read.is_bytes && read.number == 1) {
      reply.refused = true;
    } else {
      return fail(Errc::invalid,
                  fmt::format("a kept reply has a field {}, which is not known: a newer version "
                              "of Flotilla wrote it, or it is damaged",
                              read.tag));
    }
  }
}

}  // namespace flotilla::cqrs
