#include "flotilla/events/core/topic_deletion.hpp"

#include <fmt/format.h>

#include "flotilla/journal/core/body.hpp"
#include "flotilla/json/reader.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::events {
namespace {

// On disk: never reused.
constexpr std::uint32_t kTopic = 1;
constexpr std::uint32_t kWho = 2;
constexpr std::uint32_t kWhy = 3;
constexpr std::uint32_t kUntil = 4;       // a number, of the first shard alone
constexpr std::uint32_t kUntilToken = 5;  // ... of several

constexpr std::size_t kMaxNamed = 8;  // users in an objection

bool is_of_first_shard(const journal::ReadToken& token) { return token.total() == token.at(0).number(); }

}  // namespace

std::vector<journal::RecordType> topic_record_types() {
  return {{journal::RecordClass::topic, kDeletionRecord, 1, "deletion of a topic"}};
}

std::string objection_to_deletion(std::string_view topic, std::span<const TopicUse> uses) {
  std::string users;
  std::size_t count = 0;
  for (const TopicUse& use : uses) {
    if (use.topic == topic && ++count <= kMaxNamed) {
      users += (users.empty() ? "" : ", ") + use.user;
    }
  }
  if (count > kMaxNamed) {
    users += fmt::format(" and {} more", count - kMaxNamed);
  }
  return users.empty() ? users
                       : fmt::format(
                             "topic {} is read by {}: take that out of the file, or have it forgotten, "
                             "before the topic is deleted",
                             topic, users);
}

std::string encode(const TopicDeletion& deletion) {
  std::string body;
  journal::BodyWriter writer(body);
  writer.bytes(kTopic, deletion.topic).bytes(kWho, deletion.who).bytes(kWhy, deletion.why);
  if (is_of_first_shard(deletion.until)) {
    writer.number(kUntil, deletion.until.at(0).number());
  } else {
    writer.bytes(kUntilToken, deletion.until.text());
  }
  return body;
}

Result<TopicDeletion> decode_topic_deletion(std::string_view body) {
  TopicDeletion deletion;
  journal::BodyReader reader(body);
  for (;;) {
    const auto field = reader.next();
    if (!field) {
      return std::unexpected(field.error());
    }
    if (!*field) {
      return deletion;
    }
    const std::uint32_t tag = (*field)->tag;
    std::string* const text = tag == kTopic ? &deletion.topic
                              : tag == kWho ? &deletion.who
                              : tag == kWhy ? &deletion.why
                                            : nullptr;
    if ((*field)->is_bytes && tag == kUntilToken) {
      auto until = journal::ReadToken::parse((*field)->bytes, journal::kMaxShards);
      if (!until) {
        return std::unexpected(std::move(until.error()));
      }
      deletion.until = std::move(*until);
    } else if ((*field)->is_bytes && text != nullptr) {
      *text = (*field)->bytes;
    } else if (!(*field)->is_bytes && tag == kUntil) {
      deletion.until.move_to(journal::Position((*field)->number));
    } else {
      return fail(Errc::unsupported, fmt::format("a deletion with a field of a newer version, tag {}", tag));
    }
  }
}

std::string deletion_row(const TopicDeletion& deletion) {
  return json::write(json::Value::object(
      {{"search", json::Value::object({{"topic", deletion.topic}})},
       {"who", deletion.who},
       {"why", deletion.why},
       {"until", is_of_first_shard(deletion.until) ? json::Value(deletion.until.at(0).number())
                                                   : json::Value(deletion.until.text())},
       {"events", deletion.events}}));
}

Result<TopicDeletion> read_deletion_row(std::string_view attributes) {
  const auto row = json::parse(attributes);
  const json::Value until_value = row ? (*row)["until"] : json::Value();
  auto until = until_value.is_string()
                   ? journal::ReadToken::parse(until_value.as_string(), journal::kMaxShards)
                   : Result<journal::ReadToken>(journal::ReadToken(journal::kMaxShards));
  if (!row || !(*row)["search"]["topic"].is_string() || !until ||
      (!until_value.is_string() && !until_value.as_int()) || !(*row)["events"].as_int()) {
    return fail(Errc::invalid, "the row of a deletion of a topic is damaged");
  }
  if (const auto number = until_value.as_int()) {
    until->move_to(journal::Position(static_cast<std::uint64_t>(*number)));
  }
  return TopicDeletion{.topic = std::string((*row)["search"]["topic"].as_string()),
                       .who = std::string((*row)["who"].as_string()),
                       .why = std::string((*row)["why"].as_string()),
                       .until = std::move(*until),
                       .events = static_cast<std::uint64_t>(*(*row)["events"].as_int())};
}

}  // namespace flotilla::events
