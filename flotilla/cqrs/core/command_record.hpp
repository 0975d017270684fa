// What commands keep in the journal beside events: the reply under a key; and where things are found.
//
// An aggregate is a stream of class `aggregate` whose records are events (journal::kEventRecord); its id is
// claimed under aggregate_scope(), and a row lists it. A kept reply is a stream of its own with one record;
// the command's key is claimed for it. Ownership: values. Threads: pure functions. Limits: those of a record.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "flotilla/cqrs/core/command_io.hpp"
#include "flotilla/journal/core/record.hpp"

namespace flotilla::cqrs {

inline constexpr std::uint16_t kAggregateEvent = journal::kEventRecord;
inline constexpr std::uint16_t kReplyRecord = 2;
// The state of the rows of replies, by which old ones are found.
inline constexpr std::string_view kReplyState = "reply";
// The state of the rows of aggregates, by which they are listed.
inline constexpr std::string_view kAggregateState = "aggregate";

[[nodiscard]] std::span<const journal::RecordType> command_record_types() noexcept;

[[nodiscard]] std::string aggregate_scope(std::string_view aggregate);
[[nodiscard]] std::string command_scope(std::string_view command);
// A key of one principal.
[[nodiscard]] std::string command_key(std::string_view principal, std::string_view key);
// Of the body, however its members were ordered, and of the precondition.
[[nodiscard]] journal::Hash command_hash(const CommandAsk& ask);

// The shard in which an aggregate lies; the same in every process, for ever.
[[nodiscard]] std::uint32_t aggregate_shard(std::string_view aggregate, std::string_view id,
                                            std::uint32_t shards) noexcept;

// What the row of a reply says, and when its key ends by it; nothing where it says no such thing.
[[nodiscard]] std::string reply_attributes(std::int64_t expires_ms);
[[nodiscard]] std::optional<std::int64_t> reply_expiry(std::string_view attributes);

// What the row of an aggregate says: its id; nothing where it says none.
[[nodiscard]] std::string aggregate_attributes(std::string_view id);
[[nodiscard]] std::optional<std::string> aggregate_of(std::string_view attributes);

[[nodiscard]] std::string encode(const KeptReply& reply);
// Errors: invalid (damaged).
[[nodiscard]] Result<KeptReply> decode_reply(std::string_view body);

}  // namespace flotilla::cqrs
