#include "flotilla/journal/sqlite_writer.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>
#include <sqlite3.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/journal/core/event_records.hpp"
#include "flotilla/journal/sqlite_schema.hpp"

namespace flotilla::journal {
namespace {

std::string_view text_of(const Hash& hash) {
  return {reinterpret_cast<const char*>(hash.data()), hash.size()};
}

Hash hash_of(std::string_view bytes) {
  Hash hash{};
  std::ranges::copy(bytes.substr(0, hash.size()), reinterpret_cast<char*>(hash.data()));
  return hash;
}

StreamId resolve(StreamRef ref, const Appended& appended) {
  return ref.is_new() ? appended.created[ref.new_index()] : ref.existing();
}

}  // namespace

SqliteWriter::SqliteWriter(sqlite::Connection& db)
    : db_(db),
      begin_(db.prepare("BEGIN IMMEDIATE")),
      commit_(db.prepare("COMMIT")),
      read_epoch_(db.prepare("SELECT epoch FROM store")),
      kept_head_(db.prepare("SELECT version FROM heads WHERE stream = ?1")),
      insert_category_(db.prepare("INSERT INTO categories(id, name) VALUES (?1, ?2)")),
      find_claim_(db.prepare("SELECT stream, hash, expires FROM claims WHERE scope = ?1 AND key = ?2")),
      put_claim_(db.prepare("INSERT OR REPLACE INTO claims VALUES (?1, ?2, ?3, ?4, ?5)")),
      set_expiry_(db.prepare("UPDATE claims SET expires = ?4 WHERE scope = ?1 AND key = ?2 AND stream = ?3")),
      release_claim_(db.prepare("DELETE FROM claims WHERE scope = ?1 AND key = ?2 AND stream = ?3")),
      change_summary_(
          db.prepare("UPDATE summaries SET state = ?2, attributes = ?3, changed = ?4 WHERE stream = ?1")),
      add_summary_(db.prepare("INSERT INTO summaries VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6)")),
      add_search_(db.prepare(fmt::format("INSERT OR IGNORE INTO search {} AND s.stream = ?1", kSearchOf))),
      remove_summary_(db.prepare("DELETE FROM summaries WHERE stream = ?1")),
      put_snapshot_(db.prepare("INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3, ?4)")),
      put_cursor_(db.prepare("INSERT OR REPLACE INTO cursors VALUES (?1, ?2, ?3, ?4, ?5)")),
      remove_cursor_(db.prepare("DELETE FROM cursors WHERE name = ?1")),
      put_row_(db.prepare("INSERT INTO fold_rows(fold, key, name, value) VALUES (?1, ?2, ?3, ?4) ON "
                          "CONFLICT(fold, key, name) DO UPDATE SET value = excluded.value")),
      remove_row_(db.prepare("DELETE FROM fold_rows WHERE fold = ?1 AND key = ?2 AND name = ?3")) {}

Result<std::unique_ptr<SqliteWriter>> SqliteWriter::open(sqlite::Connection& db) {
  std::unique_ptr<SqliteWriter> writer(new SqliteWriter(db));
  db.execute("BEGIN IMMEDIATE; UPDATE store SET epoch = epoch + 1; COMMIT");
  writer->load();
  if (!db.ok()) {
    db.roll_back();
    return std::unexpected(sqlite::to_error(db.take_error()));
  }
  writer->epoch_ = writer->epoch_on_disk_;
  return writer;
}

bool SqliteWriter::load() {
  heads_.clear();
  categories_.clear();
  segments_.clear();
  {
    sqlite::Statement select = db_.prepare("SELECT epoch, last_position, last_stream FROM store");
    sqlite::Rows rows = select.query();
    if (rows.next()) {
      epoch_on_disk_ = static_cast<std::uint64_t>(rows.integer(0));
      last_position_ = static_cast<std::uint64_t>(rows.integer(1));
      last_stream_ = static_cast<std::uint64_t>(rows.integer(2));
    }
  }
  {
    sqlite::Statement select = db_.prepare("SELECT id, name FROM categories");
    for (sqlite::Rows rows = select.query(); rows.next();) {
      categories_.emplace(rows.bytes(1), rows.integer(0));
    }
  }
  sqlite::Statement select = db_.prepare("SELECT id, class, retain, opened, first FROM segments ORDER BY id");
  for (sqlite::Rows rows = select.query(); rows.next();) {
    add_segment({.id = rows.integer(0),
                 .record_class = static_cast<RecordClass>(rows.integer(1)),
                 .retain = rows.integer(2),
                 .opened = rows.integer(3),
                 .first = rows.integer(4)});
  }
  for (const Segment& segment : segments_) {
    const auto greatest = [&](std::string_view column) {
      return static_cast<std::uint64_t>(
          db_.integer(fmt::format("SELECT max({}) FROM {}", column, segment.table)));
    };
    last_position_ = std::max(last_position_, greatest("position"));
    last_stream_ = std::max(last_stream_, greatest("stream"));
  }
  return db_.ok();
}

void SqliteWriter::add_segment(Segment segment) {
  segment.table = segment_table(segment.record_class, segment.id, segment.retain);
  segment.insert = db_.prepare(fmt::format("INSERT INTO {} VALUES (?1, ?2, ?3, ?4, ?5)", segment.table));
  segment.head = db_.prepare(fmt::format("SELECT max(version) FROM {} WHERE stream = ?1", segment.table));
  if (segment.retain != 0) {
    segment.rows = db_.integer(fmt::format("SELECT count(*) FROM {}", segment.table));
  }
  segments_.push_back(std::move(segment));
}

bool SqliteWriter::begin(UtcMillis now) {
  now_ = now.value();
  begin_.run();
  sqlite::Rows rows = read_epoch_.query();
  if (rows.next()) {
    epoch_on_disk_ = static_cast<std::uint64_t>(rows.integer(0));
  }
  return ok();
}

bool SqliteWriter::commit() {
  if (vault_ != nullptr && db_.ok()) {
    if (const auto saved = vault_->save(); !saved) {
      db_.note(SQLITE_CANTOPEN, saved.error().message);  // like a full disk: tried again with the next group
    }
  }
  return commit_.run();
}

void SqliteWriter::roll_back() {
  fresh_.clear();
  db_.roll_back();
  load();
}

AppendResult SqliteWriter::apply(Batch& batch) {
  if (auto error = refusal(batch)) {
    return std::unexpected(std::move(*error));
  }
  if (auto error = seal(batch)) {
    return std::unexpected(std::move(*error));
  }
  Appended appended;
  append_records(batch, appended);
  change_rows(batch, appended);
  change_keys(batch, appended);
  appended.position = Position(last_position_);
  return appended;
}

std::optional<AppendError> SqliteWriter::refusal(const Batch& batch) {
  if (batch.epoch != epoch_ || epoch_on_disk_ != epoch_) {
    return StaleEpoch{batch.epoch, epoch_on_disk_};
  }
  for (const Append& append : batch.appends) {
    if (auto error = version_refusal(append)) {
      return error;
    }
  }
  if (auto error = category_refusal(batch)) {
    return error;
  }
  return claim_refusal(batch);
}

std::optional<AppendError> SqliteWriter::category_refusal(const Batch& batch) {
  if (categories_.size() + kMaxBatchItems <= kMaxCategories) {
    return std::nullopt;
  }
  std::set<std::string_view> fresh;
  for (const Append& append : batch.appends) {
    for (const NewRecord& record : append.records) {
      if (!record.category.empty() && !categories_.contains(record.category)) {
        fresh.insert(record.category);
      }
    }
  }
  if (categories_.size() + fresh.size() > kMaxCategories) {
    return TooLarge{fmt::format("the journal has {} categories and would have {} more, the limit is {}",
                                categories_.size(), fresh.size(), kMaxCategories)};
  }
  return std::nullopt;
}

std::optional<AppendError> SqliteWriter::version_refusal(const Append& append) {
  if (append.stream.is_new()) {
    return std::nullopt;
  }
  const StreamId stream = append.stream.existing();
  FLOTILLA_ASSERT(stream.value() <= last_stream_);
  if (append.expected) {
    const std::uint64_t actual = head(append.record_class, stream.value());
    if (actual != *append.expected) {
      return VersionConflict{append.record_class, stream, *append.expected, actual};
    }
  }
  return std::nullopt;
}

std::optional<AppendError> SqliteWriter::claim_refusal(const Batch& batch) {
  std::set<std::pair<std::string_view, std::string_view>> claimed;
  for (const Claim& claim : batch.claims) {
    if (!claimed.emplace(claim.scope, claim.key).second) {
      return KeyTaken{claim.scope, claim.key, {}};
    }
    auto by = holder(claim);
    if (!by) {
      continue;
    }
    for (const Expiry& expiry : batch.expiries) {
      if (expiry.scope == claim.scope && expiry.key == claim.key && expiry.holder == by->stream) {
        by->expires = expiry.expires;
      }
    }
    if (by->expires.value() == 0 || by->expires > batch.time) {
      return KeyTaken{claim.scope, claim.key, *by};
    }
  }
  return std::nullopt;
}

std::optional<Holder> SqliteWriter::holder(const Claim& claim) {
  sqlite::Rows rows = find_claim_.query(claim.scope, claim.key);
  if (!rows.next()) {
    return std::nullopt;
  }
  return Holder{StreamId(static_cast<std::uint64_t>(rows.integer(0))), hash_of(rows.bytes(1)),
                UtcMillis(rows.integer(2))};
}

std::optional<AppendError> SqliteWriter::seal(const Batch& batch) {
  sealed_.clear();
  if (vault_ == nullptr) {
    return std::nullopt;
  }
  for (const Append& append : batch.appends) {
    for (const NewRecord& record : append.records) {
      if (record.category.empty() || !is_event(append.record_class, record.type)) {
        continue;
      }
      auto body = vault_->seal(record.category, record.body, batch.time);
      if (!body && body.error().code == Errc::limit) {
        return TooLarge{std::move(body.error().message)};
      }
      if (!body) {
        return StoreUnavailable{std::move(body.error().message)};
      }
      if (*body) {
        sealed_.emplace(&record, *std::move(*body));
      }
    }
  }
  return std::nullopt;
}

std::uint64_t SqliteWriter::head(RecordClass record_class, std::uint64_t stream) {
  if (const auto known = heads_.find(stream); known != heads_.end()) {
    return known->second;
  }
  std::int64_t version = 0;
  for (Segment& segment : segments_) {
    if (segment.record_class == record_class) {
      sqlite::Rows rows = segment.head.query(stream);
      version = std::max(version, rows.next() ? rows.integer(0) : 0);
    }
  }
  {
    sqlite::Rows rows = kept_head_.query(stream);
    version = std::max(version, rows.next() ? rows.integer(0) : 0);
  }
  if (heads_.size() >= kMaxHeads) {
    heads_.clear();
  }
  return heads_[stream] = static_cast<std::uint64_t>(version);
}

void SqliteWriter::append_records(Batch& batch, Appended& appended) {
  for (std::size_t i = 0; i < batch.created; ++i) {
    appended.created.emplace_back(++last_stream_);
  }
  for (Append& append : batch.appends) {
    const StreamId stream = resolve(append.stream, appended);
    std::uint64_t version = append.stream.is_new() ? 0 : head(append.record_class, stream.value());
    for (NewRecord& fresh : append.records) {
      auto stored = std::make_shared<StoredRecord>();
      stored->position = Position(++last_position_);
      stored->record = Record{.record_class = append.record_class,
                              .stream = stream,
                              .version = ++version,
                              .epoch = epoch_,
                              .type = fresh.type,
                              .schema = fresh.schema,
                              .time = batch.time,
                              .body = std::move(fresh.body)};
      scratch_.clear();
      if (const auto sealed = sealed_.find(&fresh); sealed == sealed_.end()) {
        encode(scratch_, stored->record);
      } else {
        Record kept = stored->record;
        kept.body = std::move(sealed->second);
        encode(scratch_, kept);
      }
      Segment& segment = segment_for(append.record_class, fresh.category);
      segment.insert.run(last_position_, stream.value(), version, category_id(fresh.category),
                         sqlite::Blob{scratch_});
      ++segment.rows;
      stored->category = std::move(fresh.category);
      fresh_.push_back(std::move(stored));
    }
    if (!append.records.empty()) {
      heads_[stream.value()] = version;
    }
    appended.versions.push_back(version);
  }
}

void SqliteWriter::change_rows(const Batch& batch, const Appended& appended) {
  for (const SummaryPut& put : batch.summaries) {
    const std::uint64_t stream = resolve(put.stream, appended).value();
    change_summary_.run(stream, put.state, put.attributes, batch.time.value());
    if (db_.changes() > 0) {
      continue;
    }
    add_summary_.run(stream, static_cast<int>(put.record_class), put.name, put.state, put.attributes,
                     batch.time.value());
    if (put.attributes.contains(R"("search")")) {
      add_search_.run(stream);
    }
  }
  for (const StreamId stream : batch.removed_summaries) {
    remove_summary_.run(stream.value());
  }
  for (const SnapshotPut& put : batch.snapshots) {
    put_snapshot_.run(put.stream.value(), put.version, put.fold, sqlite::Blob{put.state});
  }
  for (const Cursor& cursor : batch.cursors) {
    put_cursor_.run(cursor.name, static_cast<int>(cursor.record_class), cursor.category,
                    cursor.position.number(), sqlite::Blob{cursor.state});
  }
  for (const std::string& name : batch.removed_cursors) {
    remove_cursor_.run(name);
  }
  for (const FoldRowPut& put : batch.rows) {
    if (put.value) {
      put_row_.run(put.table, put.name.key, put.name.row, *put.value);
    } else {
      remove_row_.run(put.table, put.name.key, put.name.row);
    }
  }
}

void SqliteWriter::change_keys(const Batch& batch, const Appended& appended) {
  for (const Expiry& expiry : batch.expiries) {
    if (expiry.expires.value() != 0 && expiry.expires <= batch.time) {
      release_claim_.run(expiry.scope, expiry.key, expiry.holder.value());
    } else {
      set_expiry_.run(expiry.scope, expiry.key, expiry.holder.value(), expiry.expires.value());
    }
  }
  for (const Claim& claim : batch.claims) {
    put_claim_.run(claim.scope, claim.key, resolve(claim.holder, appended).value(),
                   sqlite::Blob{text_of(claim.hash)}, claim.expires.value());
  }
}

std::int64_t SqliteWriter::category_id(const std::string& name) {
  if (name.empty()) {
    return 0;
  }
  const auto [entry, fresh] =
      categories_.try_emplace(name, static_cast<std::int64_t>(categories_.size() + 1));
  if (fresh) {
    insert_category_.run(entry->second, name);
  }
  return entry->second;
}

}  // namespace flotilla::journal
