#include "flotilla/journal/postgres_rows.hpp"

#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "flotilla/journal/postgres_batch.hpp"
#include "flotilla/journal/postgres_reader.hpp"

namespace flotilla::journal::pg {
namespace {

constexpr int kRowArguments = 7;
constexpr const char* kAppend = "append";
constexpr const char* kAppendRows = "append_rows";

// A name is put or removed once in a batch.
constexpr const char* kPutRows = R"(CREATE FUNCTION flotilla.put_rows(p_fold bigint[], p_key bytea[],
  p_name bytea[], p_value bytea[], g_fold bigint[], g_key bytea[], g_name bytea[]) RETURNS bigint
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO flotilla.fold_rows AS f SELECT * FROM unnest(p_fold, p_key, p_name, p_value)
  ON CONFLICT (fold, key, name) DO UPDATE SET value = EXCLUDED.value;
  IF cardinality(g_name) > 0 THEN
    DELETE FROM flotilla.fold_rows f USING unnest(g_fold, g_key, g_name) AS g(fold, key, name)
      WHERE f.fold = g.fold AND f.key = g.key AND f.name = g.name;
  END IF;
  RETURN cardinality(p_name) + cardinality(g_name);
END $$)";

// $1 the cursor, $2 the table, $3 the rows, $4 the bytes. The cursor comes first; of the rows those that fit,
// and the one that does not.
constexpr std::string_view kPage =
    "SELECT v.kind, v.key, v.name, v.value, v.shard, v.position FROM (SELECT 0 AS kind, ''::bytea AS key, "
    "''::bytea AS name, ''::bytea AS value, c.shard, c.position FROM flotilla.cursors c WHERE c.name = $1 "
    "UNION ALL SELECT 1, u.key, u.name, u.value, 0::bigint, 0::bigint FROM (SELECT t.*, row_number() OVER w "
    "AS n, sum(octet_length(t.value)) OVER w - octet_length(t.value) AS before FROM (SELECT f.key, f.name, "
    "f.value FROM flotilla.fold_rows f WHERE f.fold = $2{} ORDER BY f.key, f.name LIMIT $3) t WINDOW w AS "
    "(ORDER BY t.key, t.name)) u WHERE u.before <= $4 OR u.n <= 2) v ORDER BY v.kind, v.key, v.name";

constexpr const char* kByName =
    "SELECT u.value FROM (SELECT f.value, w.n, sum(coalesce(octet_length(f.value), 0)) OVER (ORDER BY w.n) "
    "AS bytes FROM unnest($2::bytea[], $3::bytea[]) WITH ORDINALITY AS w(key, name, n) LEFT JOIN "
    "flotilla.fold_rows f ON f.fold = $1 AND f.key = w.key AND f.name = w.name) u WHERE u.bytes <= $4 OR u.n "
    "= 1 ORDER BY u.n";

constexpr const char* kForget =
    "WITH gone AS (DELETE FROM flotilla.fold_rows WHERE ctid = ANY(ARRAY(SELECT ctid FROM flotilla.fold_rows "
    "WHERE fold = $1 LIMIT $2)) RETURNING 1) SELECT count(*) FROM gone";

std::string append_rows_statement() {
  std::string rows;
  for (int i = 1; i <= kRowArguments; ++i) {
    rows += fmt::format("{}${}", i == 1 ? "" : ", ", kAppendArguments + i);
  }
  return fmt::format("SELECT a.*, CASE WHEN a.code = 0 THEN flotilla.put_rows({}) END FROM ({}) a", rows,
                     append_statement());
}

// Added to the arguments of the append.
void add_rows(Arguments& arguments, const Batch& batch) {
  std::vector<std::int64_t> tables[2];
  std::vector<std::string_view> keys[2];
  std::vector<std::string_view> names[2];
  std::vector<std::string_view> values;
  for (const FoldRowPut& put : batch.rows) {
    const int removed = put.value ? 0 : 1;
    tables[removed].push_back(static_cast<std::int64_t>(put.table));
    keys[removed].emplace_back(put.name.key);
    names[removed].emplace_back(put.name.row);
    if (put.value) {
      values.emplace_back(*put.value);
    }
  }
  arguments.numbers(tables[0]).all_bytes(keys[0]).all_bytes(names[0]).all_bytes(values);
  arguments.numbers(tables[1]).all_bytes(keys[1]).all_bytes(names[1]);
}

}  // namespace

std::vector<std::string> row_tables() {
  return {
      "CREATE TABLE flotilla.fold_rows(fold bigint NOT NULL, key bytea NOT NULL, name bytea NOT NULL, value "
      "bytea NOT NULL, PRIMARY KEY (fold, key, name))",
      kPutRows};
}

std::expected<void, Failure> prepare_appends(Connection& connection) {
  Arguments example = append_arguments(Batch(), 0, 0, {});
  if (auto ok = connection.prepare(kAppend, append_statement(), example); !ok) {
    return ok;
  }
  add_rows(example, Batch());
  return connection.prepare(kAppendRows, append_rows_statement(), example);
}

void add_append(Connection& connection, const Batch& batch, Arguments arguments) {
  if (batch.rows.empty()) {
    connection.add_prepared(kAppend, arguments);
    return;
  }
  add_rows(arguments, batch);
  connection.add_prepared(kAppendRows, arguments);
}

Result<RowPage> Reader::rows(const RowQuery& query) {
  Arguments arguments;
  arguments.bytes(query.cursor).number(query.table).number(query.rows + 1).number(query.bytes);
  std::string place;
  if (query.key) {
    place = query.after ? " AND f.key = $5 AND f.name > $6" : " AND f.key = $5";
    arguments.bytes(*query.key);
    if (query.after) {
      arguments.bytes(query.after->row);
    }
  } else if (query.after) {
    place = " AND (f.key, f.name) > ($5, $6)";
    arguments.bytes(query.after->key).bytes(query.after->row);
  }
  const auto rows = ask(fmt::format(kPage, place), arguments);
  if (!rows) {
    return std::unexpected(rows.error());
  }
  RowPage page{.rows = {}, .at_end = true, .position = {}};
  std::size_t bytes = 0;
  for (int row = 0; row < rows->count(); ++row) {
    if (rows->number(row, 0) == 0) {
      page.position =
          Position(rows->unsigned_number(row, 5), static_cast<std::uint32_t>(rows->number(row, 4)));
      continue;
    }
    bytes += rows->bytes(row, 3).size();
    if (page.rows.size() == query.rows || (bytes > query.bytes && !page.rows.empty())) {
      page.at_end = false;
      break;
    }
    page.rows.push_back({.name = {std::string(rows->bytes(row, 1)), std::string(rows->bytes(row, 2))},
                         .value = std::string(rows->bytes(row, 3))});
  }
  return page;
}

Result<RowValues> Reader::rows(const RowsByName& query) {
  std::vector<std::string_view> keys;
  std::vector<std::string_view> names;
  for (const RowName& name : query.names) {
    keys.emplace_back(name.key);
    names.emplace_back(name.row);
  }
  Arguments arguments;
  arguments.number(query.table).all_bytes(keys).all_bytes(names).number(query.bytes);
  const auto rows = ask(kByName, arguments);
  if (!rows) {
    return std::unexpected(rows.error());
  }
  RowValues values;
  for (int row = 0; row < rows->count(); ++row) {
    values.push_back(rows->is_null(row, 0) ? std::nullopt : std::optional<std::string>(rows->bytes(row, 0)));
  }
  return values;
}

Result<std::int64_t> Reader::forget_rows(std::uint64_t table) {
  Arguments arguments;
  arguments.number(table).number(kMaxForgotten);
  return change(kForget, arguments);
}

}  // namespace flotilla::journal::pg
