#include "flotilla/events/outbox_table.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/base/text.hpp"

namespace flotilla::events {
namespace {

namespace pg = journal::pg;

constexpr Millis kStatementTimeout{10'000};
constexpr std::size_t kLongestName = 63;  // PostgreSQL cuts longer ones

// {0} is the quoted table, {1} its name as text, {2} the quoted function. The column xid comes first, so that
// it is known before a position is drawn.
constexpr std::string_view kCreate[] = {
    R"(CREATE TABLE IF NOT EXISTS {0} (
  xid        xid8        NOT NULL DEFAULT pg_current_xact_id(),
  position   bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  topic      text        NOT NULL,
  id         text        NOT NULL DEFAULT gen_random_uuid()::text,
  key        text,
  type       text,
  headers    json        NOT NULL DEFAULT '{{}}',
  data       json        NOT NULL,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  published_at timestamptz
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000))",
    R"(CREATE OR REPLACE FUNCTION {2}() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_notify('flotilla_outbox', ''); RETURN NULL; END $$)",
    R"(CREATE OR REPLACE TRIGGER flotilla_outbox AFTER INSERT ON {0} FOR EACH STATEMENT EXECUTE FUNCTION {2}())",
};
constexpr std::string_view kCreateKept =
    R"(CREATE INDEX IF NOT EXISTS {1}_unpublished ON {0} (position) WHERE published_at IS NULL)";

// $1 rows, $2 bytes of one, $3 bytes of all, $4 topics, $5 keys, $6 positions that are left alone.
constexpr std::string_view kRead = R"(
SELECT position, xid, topic, id, key, type, headers, data, written, bytes, found,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint
FROM (
  SELECT position, xid, topic, id, key, type, written, bytes,
         CASE WHEN bytes <= $2 THEN headers END AS headers, CASE WHEN bytes <= $2 THEN data END AS data,
         sum(least(bytes, $2)) OVER (ORDER BY position) AS through, count(*) OVER () AS found
  FROM (
    SELECT position, xid::text::bigint AS xid, topic, id, key, type, headers::text AS headers, data::text AS data,
           (extract(epoch FROM greatest(least(created_at, '2200-01-01Z'), '1700-01-01Z')) * 1000)::bigint AS written,
           (octet_length(headers::text) + octet_length(data::text))::bigint AS bytes
    FROM {0}
    WHERE {1} AND topic <> ALL ($4) AND (key IS NULL OR topic || '/' || key <> ALL ($5)) AND position <> ALL ($6)
    ORDER BY position LIMIT $1
  ) AS rows
) AS page
WHERE through - least(bytes, $2) < $3
ORDER BY position)";

constexpr std::string_view kBacklog = R"(
SELECT count(*), coalesce((extract(epoch FROM clock_timestamp() - greatest(least(min(created_at), '2200-01-01Z'), '1700-01-01Z')) * 1000)::bigint, 0),
  (SELECT pid::bigint FROM pg_stat_activity WHERE backend_xid::text::bigint =
     pg_snapshot_xmin(pg_current_snapshot())::text::bigint % 4294967296 LIMIT 1),
  (SELECT (extract(epoch FROM clock_timestamp() - xact_start) * 1000)::bigint FROM pg_stat_activity
     WHERE backend_xid::text::bigint = pg_snapshot_xmin(pg_current_snapshot())::text::bigint % 4294967296 LIMIT 1)
FROM (SELECT created_at FROM {0} WHERE {1} ORDER BY position LIMIT {2}) AS rows)";

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && !is_digit(name.front()) &&
         std::ranges::all_of(name, [](char c) {
           return is_digit(c) || c == '_' || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z');
         });
}

OutboxRow row_of(const pg::Rows& rows, int at) {
  OutboxRow row{.position = rows.unsigned_number(at, 0),
                .xid = rows.unsigned_number(at, 1),
                .topic = std::string(rows.bytes(at, 2)),
                .id = std::string(rows.bytes(at, 3)),
                .key = std::nullopt,
                .type = std::string(rows.bytes(at, 5)),
                .headers = std::string(rows.bytes(at, 6)),
                .data = std::string(rows.bytes(at, 7)),
                .written = {rows.number(at, 8) * 1'000'000},
                .bytes = static_cast<std::size_t>(rows.number(at, 9))};
  if (!rows.is_null(at, 4)) {
    row.key = std::string(rows.bytes(at, 4));
  }
  return row;
}

}  // namespace

Result<> read_table_name(std::string_view name, OutboxPlace& place) {
  const std::size_t dot = name.find('.');
  if (dot != std::string_view::npos) {
    place.schema = std::string(name.substr(0, dot));
    name.remove_prefix(dot + 1);
  }
  place.table = std::string(name);
  if (!is_name(place.schema) || !is_name(place.table)) {
    return fail(Errc::invalid, "a table is named [SCHEMA.]TABLE, of letters, digits and '_'");
  }
  return {};
}

std::string OutboxTable::quoted() const { return fmt::format(R"("{}"."{}")", place_.schema, place_.table); }

std::string_view OutboxTable::unsent() const { return place_.keep ? "published_at IS NULL" : "true"; }

Result<std::unique_ptr<OutboxTable::Connection>> OutboxTable::open() const {
  return Connection::open(place_.database, "outbox", kStatementTimeout);
}

Result<> OutboxTable::create() {
  auto connection = open();
  if (!connection) {
    return std::unexpected(connection.error());
  }
  std::vector<std::string> statements;
  const std::string function = fmt::format(R"("{}"."{}_notify")", place_.schema, place_.table.substr(0, 56));
  for (const std::string_view text : kCreate) {
    statements.push_back(fmt::format(fmt::runtime(text), quoted(), place_.table, function));
  }
  if (place_.keep) {
    statements.push_back(fmt::format(fmt::runtime(kCreateKept), quoted(), place_.table.substr(0, 50)));
  }
  for (const std::string& statement : statements) {
    if (const auto made = (*connection)->query(statement); !made) {
      return fail(Errc::unavailable,
                  fmt::format("the table {} cannot be made: {}", quoted(), made.error().message));
    }
  }
  return {};
}

// Names the columns that are missing.
Result<> OutboxTable::check_columns() {
  const auto missing = connection_->query(
      "SELECT wanted FROM unnest(string_to_array($2, ' ')) AS wanted WHERE to_regclass($1) IS NULL OR NOT "
      "EXISTS "
      "(SELECT FROM pg_attribute WHERE attrelid = to_regclass($1) AND attname = wanted AND attnum > 0 AND "
      "NOT "
      "attisdropped)",
      pg::Arguments().text(quoted()).text(fmt::format(
          "xid position topic id key type headers data created_at{}", place_.keep ? " published_at" : "")));
  if (!missing) {
    return fail(Errc::unavailable, missing.error().message);
  }
  if (missing->count() > 0) {
    return fail(Errc::not_found,
                fmt::format("the table {} is not there, or has no column '{}': make it with --create, "
                            "or as docs/outbox.md says",
                            quoted(), missing->bytes(0, 0)));
  }
  return {};
}

OutboxInput OutboxTable::failed(std::string why) {
  connection_.reset();
  return outbox_input::DatabaseFailed{.detail = fmt::format("{}: {}", place_.database.name, why)};
}

OutboxInput OutboxTable::connect() {
  if (!connection_ || !connection_->is_open()) {
    auto opened = open();
    if (!opened) {
      return failed(opened.error().message);
    }
    connection_ = std::move(*opened);
    if (auto ok = check_columns(); !ok) {
      return failed(ok.error().message);
    }
    if (const auto done = connection_->query("SELECT set_config('synchronous_commit', 'off', false)");
        !done) {
      return failed(done.error().message);
    }
  }
  const auto locked = connection_->query(
      "SELECT pg_try_advisory_lock(hashtextextended('flotilla outbox ' || to_regclass($1)::oid::text, 0))",
      pg::Arguments().text(quoted()));
  if (!locked) {
    return failed(locked.error().message);
  }
  if (locked->number(0, 0) == 0) {
    return outbox_input::Standby{};
  }
  if (const auto listens = connection_->query("LISTEN flotilla_outbox"); !listens) {
    return failed(listens.error().message);
  }
  return outbox_input::Connected{};
}

OutboxInput OutboxTable::read(const outbox_effect::Read& read) {
  std::vector<std::int64_t> positions(read.positions.begin(), read.positions.end());
  const auto rows = connection_->query(fmt::format(fmt::runtime(kRead), quoted(), unsent()),
                                       pg::Arguments()
                                           .number(static_cast<std::uint64_t>(read.limit))
                                           .number(static_cast<std::uint64_t>(kMaxOutboxRow))
                                           .number(static_cast<std::uint64_t>(kMostPageBytes))
                                           .texts(read.topics)
                                           .texts(read.keys)
                                           .numbers(positions));
  if (!rows) {
    return failed(rows.error().message);
  }
  outbox_input::Page page;
  for (int i = 0; i < rows->count(); ++i) {
    page.rows.push_back(row_of(*rows, i));
  }
  if (!page.rows.empty()) {
    const std::uint64_t found = rows->unsigned_number(0, 10);
    page.more = found == read.limit || found > page.rows.size();
    page.horizon = rows->unsigned_number(0, 11);
    page.beyond = rows->unsigned_number(0, 12);
  }
  return page;
}

OutboxInput OutboxTable::forget(const outbox_effect::Forget& forget) {
  const std::vector<std::int64_t> positions(forget.positions.begin(), forget.positions.end());
  const std::string statement =
      place_.keep
          ? fmt::format("UPDATE {} SET published_at = clock_timestamp() WHERE position = ANY ($1)", quoted())
          : fmt::format("DELETE FROM {} WHERE position = ANY ($1)", quoted());
  if (const auto done = connection_->query(statement, pg::Arguments().numbers(positions)); !done) {
    return failed(done.error().message);
  }
  return outbox_input::Forgotten{};
}

OutboxInput OutboxTable::wait(const outbox_effect::Wait& wait) {
  if (const auto notice = connection_->wait_for_notice(wait.longest); !notice) {
    return failed(notice.error().message);
  }
  return outbox_input::Woken{};
}

Result<OutboxBacklog> OutboxTable::backlog() {
  if (!connection_ || !connection_->is_open()) {
    return fail(Errc::unavailable, "not connected");
  }
  const auto rows = connection_->query(fmt::format(fmt::runtime(kBacklog), quoted(), unsent(), kMostCounted));
  if (!rows) {
    return fail(Errc::unavailable, rows.error().message);
  }
  const auto millis = [&](int column) {
    return Millis(rows->is_null(0, column) ? 0 : rows->number(0, column));
  };
  return OutboxBacklog{.rows = rows->unsigned_number(0, 0),
                       .oldest = millis(1),
                       .blocker = rows->is_null(0, 2) ? 0 : rows->number(0, 2),
                       .blocker_age = millis(3)};
}

}  // namespace flotilla::events
