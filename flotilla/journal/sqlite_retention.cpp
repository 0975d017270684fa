// How the embedded store forgets: periods by dropping their table, streams and claims row by row.
#include <algorithm>

#include <fmt/format.h>

#include "flotilla/journal/core/retention.hpp"
#include "flotilla/journal/sqlite_schema.hpp"
#include "flotilla/journal/sqlite_writer.hpp"

namespace flotilla::journal {
void SqliteWriter::set_retention(RecordClass record_class, std::string category, std::int64_t retain_ms) {
  if (retain_ms == 0) {
    retention_.erase({record_class, category});
  } else {
    retention_[{record_class, std::move(category)}] = std::max(retain_ms, kLeastPeriod);
  }
}

// The table that records of this category go to now; a period that has ended is followed by a new one.
SqliteWriter::Segment& SqliteWriter::segment_for(RecordClass record_class, const std::string& category) {
  std::int64_t retain = 0;
  if (!category.empty() && !retention_.empty()) {
    const auto found = retention_.find({record_class, category});
    retain = found == retention_.end() ? 0 : found->second;
  }
  const auto newest = std::ranges::find_if(segments_.rbegin(), segments_.rend(), [&](const Segment& s) {
    return s.record_class == record_class && s.retain == retain;
  });
  if (newest != segments_.rend() &&
      (retain == 0 || (now_ < newest->opened + retention_period(retain) && newest->rows < kSegmentRows))) {
    return *newest;
  }
  const Segment segment{.id = segments_.back().id + 1,
                        .record_class = record_class,
                        .retain = retain,
                        .opened = now_,
                        .first = static_cast<std::int64_t>(last_position_)};
  create_segment(db_, segment_table(record_class, segment.id, retain));
  db_.prepare("INSERT INTO segments VALUES (?1, ?2, ?3, ?4, ?5)")
      .run(segment.id, static_cast<int>(record_class), retain, segment.opened, segment.first);
  add_segment({.id = segment.id,
               .record_class = record_class,
               .retain = retain,
               .opened = segment.opened,
               .first = segment.first});
  return segments_.back();
}

// Positions and streams that were given out stay given out; and a check can tell forgetting from loss.
bool SqliteWriter::note_forgotten(std::int64_t records) {
  return db_.prepare("UPDATE store SET forgotten = forgotten + ?1, last_position = ?2, last_stream = ?3")
      .run(records, last_position_, last_stream_);
}

std::int64_t SqliteWriter::forget_streams(RecordClass record_class, std::span<const StreamId> streams) {
  std::int64_t records = 0;
  for (const Segment& segment : segments_) {
    if (segment.record_class != record_class) {
      continue;
    }
    sqlite::Statement remove = db_.prepare(fmt::format("DELETE FROM {} WHERE stream = ?1", segment.table));
    for (const StreamId stream : streams) {
      remove.run(stream.value());
      records += db_.changes();
    }
  }
  sqlite::Statement snapshot = db_.prepare("DELETE FROM snapshots WHERE stream = ?1");
  sqlite::Statement head = db_.prepare("DELETE FROM heads WHERE stream = ?1");
  for (const StreamId stream : streams) {
    remove_summary_.run(stream.value());
    snapshot.run(stream.value());
    head.run(stream.value());
    heads_.erase(stream.value());
  }
  note_forgotten(records);
  return records;
}

// Whether a subscription has yet to settle records of this table.
bool SqliteWriter::is_wanted(const Segment& segment) {
  sqlite::Statement select = db_.prepare(fmt::format(
      "SELECT 1 FROM cursors AS c WHERE c.class = ?1 AND ((c.category = '' AND c.position < (SELECT "
      "max(position) FROM {0})) OR EXISTS (SELECT 1 FROM categories AS k JOIN {0} AS r ON r.category "
      "= k.id WHERE k.name = c.category AND r.category > 0 AND r.position > c.position)) LIMIT 1",
      segment.table));
  return select.query(static_cast<int>(segment.record_class)).next();
}

std::int64_t SqliteWriter::drop_old_segments(UtcMillis now, bool hard) {
  std::int64_t records = 0;
  for (auto segment = segments_.begin(); segment != segments_.end();) {
    const bool old = segment->retain != 0 &&
                     segment->opened + retention_period(segment->retain) + segment->retain <= now.value();
    if (!old || (!hard && is_wanted(*segment))) {
      ++segment;
      continue;
    }
    records += db_.integer(fmt::format("SELECT count(*) FROM {}", segment->table));
    // Streams go on from their last version.
    db_.execute(fmt::format(
        "INSERT INTO heads SELECT stream, max(version) FROM {} GROUP BY stream ON CONFLICT DO UPDATE "
        "SET version = max(version, excluded.version)",
        segment->table));
    const std::string table = segment->table;
    const std::int64_t id = segment->id;
    segment = segments_.erase(segment);  // its statements would keep the table from being dropped
    db_.execute(fmt::format("DROP TABLE {}; DELETE FROM segments WHERE id = {}", table, id));
  }
  if (records > 0) {
    note_forgotten(records);
  }
  return records;
}

std::int64_t SqliteWriter::forget_topic(const std::string& topic, Position until, std::int64_t limit) {
  const auto category = categories_.find(topic);
  std::int64_t records = 0;
  for (Segment& segment : segments_) {
    if (segment.record_class != RecordClass::topic || category == categories_.end() || records >= limit) {
      continue;
    }
    const std::string oldest = fmt::format(
        "SELECT position FROM {} WHERE category = ?1 AND category > 0 AND position <= ?2 ORDER BY position "
        "LIMIT ?3",
        segment.table);
    const auto number = static_cast<std::int64_t>(until.number());
    // Streams go on from their last version.
    db_.prepare(fmt::format("INSERT INTO heads SELECT stream, max(version) FROM {} WHERE position IN ({}) "
                            "GROUP BY stream ON CONFLICT DO UPDATE SET version = max(version, "
                            "excluded.version)",
                            segment.table, oldest))
        .run(category->second, number, limit - records);
    db_.prepare(fmt::format("DELETE FROM {} WHERE position IN ({})", segment.table, oldest))
        .run(category->second, number, limit - records);
    const std::int64_t gone = db_.ok() ? db_.changes() : 0;
    segment.rows -= gone;
    records += gone;
  }
  if (records > 0) {
    note_forgotten(records);
  }
  return records;
}

std::int64_t SqliteWriter::consumed(const std::string& topic) {
  sqlite::Statement select =
      db_.prepare("SELECT min(position) FROM cursors WHERE class = ?1 AND category IN (?2, '')");
  sqlite::Rows rows = select.query(static_cast<int>(RecordClass::topic), topic);
  const auto last = static_cast<std::int64_t>(last_position_);
  return rows.next() && !rows.is_null(0) ? std::min(rows.integer(0), last) : last;
}

std::int64_t SqliteWriter::forget_oldest(const std::string& topic, Position until, std::int64_t limit) {
  const auto floor = static_cast<std::uint64_t>(consumed(topic));
  return forget_topic(topic, Position(std::min(until.number(), floor)), limit);
}

std::int64_t SqliteWriter::forget_records(const std::string& topic, std::span<const Position> positions) {
  const auto category = categories_.find(topic);
  if (category == categories_.end()) {
    return 0;
  }
  const std::int64_t floor = consumed(topic);
  std::int64_t records = 0;
  for (Segment& segment : segments_) {
    if (segment.record_class != RecordClass::topic) {
      continue;
    }
    // Streams go on from their last version.
    sqlite::Statement keep_head = db_.prepare(
        fmt::format("INSERT INTO heads SELECT stream, version FROM {} WHERE position = ?1 AND category = ?2 "
                    "ON CONFLICT DO UPDATE SET version = max(version, excluded.version)",
                    segment.table));
    sqlite::Statement remove =
        db_.prepare(fmt::format("DELETE FROM {} WHERE position = ?1 AND category = ?2", segment.table));
    for (const Position position : positions) {
      const auto number = static_cast<std::int64_t>(position.number());
      if (number > floor) {
        break;
      }
      keep_head.run(number, category->second);
      remove.run(number, category->second);
      const std::int64_t gone = db_.ok() ? db_.changes() : 0;
      segment.rows -= gone;
      records += gone;
    }
  }
  if (records > 0) {
    note_forgotten(records);
  }
  return records;
}

std::int64_t SqliteWriter::forget_scope(const std::string& scope, std::int64_t limit) {
  db_.prepare(
         "DELETE FROM claims WHERE scope = ?1 AND key IN (SELECT key FROM claims WHERE scope = ?1 LIMIT ?2)")
      .run(scope, limit);
  return db_.ok() ? db_.changes() : 0;
}

std::int64_t SqliteWriter::forget_claims(UtcMillis now, std::int64_t limit) {
  db_.prepare(
         "DELETE FROM claims WHERE (scope, key) IN (SELECT scope, key FROM claims WHERE expires > 0 AND "
         "expires <= ?1 ORDER BY expires LIMIT ?2)")
      .run(now.value(), limit);
  return db_.ok() ? db_.changes() : 0;
}

std::int64_t SqliteWriter::forget_rows(std::uint64_t table, std::int64_t limit) {
  db_.prepare("DELETE FROM fold_rows WHERE id IN (SELECT id FROM fold_rows WHERE fold = ?1 LIMIT ?2)")
      .run(table, limit);
  return db_.ok() ? db_.changes() : 0;
}

}  // namespace flotilla::journal
