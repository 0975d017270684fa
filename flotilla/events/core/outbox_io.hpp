// What the relay of an outbox is told and what it asks for: inputs and effects, as values.
//
// For: outbox_relay.hpp, and the shell that carries effects out and feeds inputs back. Each effect says what
// the shell has to do and which inputs answer it; what asks the database is asked one at a time.
// Ownership: plain values. Threads: values. Limits: OutboxPolicy.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "flotilla/events/core/outbox_row.hpp"
#include "flotilla/resilience/core/retry.hpp"

namespace flotilla::events {

struct OutboxPolicy {
  std::string source = "/outbox";                 // of all events; with the row's id it names an event
  std::size_t batch = 500;                        // rows a page, and events a request
  std::size_t bytes = std::size_t{4} << 20;       // a request, unless one event has more
  Duration poll = std::chrono::milliseconds(20);  // between looks at a table that has nothing to send
  resilience::RetryPolicy retry{.first = std::chrono::milliseconds(100), .cap = std::chrono::seconds(10)};
  resilience::RetryPolicy hold{.first = std::chrono::seconds(1), .cap = std::chrono::minutes(1)};
  std::size_t held = 1000;                                 // keys and rows that may be held
  Duration standby = std::chrono::seconds(1);              // between tries for the lock of another relay
  Duration longest_retry_after = std::chrono::minutes(5);  // that a platform may ask for
};

namespace outbox_input {

// The answers to Connect.
struct Connected {};  // the table is there, and no other relay has it
struct Standby {};    // another relay has it
// The answer to Read: in the order of positions, as one snapshot of the database has them.
struct Page {
  std::vector<OutboxRow> rows;
  std::uint64_t horizon = 0;  // every transaction below has ended: pg_snapshot_xmin(pg_current_snapshot())
  std::uint64_t beyond = 0;   // none of this database from here on has: pg_snapshot_xmax(...)
  bool more = false;          // there are rows beyond the page
};
// The answer to Publish.
struct Answer {
  enum class Kind : std::uint8_t {
    published,    // all of it is durable
    refused,      // none of it is, and it never will be as it is
    no_topic,     // none of it is, until somebody names the topic
    unavailable,  // perhaps it is, perhaps not
  };
  std::uint64_t request = 0;
  Kind kind = Kind::unavailable;
  std::uint64_t duplicates = 0;  // of published: events that were there already
  std::optional<Duration> retry_after;
  std::string detail;
};
// The answer to Forget.
struct Forgotten {};
// The answer to Wait.
struct Woken {};
// The answer to every question to the database that could not be asked: the connection is gone, and whether
// something was deleted is not known.
struct DatabaseFailed {
  std::string detail;
};
struct Stop {};

}  // namespace outbox_input

using OutboxInput = std::variant<outbox_input::Connected, outbox_input::Standby, outbox_input::Page,
                                 outbox_input::Answer, outbox_input::Forgotten, outbox_input::Woken,
                                 outbox_input::DatabaseFailed, outbox_input::Stop>;

namespace outbox_effect {

// Connects where there is no connection, looks at the table, takes the lock.
struct Connect {
  Duration after{0};
};
struct Read {
  std::size_t limit = 0;
  std::vector<std::string> topics;       // not these
  std::vector<std::string> keys;         // nor these: TOPIC/KEY
  std::vector<std::uint64_t> positions;  // nor these
};
// One request, with these events as a batch.
struct Publish {
  std::uint64_t request = 0;
  std::string topic;
  std::vector<std::string> events;
};
// Deletes (or marks) these rows, in one transaction.
struct Forget {
  std::vector<std::uint64_t> positions;
};
// Until something is written to the table, at most so long.
struct Wait {
  Duration longest{0};
};
// A person should know; the first time, not each time.
struct Tell {
  enum class What : std::uint8_t {
    row_held,
    row_went,
    topic_waits,
    topic_goes_on,
    standing_by,
    at_bound,
    database_failed
  };
  What what = What::row_held;
  std::string topic;
  std::string id;  // of a row
  std::string detail;
};
// After Stop: nothing is under way any more.
struct Stopped {};

}  // namespace outbox_effect

using OutboxEffect =
    std::variant<outbox_effect::Connect, outbox_effect::Read, outbox_effect::Publish, outbox_effect::Forget,
                 outbox_effect::Wait, outbox_effect::Tell, outbox_effect::Stopped>;

}  // namespace flotilla::events
