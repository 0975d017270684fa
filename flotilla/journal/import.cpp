#include <map>

#include <fmt/format.h>

#include "flotilla/journal/core/line.hpp"
#include "flotilla/journal/new_file.hpp"
#include "flotilla/journal/sqlite.hpp"
#include "flotilla/journal/sqlite_schema.hpp"
#include "flotilla/journal/transfer.hpp"
#include "flotilla/journal/verify.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::journal {
namespace {

using json::Value;

class Importer {
 public:
  Importer(sqlite::Connection& db, const Vocabulary& vocabulary)
      : db_(db),
        vocabulary_(vocabulary),
        put_category_(db.prepare("INSERT INTO categories(id, name) VALUES (?1, ?2)")),
        put_claim_(db.prepare("INSERT INTO claims VALUES (?1, ?2, ?3, ?4, ?5)")),
        put_summary_(db.prepare("INSERT INTO summaries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")),
        put_cursor_(db.prepare("INSERT INTO cursors VALUES (?1, ?2, ?3, ?4, ?5)")),
        put_row_(db.prepare("INSERT INTO fold_rows(fold, key, name, value) VALUES (?1, ?2, ?3, ?4)")) {
    for (const RecordClass record_class : kRecordClasses) {
      add_table(static_cast<std::int64_t>(record_class), record_class, 0);
    }
  }

  Result<std::uint64_t> run(const std::function<std::optional<std::string>()>& read) {
    db_.execute("BEGIN IMMEDIATE");
    while (const auto text = read()) {
      if (ended_) {
        return refuse("something follows the end");
      }
      ++lines_;
      if (auto ok = take(*text); !ok) {
        return refuse(ok.error().message);
      }
      if (!db_.ok()) {
        return refuse(db_.take_error().message);
      }
    }
    if (!ended_) {
      return refuse("the end is missing: the file was cut");
    }
    db_.execute(fmt::format("INSERT OR IGNORE INTO search {}", kSearchOf));
    if (!db_.execute("COMMIT")) {
      return std::unexpected(sqlite::to_error(db_.take_error()));
    }
    return lines_;
  }

 private:
  struct Table {
    RecordClass record_class;
    sqlite::Statement insert;
  };
  using Take = Result<> (Importer::*)(const Value&);

  std::unexpected<Error> refuse(std::string_view what) const {
    return fail(Errc::invalid, fmt::format("line {}: {}", lines_, what));
  }

  void add_table(std::int64_t id, RecordClass record_class, std::int64_t retain) {
    tables_.emplace(id,
                    Table{record_class, db_.prepare(fmt::format("INSERT INTO {} VALUES (?1, ?2, ?3, ?4, ?5)",
                                                                segment_table(record_class, id, retain)))});
  }

  Result<> take(const std::string& text) {
    static const std::map<std::string_view, Take> kKinds{
        {"journal", &Importer::head},  {"segment", &Importer::segment}, {"head", &Importer::stream_head},
        {"record", &Importer::record}, {"claim", &Importer::claim},     {"summary", &Importer::summary},
        {"cursor", &Importer::cursor}, {"row", &Importer::row},         {"end", &Importer::end}};
    const auto value = json::parse(text, {.size = kMaxLine});
    if (!value) {
      return std::unexpected(value.error());
    }
    if (value->size() != 1 || !value->is_object()) {
      return fail(Errc::invalid, "a line is an object of one member, which says its kind");
    }
    const json::Member& member = value->members()[0];
    const auto kind = kKinds.find(member.key());
    if (kind == kKinds.end()) {
      return fail(Errc::invalid, fmt::format("\"{}\" is no kind of line", member.key().substr(0, 64)));
    }
    if ((lines_ == 1) != (kind->first == "journal")) {
      return fail(Errc::invalid, "the first line, and no other, is \"journal\"");
    }
    return (this->*kind->second)(member.value);
  }

  Result<> head(const Value& content) {
    MemberReader in(content, {"format", "epoch", "forgotten", "last_position", "last_stream"});
    (void)in.number("format", 1, 1);
    const auto epoch = in.number("epoch", 0, kMaxNumber);
    const auto forgotten = in.number("forgotten", 0, kMaxNumber);
    const auto position = in.number("last_position", 0, kMaxNumber);
    const auto stream = in.number("last_stream", 0, kMaxNumber);
    db_.prepare("UPDATE store SET epoch = ?1, forgotten = ?2, last_position = ?3, last_stream = ?4")
        .run(epoch, forgotten, position, stream);
    return in.finish();
  }

  Result<> segment(const Value& content) {
    MemberReader in(content, {"id", "class", "retain", "opened", "first"});
    const auto id = static_cast<std::int64_t>(in.number("id", 5, 1U << 30));
    const RecordClass record_class = in.record_class("class");
    const auto retain = static_cast<std::int64_t>(in.number("retain", 1, kMaxNumber));
    const auto opened = in.number("opened", 0, kMaxNumber);
    const auto first = in.number("first", 1, kMaxNumber);
    if (auto ok = in.finish(); !ok) {
      return ok;
    }
    create_segment(db_, segment_table(record_class, id, retain));
    db_.prepare("INSERT INTO segments VALUES (?1, ?2, ?3, ?4, ?5)")
        .run(id, static_cast<int>(record_class), retain, opened, first);
    add_table(id, record_class, retain);
    return {};
  }

  Result<> stream_head(const Value& content) {
    MemberReader in(content, {"stream", "version"});
    db_.prepare("INSERT INTO heads VALUES (?1, ?2)")
        .run(in.number("stream", 1, kMaxNumber), in.number("version", 1, kMaxNumber));
    return in.finish();
  }

  Result<> record(const Value& content) {
    MemberReader in(content, {"position", "segment", "class", "stream", "version", "epoch", "type", "name",
                              "schema", "time", "category", "body"});
    const auto position = in.number("position", 1, kMaxNumber);
    const auto segment = static_cast<std::int64_t>(in.number("segment", 1, 1U << 30));
    Record record{.record_class = in.record_class("class"),
                  .stream = StreamId(in.number("stream", 1, kMaxNumber)),
                  .version = in.number("version", 1, kMaxNumber),
                  .epoch = in.number("epoch", 0, kMaxNumber),
                  .type = static_cast<std::uint16_t>(in.number("type", 1, 0xffff)),
                  .schema = static_cast<std::uint16_t>(in.number("schema", 1, 0xffff)),
                  .time = UtcMillis(static_cast<std::int64_t>(in.number("time", 0, kMaxNumber))),
                  .body = in.body("body")};
    const std::string category = in.has("category") ? in.text("category") : std::string();
    if (auto ok = in.finish(); !ok) {
      return ok;
    }
    if (auto known = vocabulary_.check(record.record_class, record.type, record.schema); !known) {
      return known;
    }
    const auto table = tables_.find(segment);
    if (table == tables_.end() || table->second.record_class != record.record_class) {
      return fail(Errc::invalid, fmt::format("there is no segment {} for {} records", segment,
                                             to_string(record.record_class)));
    }
    bytes_.clear();
    encode(bytes_, record);
    table->second.insert.run(position, record.stream.value(), record.version, category_id(category),
                             sqlite::Blob{bytes_});
    return {};
  }

  std::int64_t category_id(const std::string& name) {
    if (name.empty()) {
      return 0;
    }
    const auto [entry, fresh] =
        categories_.try_emplace(name, static_cast<std::int64_t>(categories_.size() + 1));
    if (fresh) {
      put_category_.run(entry->second, name);
    }
    return entry->second;
  }

  Result<> claim(const Value& content) {
    MemberReader in(content, {"scope", "key", "stream", "hash", "expires"});
    const std::string scope = in.text("scope");
    const std::string key = in.text("key");
    const Hash hash = in.hash("hash");
    put_claim_.run(scope, key, in.number("stream", 1, kMaxNumber),
                   sqlite::Blob{{reinterpret_cast<const char*>(hash.data()), hash.size()}},
                   in.number("expires", 0, kMaxNumber));
    return in.finish();
  }

  Result<> summary(const Value& content) {
    MemberReader in(content, {"stream", "class", "name", "state", "attributes", "created", "changed"});
    put_summary_.run(in.number("stream", 1, kMaxNumber), static_cast<int>(in.record_class("class")),
                     in.text("name"), in.text("state"), in.text("attributes"),
                     in.number("created", 0, kMaxNumber), in.number("changed", 0, kMaxNumber));
    return in.finish();
  }

  Result<> cursor(const Value& content) {
    MemberReader in(content, {"name", "class", "category", "position", "state"});
    const std::string state = in.text("state");
    put_cursor_.run(in.text("name"), static_cast<int>(in.record_class("class")), in.text("category"),
                    in.number("position", 0, kMaxNumber), sqlite::Blob{state});
    return in.finish();
  }

  Result<> row(const Value& content) {
    MemberReader in(content, {"fold", "key", "name", "value"});
    const auto fold = in.number("fold", 0, kMaxNumber);
    const std::string key = in.text("key");
    const std::string name = in.text("name");
    put_row_.run(fold, key, name, in.text("value"));
    return in.finish();
  }

  Result<> end(const Value& content) {
    MemberReader in(content, {"lines"});
    const auto lines = in.number("lines", 1, kMaxNumber);
    ended_ = true;
    if (auto ok = in.finish(); !ok || lines + 1 == lines_) {
      return ok;
    }
    return fail(Errc::invalid, fmt::format("{} lines were written, {} are here", lines, lines_ - 1));
  }

  sqlite::Connection& db_;
  const Vocabulary& vocabulary_;
  std::uint64_t lines_ = 0;
  bool ended_ = false;
  std::string bytes_;
  std::map<std::int64_t, Table> tables_;
  std::map<std::string, std::int64_t> categories_;
  sqlite::Statement put_category_, put_claim_, put_summary_, put_cursor_, put_row_;
};

}  // namespace

Result<std::uint64_t> import_store(const std::string& path, const Vocabulary& vocabulary,
                                   const std::function<std::optional<std::string>()>& read) {
  auto file = NewFile::begin(path);
  if (!file) {
    return std::unexpected(std::move(file.error()));
  }
  Result<std::uint64_t> lines;
  {
    auto db = sqlite::Connection::open(file->path(), sqlite::Connection::Mode::create, "");
    if (!db) {
      return std::unexpected(std::move(db.error()));
    }
    if (auto ok = migrate(**db, file->path(), schema_steps()); !ok) {
      return std::unexpected(std::move(ok.error()));
    }
    lines = Importer(**db, vocabulary).run(read);
  }
  if (!lines) {
    return lines;
  }
  const auto report = verify_store(file->path(), vocabulary);
  if (!report) {
    return std::unexpected(report.error());
  }
  if (!report->problems.empty()) {
    return fail(Errc::invalid, fmt::format("what was imported is not whole: {}", report->problems.front()));
  }
  if (auto ok = std::move(*file).publish(); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  return lines;
}

}  // namespace flotilla::journal
