// One call of a queue for later, as the journal has it: its records, and the row that lists show.
//
// An item is a stream of RecordClass::queue: accepted, then for each attempt sending and outcome, and what
// people asked. Its row has everything but the request, so a restart reads rows alone; a request is read when
// it is sent.
// Ownership: plain values. Threads: pure functions. Limits: kMaxItemText of each text beside the request,
// kMaxKeptAnswer of an answer's body; a row stays below journal::kMaxAttributes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/base/ulid.hpp"
#include "flotilla/http/core/message.hpp"
#include "flotilla/journal/core/record.hpp"

namespace flotilla::events {

inline constexpr std::size_t kMaxItemText = 512;
inline constexpr std::size_t kMaxKeptAnswer = std::size_t{16} * 1024;

enum class QueueState : std::uint8_t {
  pending,
  sending,  // an attempt was begun, and its outcome is not known yet
  done,
  dead,     // a dead letter: a person has to look at it
  removed,  // by a person
};
inline constexpr std::size_t kQueueStates = 5;
[[nodiscard]] std::string_view to_string(QueueState state) noexcept;
[[nodiscard]] std::optional<QueueState> parse_queue_state(std::string_view text) noexcept;

enum class QueueDeadReason : std::uint8_t {
  refused,    // the service's verdict
  exhausted,  // no attempt is left
  expired,    // it waited as long as it may
  unknown,    // it may have been done, and sending it again is not safe
};
inline constexpr std::size_t kQueueDeadReasons = 4;
[[nodiscard]] std::string_view to_string(QueueDeadReason reason) noexcept;

enum class Certainty : std::uint8_t { never_sent, unknown };
// "never-sent", "unknown".
[[nodiscard]] std::string_view to_string(Certainty certainty) noexcept;

// What is known of an item beside its request.
struct QueueItem {
  Ulid id;
  journal::StreamId stream;
  std::uint64_t version = 0;  // of the stream: how many records it has
  std::string key;            // that orders it; empty: none
  std::string claim;          // in the journal, of its sender's Idempotency-Key; empty: none
  QueueState state = QueueState::pending;
  Certainty certainty = Certainty::never_sent;
  bool resendable = false;     // sending it again is safe, whatever became of it
  bool forced = false;         // a person said that it is to be sent although it may have been done
  std::uint32_t attempts = 0;  // that may have reached the service
  std::uint64_t bytes = 0;     // of its request
  std::int64_t accepted = 0;   // milliseconds since the Unix epoch, as the others
  std::int64_t expires = 0;
  std::int64_t due = 0;  // 0: at once
  std::string method;
  std::string path;  // at most kMaxItemText of it
  std::string code;  // of the last attempt that failed, or why it was queued
  std::optional<QueueDeadReason> reason;

  friend bool operator==(const QueueItem&, const QueueItem&) = default;
};

// The row's attributes, a JSON object, and back. Stream and state stand beside them.
[[nodiscard]] std::string to_attributes(const QueueItem& item);
[[nodiscard]] Result<QueueItem> read_attributes(std::string_view attributes, journal::StreamId stream,
                                                std::string_view state);

// Types of records. The numbers are on disk.
enum class QueueRecord : std::uint16_t { accepted = 1, sending = 2, outcome = 3, requeued = 4, removed = 5 };
[[nodiscard]] std::vector<journal::RecordType> queue_record_types();

// The bodies of records.
struct AcceptedRecord {
  Ulid id;
  std::string key;
  std::string service;
  http::Request request;
  std::string idempotency_key;  // its sender's, or one that was made up
  bool resendable = false;
  Certainty certainty = Certainty::never_sent;
  std::string cause;
  std::int64_t expires = 0;
};
struct SendingRecord {
  std::uint32_t attempt = 0;
};
struct OutcomeRecord {
  QueueState state = QueueState::pending;  // that it leads to
  Certainty certainty = Certainty::never_sent;
  std::uint32_t attempts = 0;
  std::string code;
  std::uint16_t status = 0;  // 0: there was no answer
  std::string content_type;
  std::string body;  // of the answer, at most kMaxKeptAnswer
  bool cut = false;
  std::optional<QueueDeadReason> reason;
};
struct PersonRecord {  // requeued, removed
  std::string who_why;
};

[[nodiscard]] std::string encode(const AcceptedRecord& record);
[[nodiscard]] std::string encode(const SendingRecord& record);
[[nodiscard]] std::string encode(const OutcomeRecord& record);
[[nodiscard]] std::string encode(const PersonRecord& record);
// Errors: invalid.
[[nodiscard]] Result<AcceptedRecord> decode_accepted(std::string_view body);
[[nodiscard]] Result<SendingRecord> decode_sending(std::string_view body);
[[nodiscard]] Result<OutcomeRecord> decode_outcome(std::string_view body);
[[nodiscard]] Result<PersonRecord> decode_person(std::string_view body);

}  // namespace flotilla::events
