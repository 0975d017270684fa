#include <fmt/format.h>

#include "flotilla/journal/core/line.hpp"
#include "flotilla/journal/sqlite.hpp"
#include "flotilla/journal/sqlite_schema.hpp"
#include "flotilla/journal/transfer.hpp"
#include "flotilla/json/writer.hpp"

namespace flotilla::journal {
namespace {

using json::Value;
using Member = std::pair<std::string_view, Value>;

class Exporter {
 public:
  Exporter(sqlite::Connection& db, const Vocabulary& vocabulary,
           const std::function<Result<>(std::string_view)>& write)
      : db_(db), vocabulary_(vocabulary), write_(write) {}

  Result<std::uint64_t> run() {
    db_.execute("BEGIN");
    head();
    segments();
    records();
    claims();
    summaries();
    cursors();
    rows();
    if (!db_.ok()) {
      return std::unexpected(sqlite::to_error(db_.take_error()));
    }
    line("end", Value::object({{"lines", Value(lines_)}}));
    db_.execute("COMMIT");
    if (!result_) {
      return std::unexpected(std::move(result_.error()));
    }
    return lines_;
  }

 private:
  void line(std::string_view kind, Value content) {
    if (!result_) {
      return;
    }
    text_.clear();
    json::write_to(text_, Value::object({Member(kind, std::move(content))}));
    result_ = write_(text_);
    ++lines_;
  }

  void head() {
    sqlite::Statement select = db_.prepare("SELECT epoch, forgotten, last_position, last_stream FROM store");
    sqlite::Rows rows = select.query();
    if (rows.next()) {
      line("journal", Value::object({{"format", Value(1)},
                                     {"epoch", Value(rows.integer(0))},
                                     {"forgotten", Value(rows.integer(1))},
                                     {"last_position", Value(rows.integer(2))},
                                     {"last_stream", Value(rows.integer(3))}}));
    }
  }

  void segments() {
    sqlite::Statement select =
        db_.prepare("SELECT id, class, retain, opened, first FROM segments ORDER BY id");
    for (sqlite::Rows rows = select.query(); rows.next();) {
      const auto record_class = static_cast<RecordClass>(rows.integer(1));
      if (rows.integer(2) != 0) {
        line("segment", Value::object({{"id", Value(rows.integer(0))},
                                       {"class", Value(to_string(record_class))},
                                       {"retain", Value(rows.integer(2))},
                                       {"opened", Value(rows.integer(3))},
                                       {"first", Value(rows.integer(4))}}));
      }
      sql_ += fmt::format(
          "{}SELECT r.position, {}, k.name, r.record FROM {} AS r LEFT JOIN categories AS k ON k.id = "
          "r.category",
          sql_.empty() ? "" : " UNION ALL ", rows.integer(0),
          segment_table(record_class, rows.integer(0), rows.integer(2)));
    }
    sqlite::Statement heads = db_.prepare("SELECT stream, version FROM heads ORDER BY stream");
    for (sqlite::Rows rows = heads.query(); rows.next();) {
      line("head", Value::object({{"stream", Value(rows.integer(0))}, {"version", Value(rows.integer(1))}}));
    }
  }

  void records() {
    sqlite::Statement select = db_.prepare(sql_ + " ORDER BY 1");
    for (sqlite::Rows rows = select.query(); result_.has_value() && rows.next();) {
      const auto record = decode(rows.bytes(3));
      if (!record) {
        result_ = fail(record.error().code,
                       fmt::format("position {}: {}", rows.integer(0), record.error().message));
        return;
      }
      Value content = Value::object({{"position", Value(rows.integer(0))},
                                     {"segment", Value(rows.integer(1))},
                                     {"class", Value(to_string(record->record_class))},
                                     {"stream", Value(record->stream.value())},
                                     {"version", Value(record->version)},
                                     {"epoch", Value(record->epoch)},
                                     {"type", Value(record->type)},
                                     {"name", Value(vocabulary_.name(record->record_class, record->type))},
                                     {"schema", Value(record->schema)},
                                     {"time", Value(record->time.value())}});
      if (!rows.is_null(2)) {
        content.set("category", text_to_json(rows.bytes(2)));
      }
      content.set("body", body_to_json(record->body));
      line("record", std::move(content));
    }
  }

  void claims() {
    sqlite::Statement select = db_.prepare("SELECT scope, key, stream, hash, expires FROM claims");
    for (sqlite::Rows rows = select.query(); rows.next();) {
      Hash hash{};
      std::ranges::copy(rows.bytes(3).substr(0, hash.size()), reinterpret_cast<char*>(hash.data()));
      line("claim", Value::object({{"scope", text_to_json(rows.bytes(0))},
                                   {"key", text_to_json(rows.bytes(1))},
                                   {"stream", Value(rows.integer(2))},
                                   {"hash", hash_to_json(hash)},
                                   {"expires", Value(rows.integer(4))}}));
    }
  }

  void summaries() {
    sqlite::Statement select =
        db_.prepare("SELECT stream, class, name, state, attributes, created, changed FROM summaries");
    for (sqlite::Rows rows = select.query(); rows.next();) {
      line("summary", Value::object({{"stream", Value(rows.integer(0))},
                                     {"class", Value(to_string(static_cast<RecordClass>(rows.integer(1))))},
                                     {"name", text_to_json(rows.bytes(2))},
                                     {"state", text_to_json(rows.bytes(3))},
                                     {"attributes", text_to_json(rows.bytes(4))},
                                     {"created", Value(rows.integer(5))},
                                     {"changed", Value(rows.integer(6))}}));
    }
  }

  void cursors() {
    sqlite::Statement select = db_.prepare("SELECT name, class, category, position, state FROM cursors");
    for (sqlite::Rows rows = select.query(); rows.next();) {
      line("cursor", Value::object({{"name", text_to_json(rows.bytes(0))},
                                    {"class", Value(to_string(static_cast<RecordClass>(rows.integer(1))))},
                                    {"category", text_to_json(rows.bytes(2))},
                                    {"position", Value(rows.integer(3))},
                                    {"state", text_to_json(rows.bytes(4))}}));
    }
  }

  void rows() {
    sqlite::Statement select =
        db_.prepare("SELECT fold, key, name, value FROM fold_rows ORDER BY fold, key, name");
    for (sqlite::Rows rows = select.query(); rows.next();) {
      line("row", Value::object({{"fold", Value(rows.integer(0))},
                                 {"key", text_to_json(rows.bytes(1))},
                                 {"name", text_to_json(rows.bytes(2))},
                                 {"value", text_to_json(rows.bytes(3))}}));
    }
  }

  sqlite::Connection& db_;
  const Vocabulary& vocabulary_;
  const std::function<Result<>(std::string_view)>& write_;
  std::string sql_;  // all records, as a union of the segments
  std::string text_;
  std::uint64_t lines_ = 0;
  Result<> result_;
};

}  // namespace

Result<std::uint64_t> export_store(const std::string& path, const Vocabulary& vocabulary,
                                   const std::function<Result<>(std::string_view)>& write) {
  auto db = open_store_for_reading(path);
  if (!db) {
    return std::unexpected(std::move(db.error()));
  }
  return Exporter(**db, vocabulary, write).run();
}

}  // namespace flotilla::journal
