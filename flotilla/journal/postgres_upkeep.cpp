// The server's functions beside the append: reading pages, forgetting, and leases.
#include <fmt/format.h>

#include "flotilla/journal/postgres_schema.hpp"

namespace flotilla::journal::pg {
namespace {

// Both read all tables of a class as of one moment: statements of a STABLE function see what the calling
// query sees. A page ends with the row that passes the bytes; bodies are some 60 bytes shorter than records.
std::string read_function(std::string_view arguments, std::string_view where, std::string_view order,
                          std::string_view before, std::string_view values) {
  return fmt::format(R"(CREATE FUNCTION flotilla.{0} RETURNS TABLE(pos bigint, category bytea, record bytea)
LANGUAGE plpgsql STABLE AS $$
#variable_conflict use_column
DECLARE tables text; wanted bigint := 0;
BEGIN
  {3}
  SELECT string_agg(format('(SELECT position, version, category, record FROM flotilla.%I WHERE {1} '
      'ORDER BY {2} LIMIT $3)', flotilla.table_name(p_class, id)), ' UNION ALL ')
    INTO tables FROM (SELECT 0 AS id UNION ALL SELECT id FROM flotilla.segments WHERE class = p_class) g;
  RETURN QUERY EXECUTE 'SELECT u.position, coalesce(k.name, ''''), u.record FROM (SELECT t.*, row_number() '
    'OVER w AS n, sum(greatest(octet_length(t.record) - 64, 0)) OVER w - greatest(octet_length(t.record) - 64, '
    '0) AS bytes FROM (SELECT * FROM (' || tables || ') a ORDER BY a.{2} LIMIT $3) t WINDOW w AS (ORDER BY '
    't.{2})) u LEFT JOIN flotilla.categories k ON k.id = u.category WHERE u.bytes <= $4 OR u.n <= 2 ORDER BY '
    'u.{2}' USING {4};
END $$)",
                     arguments, where, order, before, values);
}

constexpr const char* kOpenPeriod = R"(CREATE FUNCTION flotilla.open_period(p_class bigint, p_retain bigint,
  p_now bigint, p_period bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE g flotilla.segments; fresh bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(7379545627402391920);
  SELECT * INTO g FROM flotilla.segments WHERE class = p_class AND retain = p_retain ORDER BY id DESC LIMIT 1;
  IF FOUND AND p_now < g.opened + p_period THEN RETURN g.opened; END IF;
  INSERT INTO flotilla.segments(class, retain, opened) VALUES (p_class, p_retain, p_now) RETURNING id INTO fresh;
  PERFORM flotilla.create_records(flotilla.table_name(p_class, fresh));
  RETURN p_now;
END $$)";

// Streams go on from their last version, and subscriptions keep what they have not passed unless it is hard.
constexpr const char* kDropPeriods = R"(CREATE FUNCTION flotilla.drop_periods(p_now bigint, p_hard boolean,
  p_least bigint, p_most bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE g flotilla.segments; wanted boolean; n bigint; gone bigint := 0; name text;
BEGIN
  PERFORM pg_advisory_xact_lock(7379545627402391920);
  FOR g IN SELECT * FROM flotilla.segments ORDER BY id LOOP
    CONTINUE WHEN g.opened + greatest(p_least, least(g.retain / 8, p_most)) + g.retain > p_now;
    name := flotilla.table_name(g.class, g.id);
    IF NOT p_hard THEN
      EXECUTE format('SELECT EXISTS (SELECT 1 FROM flotilla.cursors c WHERE c.class = $1 AND EXISTS (SELECT 1 '
        'FROM flotilla.%I r WHERE r.shard = c.shard AND r.position > c.position AND (c.category = '''' OR '
        'r.category = (SELECT k.id FROM flotilla.categories k WHERE k.name = c.category))))', name)
        INTO wanted USING g.class;
      CONTINUE WHEN wanted;
    END IF;
    EXECUTE format('INSERT INTO flotilla.heads AS h SELECT stream, max(version) FROM flotilla.%I GROUP BY '
      'stream ON CONFLICT (stream) DO UPDATE SET version = greatest(h.version, EXCLUDED.version)', name);
    EXECUTE format('SELECT count(*) FROM flotilla.%I', name) INTO n;
    EXECUTE format('DROP TABLE flotilla.%I', name);
    DELETE FROM flotilla.segments WHERE id = g.id;
    gone := gone + n;
  END LOOP;
  IF gone > 0 THEN UPDATE flotilla.store SET forgotten = forgotten + gone; END IF;
  RETURN gone;
END $$)";

constexpr const char* kForgetStreams = R"(CREATE FUNCTION flotilla.forget_streams(p_class bigint,
  p_streams bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE ids bigint[]; t bigint; n bigint; gone bigint := 0;
BEGIN
  SELECT array_agg(stream) INTO ids FROM (SELECT stream FROM flotilla.summaries WHERE class = p_class AND
    stream = ANY(p_streams) FOR UPDATE SKIP LOCKED) f;
  IF ids IS NULL THEN RETURN 0; END IF;
  FOR t IN SELECT 0 UNION ALL SELECT id FROM flotilla.segments WHERE class = p_class LOOP
    EXECUTE format('DELETE FROM flotilla.%I WHERE stream = ANY($1)', flotilla.table_name(p_class, t)) USING ids;
    GET DIAGNOSTICS n = ROW_COUNT;
    gone := gone + n;
  END LOOP;
  DELETE FROM flotilla.summaries WHERE stream = ANY(ids);
  DELETE FROM flotilla.snapshots WHERE stream = ANY(ids);
  DELETE FROM flotilla.heads WHERE stream = ANY(ids);
  UPDATE flotilla.store SET forgotten = forgotten + gone;
  RETURN gone;
END $$)";

// A member of the object `search`; null where the attributes have none, or are no JSON.
constexpr const char* kSearchText = R"(CREATE FUNCTION flotilla.search_text(p_attributes bytea, p_name bytea)
RETURNS bytea LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  RETURN convert_to(convert_from(p_attributes, 'UTF8')::jsonb -> 'search' ->> convert_from(p_name, 'UTF8'), 'UTF8');
EXCEPTION WHEN data_exception THEN RETURN NULL;
END $$)";

constexpr const char* kForgetClaims = R"(CREATE FUNCTION flotilla.forget_claims(p_now bigint, p_limit bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  DELETE FROM flotilla.claims WHERE ctid = ANY(ARRAY(SELECT ctid FROM flotilla.claims WHERE expires > 0 AND
    expires <= p_now ORDER BY expires LIMIT p_limit FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS n = ROW_COUNT;
  RETURN n;
END $$)";

// The oldest records of one topic in one shard. Streams go on from their last version: appends, which look
// for it, wait meanwhile. What is counted tells other processes to forget what they have in memory.
constexpr const char* kForgetTopic =
    R"(CREATE FUNCTION flotilla.forget_topic(p_class bigint, p_category bytea,
  p_shard bigint, p_until bigint, p_limit bigint) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE wanted bigint; t bigint; n bigint; gone bigint := 0;
BEGIN
  SELECT k.id INTO wanted FROM flotilla.categories k WHERE k.name = p_category;
  IF NOT FOUND THEN RETURN 0; END IF;
  PERFORM 1 FROM flotilla.shards WHERE shard = p_shard FOR UPDATE;
  FOR t IN SELECT 0 UNION ALL SELECT id FROM flotilla.segments WHERE class = p_class LOOP
    EXIT WHEN gone >= p_limit;
    BEGIN
      EXECUTE format('WITH old AS (SELECT position FROM flotilla.%1$I WHERE category = $1 AND category > 0 AND '
        'shard = $2 AND position <= $3 ORDER BY position LIMIT $4), g AS (DELETE FROM flotilla.%1$I r USING old '
        'WHERE r.shard = $2 AND r.position = old.position RETURNING r.stream, r.version), h AS (INSERT INTO '
        'flotilla.heads AS h SELECT stream, max(version) FROM g GROUP BY stream ON CONFLICT (stream) DO UPDATE '
        'SET version = greatest(h.version, EXCLUDED.version)) SELECT count(*) FROM g',
        flotilla.table_name(p_class, t)) INTO n USING wanted, p_shard, p_until, p_limit - gone;
      gone := gone + n;
    EXCEPTION WHEN undefined_table THEN
      NULL;  -- its period has just been dropped
    END;
  END LOOP;
  IF gone > 0 THEN UPDATE flotilla.store SET forgotten = forgotten + gone, taken_out = taken_out + 1; END IF;
  RETURN gone;
END $$)";

constexpr const char* kForgetScope = R"(CREATE FUNCTION flotilla.forget_scope(p_scope bytea, p_limit bigint)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE n bigint;
BEGIN
  DELETE FROM flotilla.claims WHERE ctid = ANY(ARRAY(SELECT ctid FROM flotilla.claims WHERE scope = p_scope
    LIMIT p_limit FOR UPDATE SKIP LOCKED));
  GET DIAGNOSTICS n = ROW_COUNT;
  RETURN n;
END $$)";

// One round of core/lease_plan.hpp: release, renew, take, and the table as it stands then. A shard whose row
// somebody is writing under is not taken: its owner is not gone yet. Nothing here waits for an append.
constexpr const char* kLeaseRound = R"(CREATE FUNCTION flotilla.lease_round(p_process text, p_address text,
  p_ms bigint, p_leave boolean, l_shards bigint[], l_epochs bigint[], n_shards bigint[], n_epochs bigint[],
  t_shards bigint[]) RETURNS TABLE(shard bigint, owner text, epoch bigint, live boolean, pos bigint,
  address text) LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  until_then timestamptz := clock_timestamp() + p_ms * interval '1 millisecond';
  mine bigint[];
BEGIN
  UPDATE flotilla.leases l SET owner = '', until = '-infinity'
    FROM unnest(l_shards, l_epochs) AS r(shard, epoch) JOIN flotilla.shards s ON s.shard = r.shard
    WHERE l.shard = r.shard AND l.owner = p_process AND s.epoch = r.epoch;
  UPDATE flotilla.leases l SET until = until_then
    FROM unnest(n_shards, n_epochs) AS r(shard, epoch) JOIN flotilla.shards s ON s.shard = r.shard
    WHERE l.shard = r.shard AND l.owner = p_process AND s.epoch = r.epoch;
  IF cardinality(t_shards) > 0 THEN
    SELECT array_agg(f.shard) INTO mine FROM (SELECT l.shard FROM flotilla.leases l
      JOIN flotilla.shards s ON s.shard = l.shard
      WHERE l.shard = ANY(t_shards) AND (l.until <= clock_timestamp() OR l.owner IN ('', p_process))
      ORDER BY l.shard FOR UPDATE SKIP LOCKED) f;
    UPDATE flotilla.leases l SET owner = p_process, until = until_then WHERE l.shard = ANY(mine);
    UPDATE flotilla.shards s SET epoch = s.epoch + 1, session = 0 WHERE s.shard = ANY(mine);
  END IF;
  IF p_leave THEN
    DELETE FROM flotilla.processes WHERE process = p_process;
  ELSE
    INSERT INTO flotilla.processes VALUES (p_process, p_address, until_then)
      ON CONFLICT (process) DO UPDATE SET address = EXCLUDED.address, until = EXCLUDED.until;
  END IF;
  DELETE FROM flotilla.processes WHERE process IN (SELECT p.process FROM flotilla.processes p
    WHERE p.until < clock_timestamp() - interval '1 hour' FOR UPDATE SKIP LOCKED);
  RETURN QUERY SELECT s.shard, l.owner, s.epoch, l.until > clock_timestamp(), s.position,
      coalesce(p.address, '')
    FROM flotilla.shards s JOIN flotilla.leases l ON l.shard = s.shard
    LEFT JOIN flotilla.processes p ON p.process = l.owner ORDER BY s.shard;
  RETURN QUERY SELECT -1::bigint, p.process, 0::bigint, true, 0::bigint, p.address
    FROM flotilla.processes p WHERE p.until > clock_timestamp();
END $$)";

}  // namespace

std::vector<std::string> read_functions() {
  return {
      read_function("read_stream(p_class bigint, p_stream bigint, p_after bigint, p_limit bigint, p_bytes "
                    "bigint)",
                    "stream = $1 AND version > $2", "version", "", "p_stream, p_after, p_limit, p_bytes"),
      read_function("read_class(p_class bigint, p_shard bigint, p_after bigint, p_limit bigint, p_bytes "
                    "bigint)",
                    "shard = $1 AND position > $2", "position", "", "p_shard, p_after, p_limit, p_bytes"),
      read_function("read_category(p_class bigint, p_category bytea, p_shard bigint, p_after bigint, p_limit "
                    "bigint, p_bytes bigint)",
                    "shard = $1 AND position > $2 AND category = $5 AND category > 0", "position",
                    "SELECT k.id INTO wanted FROM flotilla.categories k WHERE k.name = p_category;\n"
                    "  IF NOT FOUND THEN RETURN; END IF;",
                    "p_shard, p_after, p_limit, p_bytes, wanted")};
}

std::vector<std::string> upkeep_functions() {
  return {kOpenPeriod, kDropPeriods, kForgetStreams, kForgetClaims, kSearchText};
}

std::vector<std::string> topic_upkeep_functions() {
  return {"ALTER TABLE flotilla.store ADD COLUMN taken_out bigint NOT NULL DEFAULT 0", kForgetTopic,
          kForgetScope};
}

std::vector<std::string> lease_functions() { return {kLeaseRound}; }

}  // namespace flotilla::journal::pg
