// The append: one function on the server that judges a batch and writes it, under the lock of its shard's
// row.
//
// A batch that is refused has written nothing, so a transaction may hold many. Positions, streams and
// versions are assigned here, so they are dense and appear in order: whoever writes to a shard has its row
// locked until the end of the transaction. Claims are judged by inserting them; where several belong to one
// batch, within a subtransaction, so that a refusal takes the earlier ones back.
#include <fmt/format.h>

#include "flotilla/journal/core/record.hpp"
#include "flotilla/journal/postgres_schema.hpp"

namespace flotilla::journal::pg {
namespace {

// LEB128, as core/varint.hpp.
constexpr const char* kVarint = R"(CREATE FUNCTION flotilla.varint(p_value bigint) RETURNS bytea
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
DECLARE v bigint := p_value; done bytea := '';
BEGIN
  WHILE v >= 128 LOOP
    done := done || set_byte('\x00', 0, ((v & 127) | 128)::integer);
    v := v >> 7;
  END LOOP;
  RETURN done || set_byte('\x00', 0, v::integer);
END $$)";

// The version of a stream, wherever its last record is, or was before it was forgotten.
std::string head() {
  std::string text = R"(CREATE FUNCTION flotilla.head(p_class bigint, p_stream bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE v bigint; w bigint; t bigint;
BEGIN
  CASE p_class
)";
  for (const RecordClass record_class : kRecordClasses) {
    text +=
        fmt::format("  WHEN {} THEN SELECT max(version) INTO v FROM flotilla.{} WHERE stream = p_stream;\n",
                    static_cast<int>(record_class), to_string(record_class));
  }
  text += R"(  END CASE;
  SELECT version INTO w FROM flotilla.heads WHERE stream = p_stream;
  v := greatest(v, w, 0);
  FOR t IN SELECT id FROM flotilla.segments WHERE class = p_class LOOP
    EXECUTE format('SELECT max(version) FROM flotilla.%I WHERE stream = $1', flotilla.table_name(p_class, t))
      INTO w USING p_stream;
    v := greatest(v, w);
  END LOOP;
  RETURN v;
END $$)";
  return text;
}

// Gives 0, or which claim is refused. An expiry of the same batch counts before the claims.
constexpr const char* kPutClaims =
    R"(CREATE FUNCTION flotilla.put_claims(p_time bigint, c_scope bytea[], c_key bytea[], c_holder bigint[],
  c_hash bytea[], c_expires bigint[], c_twice bigint, e_scope bytea[], e_key bytea[], e_holder bigint[],
  e_expires bigint[]) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE i integer;
BEGIN
  FOR i IN 1 .. cardinality(c_key) LOOP
    IF i = c_twice THEN RETURN i; END IF;
    INSERT INTO flotilla.claims AS c VALUES (c_scope[i], c_key[i], c_holder[i], c_hash[i], c_expires[i])
    ON CONFLICT (scope, key) DO UPDATE
      SET stream = EXCLUDED.stream, hash = EXCLUDED.hash, expires = EXCLUDED.expires
      WHERE coalesce((SELECT e.expires FROM unnest(e_scope, e_key, e_holder, e_expires) WITH ORDINALITY
                        AS e(scope, key, holder, expires, n)
                      WHERE e.scope = c.scope AND e.key = c.key AND e.holder = c.stream
                      ORDER BY e.n DESC LIMIT 1), c.expires) BETWEEN 1 AND p_time;
    IF NOT FOUND THEN RETURN i; END IF;
  END LOOP;
  RETURN 0;
END $$)";

constexpr const char* kAppendHead = R"(CREATE FUNCTION flotilla.append(
  p_shard bigint, p_epoch bigint, p_session bigint, p_group bigint, p_time bigint, p_created bigint,
  a_class bigint[], a_stream bigint[], a_expected bigint[], a_count bigint[],
  g_names bytea[], r_append bigint[], r_offset bigint[], r_category bigint[], r_retain bigint[],
  r_rest bytea[],
  c_scope bytea[], c_key bytea[], c_holder bigint[], c_hash bytea[], c_expires bigint[], c_twice bigint,
  e_scope bytea[], e_key bytea[], e_holder bigint[], e_expires bigint[],
  s_class bigint[], s_stream bigint[], s_name bytea[], s_state bytea[], s_attributes bytea[],
  s_removed bigint[], n_stream bigint[], n_version bigint[], n_fold bigint[], n_state bytea[],
  k_name bytea[], k_class bigint[], k_category bytea[], k_shard bigint[], k_position bigint[],
  k_state bytea[], k_removed bytea[],
  OUT code bigint, OUT nth bigint, OUT pos bigint, OUT streams bigint, OUT versions bigint[],
  OUT holder bigint, OUT hash bytea, OUT expires bigint)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  s flotilla.shards;
  v bigint;
  i integer;
  ids bigint[];
  taken bigint := 0;
  t record;
BEGIN
  versions := '{}'; code := 0; nth := 0; holder := 0; hash := ''; expires := 0;
  SELECT * INTO STRICT s FROM flotilla.shards WHERE shard = p_shard FOR UPDATE;
  pos := s.position; streams := s.streams;
  IF s.epoch <> p_epoch THEN code := 1; nth := s.epoch; RETURN; END IF;
  IF s.session <> p_session THEN code := 5; RETURN; END IF;
  FOR i IN 1 .. cardinality(a_stream) LOOP
    IF a_stream[i] < 0 THEN
      v := 0;
      a_stream[i] := (s.streams - a_stream[i]) * 64 + p_shard;
    ELSIF a_stream[i] / 64 > s.streams THEN
      code := 6; nth := i; RETURN;
    ELSE
      v := flotilla.head(a_class[i], a_stream[i]);
      IF a_expected[i] >= 0 AND v <> a_expected[i] THEN
        code := 2; nth := i; pos := v; RETURN;
      END IF;
    END IF;
    versions[i] := v;
  END LOOP;
  IF cardinality(g_names) > 0 THEN
    SELECT array_agg(k.id ORDER BY g.n) INTO ids
      FROM unnest(g_names) WITH ORDINALITY AS g(name, n) JOIN flotilla.categories k ON k.name = g.name;
    IF coalesce(cardinality(ids), 0) < cardinality(g_names) THEN code := 4; RETURN; END IF;
  END IF;
  FOR i IN 1 .. cardinality(c_holder) LOOP
    IF c_holder[i] < 0 THEN c_holder[i] := (s.streams - c_holder[i]) * 64 + p_shard; END IF;
  END LOOP;
  IF cardinality(c_key) = 1 THEN
    taken := flotilla.put_claims(p_time, c_scope, c_key, c_holder, c_hash, c_expires, c_twice, e_scope, e_key,
                                 e_holder, e_expires);
  ELSIF cardinality(c_key) > 1 THEN
    BEGIN
      taken := flotilla.put_claims(p_time, c_scope, c_key, c_holder, c_hash, c_expires, c_twice, e_scope,
                                   e_key, e_holder, e_expires);
      IF taken > 0 THEN RAISE EXCEPTION 'taken' USING ERRCODE = 'FL001'; END IF;
    EXCEPTION WHEN SQLSTATE 'FL001' THEN
      NULL;
    END;
  END IF;
  IF taken > 0 THEN
    code := 3; nth := taken;
    IF taken <> c_twice THEN
      SELECT c.stream, c.hash, c.expires INTO holder, hash, expires
        FROM flotilla.claims c WHERE c.scope = c_scope[taken] AND c.key = c_key[taken];
    END IF;
    RETURN;
  END IF;
)";

// What is inserted into a table of records. `a` is the append's number, `o` the record's in it, `n` the
// batch's.
constexpr std::string_view kRecordsOf =
    "SELECT {shard}, {position} + r.n, ({streams})[r.a], ({versions})[r.a] + r.o, "
    "CASE WHEN r.k = 0 THEN 0 ELSE ({ids})[r.k] END, {head} || flotilla.varint(({streams})[r.a]) || "
    "flotilla.varint(({versions})[r.a] + r.o) || r.rest FROM unnest({append}, {offset}, {category}, "
    "{retain}, "
    "{rest}) WITH ORDINALITY AS r(a, o, k, retain, rest, n) WHERE ({classes})[r.a] = {class} AND r.retain = "
    "{period}";

std::string permanent_records() {
  using fmt::arg;
  std::string text;
  for (const RecordClass record_class : kRecordClasses) {
    const int number = static_cast<int>(record_class);
    const std::string select =
        fmt::format(kRecordsOf, arg("shard", "p_shard"), arg("position", "s.position"),
                    arg("streams", "a_stream"), arg("versions", "versions"), arg("ids", "ids"),
                    arg("head", fmt::format("'\\x{:02x}{:02x}'::bytea", kRecordFormat, number)),
                    arg("append", "r_append"), arg("offset", "r_offset"), arg("category", "r_category"),
                    arg("retain", "r_retain"), arg("rest", "r_rest"), arg("classes", "a_class"),
                    arg("class", number), arg("period", 0));
    text += fmt::format("  IF {} = ANY(a_class) THEN\n    INSERT INTO flotilla.{} {};\n  END IF;\n", number,
                        to_string(record_class), select);
  }
  return text;
}

std::string period_records() {
  using fmt::arg;
  const std::string select =
      fmt::format(kRecordsOf, arg("shard", "$1"), arg("position", "$2"), arg("streams", "$3"),
                  arg("versions", "$4"), arg("ids", "$5"), arg("head", "$6"), arg("append", "$7"),
                  arg("offset", "$8"), arg("category", "$9"), arg("retain", "$10"), arg("rest", "$11"),
                  arg("classes", "$12"), arg("class", "$13"), arg("period", "$14"));
  return fmt::format(R"(  FOR t IN SELECT DISTINCT a_class[r.a] AS class, r.retain
      FROM unnest(r_append, r_retain) AS r(a, retain) WHERE r.retain > 0 LOOP
    SELECT id INTO STRICT v FROM flotilla.segments WHERE class = t.class AND retain = t.retain
      ORDER BY id DESC LIMIT 1;
    EXECUTE format('INSERT INTO flotilla.%I {}', flotilla.table_name(t.class, v))
      USING p_shard, s.position, a_stream, versions, ids,
        set_byte(set_byte('\x0000', 0, {}), 1, t.class::integer), r_append, r_offset, r_category, r_retain,
        r_rest, a_class, t.class, t.retain;
  END LOOP;
)",
                     select, kRecordFormat);
}

constexpr const char* kAppendRest = R"(
  pos := s.position + cardinality(r_append);
  UPDATE flotilla.shards SET position = s.position + cardinality(r_append), streams = s.streams + p_created,
    last_group = p_group WHERE shard = p_shard;
  FOR i IN 1 .. cardinality(a_count) LOOP
    versions[i] := versions[i] + a_count[i];
  END LOOP;
  IF cardinality(s_stream) > 0 THEN
    INSERT INTO flotilla.summaries AS y
      SELECT CASE WHEN u.stream < 0 THEN (s.streams - u.stream) * 64 + p_shard ELSE u.stream END, u.class,
             u.name, u.state, u.attributes, p_time, p_time
      FROM unnest(s_stream, s_class, s_name, s_state, s_attributes) AS u(stream, class, name, state, attributes)
    ON CONFLICT (stream) DO UPDATE
      SET state = EXCLUDED.state, attributes = EXCLUDED.attributes, changed = EXCLUDED.changed;
  END IF;
  IF cardinality(s_removed) > 0 THEN
    DELETE FROM flotilla.summaries WHERE stream = ANY(s_removed);
  END IF;
  IF cardinality(n_stream) > 0 THEN
    INSERT INTO flotilla.snapshots AS y SELECT * FROM unnest(n_stream, n_version, n_fold, n_state)
    ON CONFLICT (stream) DO UPDATE
      SET version = EXCLUDED.version, fold = EXCLUDED.fold, state = EXCLUDED.state;
  END IF;
  IF cardinality(k_name) > 0 THEN
    INSERT INTO flotilla.cursors AS y
      SELECT * FROM unnest(k_name, k_class, k_category, k_shard, k_position, k_state)
    ON CONFLICT (name) DO UPDATE SET class = EXCLUDED.class, category = EXCLUDED.category,
      shard = EXCLUDED.shard, position = EXCLUDED.position, state = EXCLUDED.state;
  END IF;
  IF cardinality(k_removed) > 0 THEN
    DELETE FROM flotilla.cursors WHERE name = ANY(k_removed);
  END IF;
  FOR i IN 1 .. cardinality(e_key) LOOP
    -- What was claimed in the same batch has changed hands already.
    CONTINUE WHEN EXISTS (SELECT 1 FROM unnest(c_scope, c_key) AS c(scope, key)
                          WHERE c.scope = e_scope[i] AND c.key = e_key[i]);
    IF e_expires[i] BETWEEN 1 AND p_time THEN
      DELETE FROM flotilla.claims WHERE scope = e_scope[i] AND key = e_key[i] AND stream = e_holder[i];
    ELSE
      UPDATE flotilla.claims SET expires = e_expires[i]
        WHERE scope = e_scope[i] AND key = e_key[i] AND stream = e_holder[i];
    END IF;
  END LOOP;
END $$)";

// A connection's claim to a shard under an epoch: what an older connection may still have under way is
// refused from here on. `known`: whether the epoch is still that one; if so the session is noted.
constexpr const char* kEnter = R"(CREATE FUNCTION flotilla.enter(p_shard bigint, p_epoch bigint,
  p_session bigint, OUT known boolean, OUT pos bigint, OUT last_group bigint) LANGUAGE plpgsql AS $$
DECLARE s flotilla.shards;
BEGIN
  SELECT * INTO STRICT s FROM flotilla.shards WHERE shard = p_shard FOR UPDATE;
  known := s.epoch = p_epoch;
  pos := s.position;
  last_group := s.last_group;
  IF known THEN
    UPDATE flotilla.shards SET session = p_session WHERE shard = p_shard;
  END IF;
END $$)";

// In a transaction of its own, before an append that names them. At the limit they stay unknown.
constexpr const char* kAddCategories = R"(CREATE FUNCTION flotilla.add_categories(p_names bytea[],
  p_limit bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF (SELECT count(*) FROM flotilla.categories) + cardinality(p_names) <= p_limit THEN
    INSERT INTO flotilla.categories(name) SELECT DISTINCT n FROM unnest(p_names) n
      WHERE NOT EXISTS (SELECT 1 FROM flotilla.categories k WHERE k.name = n) ORDER BY n
    ON CONFLICT DO NOTHING;
  END IF;
END $$)";

}  // namespace

std::vector<std::string> append_functions() {
  return {kVarint,    head(),
          kPutClaims, std::string(kAppendHead) + permanent_records() + period_records() + kAppendRest,
          kEnter,     kAddCategories};
}

}  // namespace flotilla::journal::pg
