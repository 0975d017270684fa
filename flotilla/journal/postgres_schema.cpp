#include "flotilla/journal/postgres_schema.hpp"

#include <fmt/format.h>

#include "flotilla/journal/postgres_rows.hpp"

namespace flotilla::journal::pg {
namespace {

// Names and keys are bytea: any bytes are allowed in them, and they sort the same everywhere.
std::vector<std::string> tables() {
  return {
      "CREATE SCHEMA flotilla",
      "CREATE TABLE flotilla.store(one integer PRIMARY KEY CHECK (one = 1), version integer NOT NULL, "
      "forgotten bigint NOT NULL)",
      "INSERT INTO flotilla.store VALUES (1, 0, 0)",
      // Written by every append, so kept apart from leases, and with room for new versions of a row beside
      // it.
      "CREATE TABLE flotilla.shards(shard bigint PRIMARY KEY, epoch bigint NOT NULL, position bigint NOT "
      "NULL, "
      "streams bigint NOT NULL, session bigint NOT NULL, last_group bigint NOT NULL) WITH (fillfactor = 10)",
      fmt::format("INSERT INTO flotilla.shards SELECT s, 0, 0, 0, 0, 0 FROM generate_series(0, {}) s",
                  kShards - 1),
      "CREATE TABLE flotilla.leases(shard bigint PRIMARY KEY, owner text NOT NULL, until timestamptz NOT "
      "NULL) "
      "WITH (fillfactor = 50)",
      fmt::format("INSERT INTO flotilla.leases SELECT s, '', '-infinity' FROM generate_series(0, {}) s",
                  kShards - 1),
      "CREATE TABLE flotilla.processes(process text PRIMARY KEY, address text NOT NULL, until timestamptz "
      "NOT "
      "NULL)",
      "CREATE TABLE flotilla.segments(id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (START WITH 11), "
      "class "
      "bigint NOT NULL, retain bigint NOT NULL, opened bigint NOT NULL)",
      "CREATE TABLE flotilla.categories(id bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY, name bytea NOT "
      "NULL "
      "UNIQUE)",
      "CREATE TABLE flotilla.heads(stream bigint PRIMARY KEY, version bigint NOT NULL)",
      "CREATE TABLE flotilla.claims(scope bytea NOT NULL, key bytea NOT NULL, stream bigint NOT NULL, hash "
      "bytea "
      "NOT NULL, expires bigint NOT NULL, PRIMARY KEY (scope, key))",
      "CREATE INDEX claims_by_expiry ON flotilla.claims(expires) WHERE expires > 0",
      "CREATE TABLE flotilla.summaries(stream bigint PRIMARY KEY, class bigint NOT NULL, name bytea NOT "
      "NULL, "
      "state bytea NOT NULL, attributes bytea NOT NULL, created bigint NOT NULL, changed bigint NOT NULL)",
      "CREATE INDEX summaries_by_name ON flotilla.summaries(class, name, stream)",
      "CREATE INDEX summaries_by_state ON flotilla.summaries(class, state, stream)",
      fmt::format("CREATE INDEX summaries_by_shard ON flotilla.summaries((stream % {}), class, stream)",
                  kShards),
      "CREATE TABLE flotilla.snapshots(stream bigint PRIMARY KEY, version bigint NOT NULL, fold bigint NOT "
      "NULL, "
      "state bytea NOT NULL)",
      "CREATE TABLE flotilla.cursors(name bytea PRIMARY KEY, class bigint NOT NULL, category bytea NOT NULL, "
      "shard bigint NOT NULL, position bigint NOT NULL, state bytea NOT NULL)",
      // The table of a class, or of one period of topics with retention.
      R"(CREATE FUNCTION flotilla.table_name(p_class bigint, p_segment bigint) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
  SELECT (ARRAY['saga', 'topic', 'queue', 'aggregate'])[p_class] ||
         CASE WHEN p_segment = 0 THEN '' ELSE '_' || p_segment END
$$)",
      R"(CREATE FUNCTION flotilla.create_records(p_table text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('CREATE TABLE flotilla.%I(shard bigint NOT NULL, position bigint NOT NULL, stream bigint '
    'NOT NULL, version bigint NOT NULL, category bigint NOT NULL, record bytea NOT NULL, '
    'PRIMARY KEY (shard, position), UNIQUE (stream, version))', p_table);
  EXECUTE format('CREATE INDEX %I ON flotilla.%I(category, shard, position) WHERE category > 0',
    p_table || '_by_category', p_table);
END $$)",
      "SELECT flotilla.create_records(flotilla.table_name(c, 0)) FROM generate_series(1, 4) c"};
}

// Version 2: what rows are found by, kept by triggers, so that whoever writes rows need not know.
std::vector<std::string> search_index() {
  return {
      "CREATE TABLE flotilla.search(name bytea NOT NULL, text bytea NOT NULL, stream bigint NOT NULL, "
      "PRIMARY KEY "
      "(name, text, stream))",
      "CREATE INDEX search_by_stream ON flotilla.search(stream)",
      // Nothing of attributes that are no JSON, or hold what text cannot (U+0000).
      R"(CREATE FUNCTION flotilla.search_of(p_attributes bytea) RETURNS TABLE(name bytea, text bytea)
LANGUAGE plpgsql STABLE AS $$
DECLARE found jsonb;
BEGIN
  IF position('"search"'::bytea IN p_attributes) = 0 THEN RETURN; END IF;
  found := convert_from(p_attributes, 'UTF8')::jsonb -> 'search';
  IF jsonb_typeof(found) = 'object' THEN
    RETURN QUERY SELECT convert_to(m.key, 'UTF8'), convert_to(m.value #>> '{}', 'UTF8')
      FROM jsonb_each(found) m WHERE jsonb_typeof(m.value) = 'string';
  END IF;
EXCEPTION WHEN data_exception THEN RETURN;
END $$)",
      "INSERT INTO flotilla.search SELECT f.name, f.text, s.stream FROM flotilla.summaries s, "
      "flotilla.search_of(s.attributes) f",
      R"(CREATE FUNCTION flotilla.row_is_found() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO flotilla.search SELECT f.name, f.text, NEW.stream FROM flotilla.search_of(NEW.attributes) f;
  RETURN NULL;
END $$)",
      R"(CREATE TRIGGER row_is_found AFTER INSERT ON flotilla.summaries FOR EACH ROW
WHEN (position('"search"'::bytea IN NEW.attributes) > 0) EXECUTE FUNCTION flotilla.row_is_found())",
      R"(CREATE FUNCTION flotilla.rows_are_gone() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  DELETE FROM flotilla.search f USING gone WHERE f.stream = gone.stream;
  RETURN NULL;
END $$)",
      "CREATE TRIGGER rows_are_gone AFTER DELETE ON flotilla.summaries REFERENCING OLD TABLE AS gone "
      "FOR EACH STATEMENT EXECUTE FUNCTION flotilla.rows_are_gone()",
      "DROP FUNCTION flotilla.search_text(bytea, bytea)"};
}

// Any number: who creates or upgrades the schema holds this lock until the end of the transaction.
constexpr std::string_view kLock = "SELECT pg_advisory_xact_lock(7379545627402391919)";

class Migration {
 public:
  Migration(Connection& connection, const std::string& store) : connection_(connection), store_(store) {}

  Result<> run(const Steps& steps) {
    // It takes as long as it takes, also to wait for another process that is at it.
    if (!execute("BEGIN") || !execute("SET LOCAL statement_timeout = 0") || !execute(std::string(kLock))) {
      return give_up();
    }
    const auto version = read_version();
    if (!version) {
      (void)connection_.query("ROLLBACK");
      return std::unexpected(version.error());
    }
    if (*version > steps.size()) {
      (void)connection_.query("ROLLBACK");
      return fail(Errc::unsupported,
                  fmt::format("the store {} has schema {}, this version of Flotilla knows up to {}: run the "
                              "version that wrote it, or a newer one",
                              store_, *version, steps.size()));
    }
    for (std::size_t next = *version; next < steps.size(); ++next) {
      for (const std::string& statement : steps[next]) {
        if (!execute(statement)) {
          return give_up();
        }
      }
    }
    if (*version < steps.size() &&
        !execute(fmt::format("UPDATE flotilla.store SET version = {}", steps.size()))) {
      return give_up();
    }
    return execute("COMMIT") ? Result<>() : give_up();
  }

 private:
  bool execute(const std::string& sql) {
    if (auto answer = connection_.query(sql); !answer) {
      failure_ = std::move(answer.error());
      return false;
    }
    return true;
  }

  Result<std::size_t> read_version() {
    auto found = connection_.query(
        "SELECT to_regnamespace('flotilla') IS NOT NULL, to_regclass('flotilla.store') IS NOT NULL");
    if (!found) {
      return std::unexpected(to_error(found.error()));
    }
    if (found->number(0, 0) == 0) {
      return 0;
    }
    if (found->number(0, 1) == 0) {
      return fail(
          Errc::unsupported,
          fmt::format("{} has a schema \"flotilla\" that is no journal: name another database", store_));
    }
    auto version = connection_.query("SELECT version FROM flotilla.store");
    if (!version) {
      return std::unexpected(to_error(version.error()));
    }
    return static_cast<std::size_t>(version->number(0, 0));
  }

  Result<> give_up() {
    (void)connection_.query("ROLLBACK");
    return fail(Errc::unavailable, fmt::format("cannot bring the store {} to the newest schema (it is "
                                               "unchanged; the role needs CREATE on the database): {}",
                                               store_, failure_.message));
  }

  Connection& connection_;
  const std::string& store_;
  Failure failure_;
};

}  // namespace

Steps schema_steps() {
  std::vector<std::string> first = tables();
  for (auto texts : {append_functions(), read_functions(), upkeep_functions(), lease_functions()}) {
    first.insert(first.end(), texts.begin(), texts.end());
  }
  return {std::move(first), search_index(), row_tables(), topic_upkeep_functions()};
}

Result<> migrate(Connection& connection, const std::string& store, const Steps& steps) {
  return Migration(connection, store).run(steps);
}

}  // namespace flotilla::journal::pg
