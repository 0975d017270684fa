// A row of an outbox table, and the event that it becomes.
//
// For: the relay (outbox_relay.hpp), which decides which rows go out, and the shell, which reads the table.
// Ownership: values. Threads: pure functions. Limits: kMaxOutboxRow bytes of data and headers together; a
// longer row is read without them, and is refused.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"

namespace flotilla::events {

inline constexpr std::size_t kMaxOutboxRow = std::size_t{1} << 20;

struct OutboxRow {
  std::uint64_t position = 0;  // in the order of the inserts
  std::uint64_t xid = 0;       // the transaction that wrote it
  std::string topic;
  std::string id;
  std::optional<std::string> key;
  std::string type;     // empty: the topic's name
  std::string headers;  // a JSON object: further attributes, such as correlationid
  std::string data;     // JSON
  WallTime written;
  std::size_t bytes = 0;  // of data and headers in the table; beyond kMaxOutboxRow neither is here
};

// In CloudEvents' JSON format, from `source`. Errors: invalid (the row can be no event, whatever the
// platform says), limit.
[[nodiscard]] Result<std::string> render_event(const OutboxRow& row, std::string_view source);

}  // namespace flotilla::events
