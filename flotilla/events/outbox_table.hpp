// An outbox table in a service's own PostgreSQL: read, deleted from, waited for.
//
// For: outbox_runner.hpp, whose thread asks one thing after the other. The table is what docs/outbox.md says,
// or what create() makes. One relay has a table at a time, by an advisory lock of its connection; another one
// stands by. What it deletes is committed without waiting for the disk: a deletion that a crash of the server
// takes back means that those events are published again, as duplicates.
// Failure: whatever fails closes the connection, and the next connect() opens another one. No message holds
// the password. Ownership: owns the connection. Threads: one at a time. Limits: kMostPageBytes a page, but
// for one row.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/events/core/outbox_io.hpp"
#include "flotilla/journal/postgres.hpp"

namespace flotilla::events {

inline constexpr std::size_t kMostPageBytes = std::size_t{16} << 20;

struct OutboxPlace {
  journal::pg::Address database;
  std::string schema = "public";
  std::string table = "outbox";
  bool keep = false;  // rows are marked as published, not deleted
};
// "[SCHEMA.]TABLE", of letters, digits and '_'. Errors: invalid.
[[nodiscard]] Result<> read_table_name(std::string_view name, OutboxPlace& place);

// How the table stands, for people.
struct OutboxBacklog {
  std::uint64_t rows = 0;  // not published yet; at most kMostCounted
  Duration oldest{0};      // age of the first
  // The transaction that holds rows back longest, where there is one; nothing else is known of other users'.
  std::int64_t blocker = 0;  // its server process
  Duration blocker_age{0};
};

class OutboxTable {
 public:
  static constexpr std::uint64_t kMostCounted = 100'000;

  explicit OutboxTable(OutboxPlace place) : place_(std::move(place)) {}

  // Makes the table, its index and the trigger that notifies, where they are not there. Errors: unavailable.
  [[nodiscard]] Result<> create();

  // Each answers as outbox_io.hpp has it.
  [[nodiscard]] OutboxInput connect();
  [[nodiscard]] OutboxInput read(const outbox_effect::Read& read);
  [[nodiscard]] OutboxInput forget(const outbox_effect::Forget& forget);
  [[nodiscard]] OutboxInput wait(const outbox_effect::Wait& wait);
  // Errors: unavailable; also where it is not connected.
  [[nodiscard]] Result<OutboxBacklog> backlog();

 private:
  using Connection = journal::pg::Connection;
  [[nodiscard]] Result<std::unique_ptr<Connection>> open() const;
  [[nodiscard]] Result<> check_columns();
  [[nodiscard]] OutboxInput failed(std::string why);
  [[nodiscard]] std::string quoted() const;       // "schema"."table"
  [[nodiscard]] std::string_view unsent() const;  // a condition

  OutboxPlace place_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace flotilla::events
