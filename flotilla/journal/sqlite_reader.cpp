#include "flotilla/journal/sqlite_reader.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "flotilla/journal/core/event_records.hpp"
#include "flotilla/journal/record_page.hpp"
#include "flotilla/journal/sqlite_schema.hpp"

namespace flotilla::journal {
namespace {

constexpr std::string_view kSummaryColumns = "s.stream, s.name, s.state, s.attributes, s.created, s.changed";
constexpr std::size_t kFirstSearch = 7;  // the parameter that the first searched name is bound to

// FROM and WHERE of the rows that are meant: ?1 the class, ?2 the name, ?3 the state. With attributes the
// index of the first one is walked, whatever SQLite thinks of others: it has no idea of how many have it.
template <class Query>
std::string selection(const Query& query) {
  std::string sql =
      query.search.empty()
          ? "FROM summaries AS s WHERE s.class = ?1"
          : fmt::format(
                "FROM search AS f CROSS JOIN summaries AS s ON s.stream = f.stream WHERE f.name "
                "= ?{} AND f.text = ?{} AND s.class = ?1",
                kFirstSearch, kFirstSearch + 1);
  if (!query.name.empty()) {
    // Few rows are in a state that somebody looks for, many have the name.
    sql += query.state.empty() ? " AND s.name = ?2" : " AND +s.name = ?2";
  }
  if (!query.state.empty()) {
    sql += " AND s.state = ?3";
  }
  for (std::size_t i = 1; i < query.search.size(); ++i) {
    sql += fmt::format(
        " AND EXISTS (SELECT 1 FROM search WHERE name = ?{} AND text = ?{} AND stream = s.stream)",
        kFirstSearch + 2 * i, kFirstSearch + 2 * i + 1);
  }
  return sql;
}

void bind_search(sqlite::Statement& select, const Search& search) {
  for (std::size_t i = 0; i < search.size(); ++i) {
    select.bind_beyond(static_cast<int>(kFirstSearch + 2 * i), search[i].first);
    select.bind_beyond(static_cast<int>(kFirstSearch + 2 * i + 1), search[i].second);
  }
}

}  // namespace

SqliteReader::SqliteReader(std::unique_ptr<sqlite::Connection> db, const Vocabulary& vocabulary)
    : db_(std::move(db)),
      vocabulary_(vocabulary),
      begin_(db_->prepare("BEGIN")),
      end_(db_->prepare("COMMIT")),
      segments_of_(
          db_->prepare("SELECT id, retain, first FROM segments WHERE class = ?1 ORDER BY first, id")),
      category_name_(db_->prepare("SELECT name FROM categories WHERE id = ?1")),
      category_id_(db_->prepare("SELECT id FROM categories WHERE name = ?1")),
      summary_(
          db_->prepare(fmt::format("SELECT {} FROM summaries AS s WHERE s.stream = ?1", kSummaryColumns))),
      find_(db_->prepare("SELECT stream, hash, expires FROM claims WHERE scope = ?1 AND key = ?2")),
      snapshot_(db_->prepare("SELECT version, fold, state FROM snapshots WHERE stream = ?1 AND fold = ?2")),
      cursor_(db_->prepare("SELECT name, class, category, position, state FROM cursors WHERE name = ?1")),
      rows_of_table_(db_->prepare("SELECT key, name, value FROM fold_rows WHERE fold = ?1 AND (key, name) >= "
                                  "(?2, ?3) ORDER BY key, name LIMIT ?4")),
      rows_of_key_(
          db_->prepare("SELECT key, name, value FROM fold_rows WHERE fold = ?1 AND key = ?2 AND name "
                       ">= ?3 ORDER BY name LIMIT ?4")),
      row_(db_->prepare("SELECT value FROM fold_rows WHERE fold = ?1 AND key = ?2 AND name = ?3")) {}

Result<std::unique_ptr<SqliteReader>> SqliteReader::open(const std::string& path, const std::string& vfs,
                                                         const Vocabulary& vocabulary) {
  auto db = sqlite::Connection::open(path, sqlite::Connection::Mode::read_only, vfs);
  if (!db) {
    return std::unexpected(std::move(db.error()));
  }
  // Longer than any lock that a checkpoint or a recovery holds.
  (*db)->execute("PRAGMA busy_timeout = 2000; PRAGMA cache_size = -16384; PRAGMA trusted_schema = OFF");
  std::unique_ptr<SqliteReader> reader(new SqliteReader(std::move(*db), vocabulary));
  if (!reader->db_->ok()) {
    return std::unexpected(sqlite::to_error(reader->db_->take_error()));
  }
  return reader;
}

std::vector<SqliteReader::Segment> SqliteReader::segments(RecordClass record_class) {
  std::vector<Segment> found;
  for (sqlite::Rows rows = segments_of_.query(static_cast<int>(record_class)); rows.next();) {
    found.push_back({.id = rows.integer(0),
                     .table = segment_table(record_class, rows.integer(0), rows.integer(1)),
                     .first = static_cast<std::uint64_t>(rows.integer(2))});
  }
  // Statements of tables that retention has dropped.
  if (statements_.size() > found.size() + 4 * std::size(kRecordClasses)) {
    statements_.clear();
  }
  return found;
}

SqliteReader::Statements& SqliteReader::statements(const Segment& segment) {
  const auto found = statements_.find(segment.id);
  if (found != statements_.end()) {
    return found->second;
  }
  const auto select = [&](std::string_view rest) {
    return db_->prepare(
        fmt::format("SELECT position, category, record FROM {} WHERE {}", segment.table, rest));
  };
  return statements_
      .emplace(
          segment.id,
          Statements{select("stream = ?1 AND version > ?2 ORDER BY version LIMIT ?3"),
                     select("position > ?1 ORDER BY position LIMIT ?2"),
                     select("category = ?3 AND category > 0 AND position > ?1 ORDER BY position LIMIT ?2")})
      .first->second;
}

std::string SqliteReader::category_name(std::int64_t id) {
  if (id == 0) {
    return {};
  }
  if (const auto known = category_names_.find(id); known != category_names_.end()) {
    return known->second;
  }
  sqlite::Rows rows = category_name_.query(id);
  return rows.next() ? category_names_[id] = rows.bytes(0) : std::string();
}

std::int64_t SqliteReader::category_id(const std::string& name) {
  sqlite::Rows rows = category_id_.query(name);
  return rows.next() ? rows.integer(0) : 0;
}

RecordPtr SqliteReader::record_of(const sqlite::Rows& row) {
  auto record = stored_record(Position(static_cast<std::uint64_t>(row.integer(0))),
                              category_name(row.integer(1)), row.bytes(2), vocabulary_);
  if (!record) {
    record_error_ = std::unexpected(std::move(record.error()));
    return nullptr;
  }
  if (vault_ == nullptr || (*record)->category.empty() ||
      !is_event((*record)->record.record_class, (*record)->record.type)) {
    return std::move(*record);
  }
  auto opened = vault_->open((*record)->record.body);
  if (!opened) {
    record_error_ = std::unexpected(std::move(opened.error()));
    return nullptr;
  }
  if (*opened) {
    auto plain = std::make_shared<StoredRecord>(**record);
    plain->record.body = *std::move(*opened);
    return plain;
  }
  return std::move(*record);
}

void SqliteReader::collect(sqlite::Rows rows, const PageLimits& limits, std::vector<RecordPtr>& found) {
  std::size_t bytes = 0;
  std::size_t count = 0;
  while ((bytes <= limits.bytes || count < 2) && rows.next()) {
    RecordPtr record = record_of(rows);
    if (record == nullptr) {
      return;
    }
    bytes += record->record.body.size();
    ++count;
    found.push_back(std::move(record));
  }
}

// `found` is in order, and longer than the limits allow if there is more.
Result<Page> SqliteReader::page_of(std::vector<RecordPtr> found, const PageLimits& limits, Position end) {
  end_.run();
  if (Result<> error = std::exchange(record_error_, {}); !error && db_->ok()) {
    return std::unexpected(std::move(error.error()));
  }
  return finish(cut_page(std::move(found), limits, end));
}

Result<Page> SqliteReader::read(const StreamQuery& query, Position end) {
  begin_.run();
  std::vector<RecordPtr> found;
  for (const Segment& segment : segments(query.record_class)) {
    collect(statements(segment).by_stream.query(query.stream.value(), query.after_version,
                                                query.limits.records + 1),
            query.limits, found);
  }
  // The tables of two periods of retention may share a stream.
  std::ranges::sort(found, {}, [](const RecordPtr& r) { return r->record.version; });
  return page_of(std::move(found), query.limits, end);
}

Result<Page> SqliteReader::read(const CategoryQuery& query, Position end) {
  begin_.run();
  std::vector<RecordPtr> found;
  const std::int64_t category = query.category.empty() ? 0 : category_id(query.category);
  if (query.category.empty() || category != 0) {
    for (const Segment& segment : segments(query.record_class)) {
      // Segments come in the order of their first position: once the page is full, those that begin behind
      // it have nothing to give.
      std::ranges::sort(found, {}, [](const RecordPtr& r) { return r->position.number(); });
      if (found.size() > query.limits.records &&
          found[query.limits.records]->position.number() < segment.first) {
        break;
      }
      Statements& select = statements(segment);
      collect(category == 0
                  ? select.by_class.query(query.after.number(), query.limits.records + 1)
                  : select.by_category.query(query.after.number(), query.limits.records + 1, category),
              query.limits, found);
    }
    std::ranges::sort(found, {}, [](const RecordPtr& r) { return r->position.number(); });
  }
  return page_of(std::move(found), query.limits, end);
}

Summary SqliteReader::summary_of(const sqlite::Rows& row) {
  return {StreamId(static_cast<std::uint64_t>(row.integer(0))),
          std::string(row.bytes(1)),
          std::string(row.bytes(2)),
          std::string(row.bytes(3)),
          UtcMillis(row.integer(4)),
          UtcMillis(row.integer(5))};
}

// Some shapes of one query; SQLite prepares one in some 20 us.
Result<std::vector<Summary>> SqliteReader::list(const SummaryQuery& query) {
  const std::string_view stream =
      query.search.empty() ? "s.stream" : "f.stream";  // the order of what is walked
  std::string sql = fmt::format("SELECT {} {}", kSummaryColumns, selection(query));
  if (query.after != StreamId()) {
    sql += fmt::format(" AND {} {} ?4", stream, query.newest_first ? '<' : '>');
  }
  if (query.changed_before != UtcMillis()) {
    sql += " AND s.changed < ?5";
  }
  sql += fmt::format(" ORDER BY {}{} LIMIT ?6", stream, query.newest_first ? " DESC" : "");
  sqlite::Statement select = db_->prepare(sql);
  bind_search(select, query.search);
  std::vector<Summary> found;
  for (sqlite::Rows rows = select.query(static_cast<int>(query.record_class), query.name, query.state,
                                        query.after.value(), query.changed_before.value(), query.limit);
       rows.next();) {
    found.push_back(summary_of(rows));
  }
  return finish(std::move(found));
}

Result<std::vector<StateCount>> SqliteReader::count(const CountQuery& query) {
  sqlite::Statement select = db_->prepare(
      fmt::format("SELECT s.name, s.state, count(*) {} GROUP BY s.name, s.state ORDER BY s.name, "
                  "s.state",
                  selection(query)));
  if (!query.name.empty()) {
    select.bind_beyond(2, query.name);
  }
  if (!query.state.empty()) {
    select.bind_beyond(3, query.state);
  }
  bind_search(select, query.search);
  std::vector<StateCount> found;
  for (sqlite::Rows rows = select.query(static_cast<int>(query.record_class)); rows.next();) {
    found.push_back({std::string(rows.bytes(0)), std::string(rows.bytes(1)),
                     static_cast<std::uint64_t>(rows.integer(2))});
  }
  return finish(std::move(found));
}

Result<std::optional<Summary>> SqliteReader::summary(StreamId stream) {
  sqlite::Rows rows = summary_.query(stream.value());
  std::optional<Summary> found;
  if (rows.next()) {
    found = summary_of(rows);
  }
  return finish(std::move(found));
}

Result<std::optional<Holder>> SqliteReader::find(const std::string& scope, const std::string& key) {
  sqlite::Rows rows = find_.query(scope, key);
  std::optional<Holder> found;
  if (rows.next()) {
    found.emplace(StreamId(static_cast<std::uint64_t>(rows.integer(0))), Hash{}, UtcMillis(rows.integer(2)));
    std::ranges::copy(rows.bytes(1).substr(0, found->hash.size()),
                      reinterpret_cast<char*>(found->hash.data()));
  }
  return finish(found);
}

Result<std::optional<Snapshot>> SqliteReader::snapshot(StreamId stream, std::uint64_t fold) {
  sqlite::Rows rows = snapshot_.query(stream.value(), fold);
  std::optional<Snapshot> found;
  if (rows.next()) {
    found.emplace(static_cast<std::uint64_t>(rows.integer(0)), static_cast<std::uint64_t>(rows.integer(1)),
                  std::string(rows.bytes(2)));
  }
  return finish(std::move(found));
}

Result<std::optional<Cursor>> SqliteReader::cursor(const std::string& name) {
  sqlite::Rows rows = cursor_.query(name);
  std::optional<Cursor> found;
  if (rows.next()) {
    found.emplace(std::string(rows.bytes(0)), static_cast<RecordClass>(rows.integer(1)),
                  std::string(rows.bytes(2)), Position(static_cast<std::uint64_t>(rows.integer(3))),
                  std::string(rows.bytes(4)));
  }
  return finish(std::move(found));
}

Result<RowPage> SqliteReader::rows(const RowQuery& query) {
  RowPage page;
  begin_.run();
  {
    sqlite::Rows cursor = cursor_.query(query.cursor);
    if (cursor.next()) {
      page.position = Position(static_cast<std::uint64_t>(cursor.integer(3)));
    }
  }
  // The least name behind another one is that name and a zero byte.
  const RowName from = query.after ? RowName{query.after->key, query.after->row + '\0'}
                                   : RowName{query.key.value_or(std::string()), {}};
  std::size_t bytes = 0;
  page.at_end = true;
  for (sqlite::Rows rows = query.key ? rows_of_key_.query(query.table, *query.key, from.row, query.rows + 1)
                                     : rows_of_table_.query(query.table, from.key, from.row, query.rows + 1);
       rows.next();) {
    bytes += rows.bytes(2).size();
    if (page.rows.size() == query.rows || (bytes > query.bytes && !page.rows.empty())) {
      page.at_end = false;
      break;
    }
    page.rows.push_back(
        {{std::string(rows.bytes(0)), std::string(rows.bytes(1))}, std::string(rows.bytes(2))});
  }
  end_.run();
  return finish(std::move(page));
}

Result<RowValues> SqliteReader::rows(const RowsByName& query) {
  RowValues values;
  std::size_t bytes = 0;
  begin_.run();
  for (const RowName& name : query.names) {
    sqlite::Rows rows = row_.query(query.table, name.key, name.row);
    std::optional<std::string> value;
    if (rows.next()) {
      value = rows.bytes(0);
      bytes += value->size();
    }
    if (bytes > query.bytes && !values.empty()) {
      break;
    }
    values.push_back(std::move(value));
  }
  end_.run();
  return finish(std::move(values));
}

}  // namespace flotilla::journal
