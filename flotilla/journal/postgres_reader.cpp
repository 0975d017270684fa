#include "flotilla/journal/postgres_reader.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/journal/core/retention.hpp"
#include "flotilla/journal/postgres_schema.hpp"
#include "flotilla/journal/record_page.hpp"

namespace flotilla::journal::pg {
namespace {

constexpr std::string_view kSummaryColumns = "s.stream, s.name, s.state, s.attributes, s.created, s.changed";
constexpr std::string_view kUndefinedTable = "42P01";  // SQLSTATE: a period was dropped between two looks

Summary summary_of(const Rows& rows, int row) {
  return {StreamId(rows.unsigned_number(row, 0)), std::string(rows.bytes(row, 1)),
          std::string(rows.bytes(row, 2)),        std::string(rows.bytes(row, 3)),
          UtcMillis(rows.number(row, 4)),         UtcMillis(rows.number(row, 5))};
}

// FROM and WHERE of the rows that are meant, with their arguments, the first of which is $next.
template <class Query>
std::string selection(const Query& query, Arguments& arguments, int& next) {
  std::string sql = fmt::format("FROM flotilla.summaries s WHERE s.class = ${}", next++);
  arguments.number(static_cast<std::int64_t>(query.record_class));
  if (!query.name.empty()) {
    sql += fmt::format(" AND s.name = ${}", next++);
    arguments.bytes(query.name);
  }
  if (!query.state.empty()) {
    sql += fmt::format(" AND s.state = ${}", next++);
    arguments.bytes(query.state);
  }
  for (const auto& [name, text] : query.search) {
    sql += fmt::format(
        " AND s.stream IN (SELECT f.stream FROM flotilla.search f WHERE f.name = ${} AND f.text = ${})", next,
        next + 1);
    next += 2;
    arguments.bytes(name).bytes(text);
  }
  return sql;
}

}  // namespace

Result<Rows> Reader::ask(const std::string& sql, const Arguments& arguments) {
  std::string why;
  // Twice: the connection may have been lost while nobody used it, a table dropped while it was looked for.
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (connection_ == nullptr || !connection_->is_open()) {
      auto opened = Connection::open(address_, "reader", statement_timeout_);
      if (!opened) {
        return fail(Errc::unavailable, fmt::format("the journal cannot be read: {}", opened.error().message));
      }
      connection_ = std::move(*opened);
    }
    auto answer = connection_->query(sql, arguments);
    if (answer) {
      return std::move(*answer);
    }
    why = answer.error().message;
    if (!answer.error().lost && !answer.error().is(kUndefinedTable)) {
      break;
    }
  }
  return fail(Errc::unavailable, fmt::format("the journal cannot be read: {}", why));
}

Result<Page> Reader::page(const std::string& sql, const Arguments& arguments, std::uint32_t shard,
                          const PageLimits& limits, Position end) {
  const auto rows = ask(sql, arguments);
  if (!rows) {
    return std::unexpected(rows.error());
  }
  std::vector<RecordPtr> found;
  for (int row = 0; row < rows->count(); ++row) {
    auto record = stored_record(Position(rows->unsigned_number(row, 0), shard),
                                std::string(rows->bytes(row, 1)), rows->bytes(row, 2), vocabulary_);
    if (!record) {
      return std::unexpected(std::move(record.error()));
    }
    found.push_back(std::move(*record));
  }
  return cut_page(std::move(found), limits, end);
}

Result<Page> Reader::read(const StreamQuery& query, Position end) {
  Arguments arguments;
  arguments.number(static_cast<std::int64_t>(query.record_class))
      .number(query.stream.value())
      .number(query.after_version)
      .number(query.limits.records + 1)
      .number(query.limits.bytes);
  return page("SELECT * FROM flotilla.read_stream($1, $2, $3, $4, $5)", arguments,
              shard_of(query.stream, kShards), query.limits, end);
}

Result<Page> Reader::read(const CategoryQuery& query, Position end) {
  Arguments arguments;
  arguments.number(static_cast<std::int64_t>(query.record_class));
  if (!query.category.empty()) {
    arguments.bytes(query.category);
  }
  arguments.number(std::int64_t{query.after.shard()})
      .number(query.after.number())
      .number(query.limits.records + 1)
      .number(query.limits.bytes);
  return page(query.category.empty() ? "SELECT * FROM flotilla.read_class($1, $2, $3, $4, $5)"
                                     : "SELECT * FROM flotilla.read_category($1, $2, $3, $4, $5, $6)",
              arguments, query.after.shard(), query.limits, end);
}

Result<std::vector<Summary>> Reader::list(const SummaryQuery& query) {
  Arguments arguments;
  int next = 1;
  std::string sql = fmt::format("SELECT {} {}", kSummaryColumns, selection(query, arguments, next));
  if (query.after != StreamId()) {
    sql += fmt::format(" AND s.stream {} ${}", query.newest_first ? '<' : '>', next++);
    arguments.number(query.after.value());
  }
  if (query.shard) {
    sql += fmt::format(" AND s.stream % {} = ${}", kShards, next++);
    arguments.number(std::int64_t{*query.shard});
  }
  if (query.changed_before != UtcMillis()) {
    sql += fmt::format(" AND s.changed < ${}", next++);
    arguments.number(query.changed_before.value());
  }
  sql += fmt::format(" ORDER BY s.stream{} LIMIT ${}", query.newest_first ? " DESC" : "", next);
  arguments.number(query.limit);
  const auto rows = ask(sql, arguments);
  if (!rows) {
    return std::unexpected(rows.error());
  }
  std::vector<Summary> found;
  for (int row = 0; row < rows->count(); ++row) {
    found.push_back(summary_of(*rows, row));
  }
  return found;
}

Result<std::vector<StateCount>> Reader::count(const CountQuery& query) {
  Arguments arguments;
  int next = 1;
  const auto rows =
      ask(fmt::format("SELECT s.name, s.state, count(*) {} GROUP BY s.name, s.state ORDER BY s.name, "
                      "s.state",
                      selection(query, arguments, next)),
          arguments);
  if (!rows) {
    return std::unexpected(rows.error());
  }
  std::vector<StateCount> found;
  for (int row = 0; row < rows->count(); ++row) {
    found.push_back(
        {std::string(rows->bytes(row, 0)), std::string(rows->bytes(row, 1)), rows->unsigned_number(row, 2)});
  }
  return found;
}

Result<std::optional<Summary>> Reader::summary(StreamId stream) {
  Arguments arguments;
  arguments.number(stream.value());
  const auto rows =
      ask(fmt::format("SELECT {} FROM flotilla.summaries s WHERE s.stream = $1", kSummaryColumns), arguments);
  if (!rows) {
    return std::unexpected(rows.error());
  }
  return rows->count() == 0 ? std::nullopt : std::optional(summary_of(*rows, 0));
}

Result<std::optional<Holder>> Reader::find(const std::string& scope, const std::string& key) {
  Arguments arguments;
  arguments.bytes(scope).bytes(key);
  const auto rows =
      ask("SELECT stream, hash, expires FROM flotilla.claims WHERE scope = $1 AND key = $2", arguments);
  if (!rows) {
    return std::unexpected(rows.error());
  }
  if (rows->count() == 0) {
    return std::nullopt;
  }
  Holder holder{StreamId(rows->unsigned_number(0, 0)), Hash{}, UtcMillis(rows->number(0, 2))};
  std::ranges::copy(rows->bytes(0, 1).substr(0, holder.hash.size()),
                    reinterpret_cast<char*>(holder.hash.data()));
  return holder;
}

Result<std::optional<Snapshot>> Reader::snapshot(StreamId stream, std::uint64_t fold) {
  Arguments arguments;
  arguments.number(stream.value()).number(fold);
  const auto rows =
      ask("SELECT version, fold, state FROM flotilla.snapshots WHERE stream = $1 AND fold = $2", arguments);
  if (!rows) {
    return std::unexpected(rows.error());
  }
  if (rows->count() == 0) {
    return std::nullopt;
  }
  return Snapshot{rows->unsigned_number(0, 0), rows->unsigned_number(0, 1), std::string(rows->bytes(0, 2))};
}

Result<std::optional<Cursor>> Reader::cursor(const std::string& name) {
  Arguments arguments;
  arguments.bytes(name);
  const auto rows =
      ask("SELECT class, category, shard, position, state FROM flotilla.cursors WHERE name = $1", arguments);
  if (!rows) {
    return std::unexpected(rows.error());
  }
  if (rows->count() == 0) {
    return std::nullopt;
  }
  return Cursor{name, static_cast<RecordClass>(rows->number(0, 0)), std::string(rows->bytes(0, 1)),
                Position(rows->unsigned_number(0, 3), static_cast<std::uint32_t>(rows->number(0, 2))),
                std::string(rows->bytes(0, 4))};
}

Result<ReadToken> Reader::positions() {
  const auto rows = ask("SELECT shard, position FROM flotilla.shards", {});
  if (!rows) {
    return std::unexpected(rows.error());
  }
  ReadToken ends(kShards);
  for (int row = 0; row < rows->count(); ++row) {
    ends.move_to(Position(rows->unsigned_number(row, 1), static_cast<std::uint32_t>(rows->number(row, 0))));
  }
  return ends;
}

Result<std::int64_t> Reader::change(const std::string& sql, const Arguments& arguments) {
  const auto rows = ask(sql, arguments);
  if (!rows) {
    return std::unexpected(rows.error());
  }
  return rows->number(0, 0);
}

Result<std::int64_t> Reader::forget_streams(RecordClass record_class, const std::vector<StreamId>& streams) {
  std::vector<std::int64_t> ids;
  ids.reserve(streams.size());
  for (const StreamId stream : streams) {
    ids.push_back(static_cast<std::int64_t>(stream.value()));
  }
  Arguments arguments;
  arguments.number(static_cast<std::int64_t>(record_class)).numbers(ids);
  return change("SELECT flotilla.forget_streams($1, $2)", arguments);
}

Result<std::int64_t> Reader::drop_periods(UtcMillis now, bool hard) {
  Arguments arguments;
  arguments.number(now.value()).flag(hard).number(kLeastPeriod).number(kLongestPeriod);
  return change("SELECT flotilla.drop_periods($1, $2, $3, $4)", arguments);
}

Result<std::int64_t> Reader::forget_topic(const std::string& topic, Position until) {
  Arguments arguments;
  arguments.number(static_cast<std::int64_t>(RecordClass::topic))
      .bytes(topic)
      .number(std::uint64_t{until.shard()})
      .number(until.number())
      .number(kMaxForgotten);
  return change("SELECT flotilla.forget_topic($1, $2, $3, $4, $5)", arguments);
}

Result<std::int64_t> Reader::forget_scope(const std::string& scope) {
  Arguments arguments;
  arguments.bytes(scope).number(kMaxForgotten);
  return change("SELECT flotilla.forget_scope($1, $2)", arguments);
}

Result<std::int64_t> Reader::forget_claims(UtcMillis now, std::size_t limit) {
  Arguments arguments;
  arguments.number(now.value()).number(limit);
  return change("SELECT flotilla.forget_claims($1, $2)", arguments);
}

}  // namespace flotilla::journal::pg
