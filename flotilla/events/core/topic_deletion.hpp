// The deletion of a topic: what speaks against it, and what is kept of it.
//
// For: topic_removal.hpp. Who deleted what and why stays in the journal, as one record in a stream of its own
// with a row beside it that says how far it is. Ownership: plain values. Threads: pure functions. Limits:
// those of who_why.hpp and of a row.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/read_token.hpp"
#include "flotilla/journal/core/record.hpp"

namespace flotilla::events {

inline constexpr std::uint16_t kDeletionRecord = 2;  // of RecordClass::topic; on disk
[[nodiscard]] std::vector<journal::RecordType> topic_record_types();

// Something that reads a topic, and would miss what is deleted.
struct TopicUse {
  std::string topic;
  std::string user;  // for people: "subscription charge"
  friend bool operator==(const TopicUse&, const TopicUse&) = default;
};

// Why the topic cannot be deleted, naming all who use it; empty: it can.
[[nodiscard]] std::string objection_to_deletion(std::string_view topic, std::span<const TopicUse> uses);

inline constexpr std::string_view kDeletionRow = "topic-deletion";  // the name of the rows
inline constexpr std::string_view kDeleting = "deleting";           // their states
inline constexpr std::string_view kDeleted = "deleted";

struct TopicDeletion {
  std::string topic;
  std::string who;
  std::string why;
  journal::ReadToken until{journal::kMaxShards};  // nothing newer is deleted
  std::uint64_t events = 0;                       // that were deleted so far
  friend bool operator==(const TopicDeletion&, const TopicDeletion&) = default;
};

// The body of its record: all but `events`.
[[nodiscard]] std::string encode(const TopicDeletion& deletion);
// Errors: invalid (damaged), unsupported (a field of a newer version).
[[nodiscard]] Result<TopicDeletion> decode_topic_deletion(std::string_view body);

// The attributes of its row, by which the deletions of a topic are found.
[[nodiscard]] std::string deletion_row(const TopicDeletion& deletion);
// Errors: invalid.
[[nodiscard]] Result<TopicDeletion> read_deletion_row(std::string_view attributes);

}  // namespace flotilla::events
