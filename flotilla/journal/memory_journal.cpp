#include "flotilla/journal/memory_journal.hpp"

#include <algorithm>
#include <set>

#include "flotilla/base/assert.hpp"
#include "flotilla/json/reader.hpp"

namespace flotilla::journal {
namespace {

StreamId resolve(StreamRef ref, const Appended& appended) {
  return ref.is_new() ? appended.created[ref.new_index()] : ref.existing();
}

// Adds records until the page is full; whether all fitted.
template <class Records>
bool fill(Page& page, const Records& records, const PageLimits& limits) {
  std::size_t bytes = 0;
  for (const RecordPtr& record : records) {
    bytes += record->record.body.size();
    if (page.records.size() == limits.records || (bytes > limits.bytes && !page.records.empty())) {
      return false;
    }
    page.records.push_back(record);
  }
  return true;
}

// Whether the object `search` of the attributes has all of these.
bool has_all(const std::string& attributes, const Search& wanted) {
  if (wanted.empty()) {
    return true;
  }
  const auto value = json::parse(attributes);
  return value && std::ranges::all_of(wanted, [&](const auto& member) {
           const json::Value& found = (*value)["search"][member.first];
           return found.is_string() && found.as_string() == member.second;
         });
}

}  // namespace

MemoryJournal::MemoryJournal(Vocabulary vocabulary, std::uint32_t shards)
    : vocabulary_(std::move(vocabulary)), leases_(shards) {
  for (std::uint32_t shard = 0; shard < shards; ++shard) {
    shards_.emplace_back(shard);
    leases_.gain({.shard = shard, .epoch = 1, .until = kNever});
  }
}

void MemoryJournal::begin_epoch(std::uint32_t shard) {
  std::uint64_t epoch = 0;
  {
    const std::lock_guard lock(mutex_);
    epoch = ++shards_[shard].epoch;
  }
  leases_.gain({.shard = shard, .epoch = epoch, .until = kNever});
}

std::weak_ptr<void> MemoryJournal::lose(std::uint32_t shard) {
  {
    const std::lock_guard lock(mutex_);
    ++shards_[shard].epoch;
  }
  return leases_.lose(shard);
}

void MemoryJournal::break_appends(std::optional<StoreUnavailable> answer) {
  const std::lock_guard lock(mutex_);
  broken_ = std::move(answer);
}

std::uint64_t MemoryJournal::do_epoch(std::uint32_t shard) const noexcept { return leases_.epoch(shard); }

Position MemoryJournal::do_position(std::uint32_t shard) const noexcept { return shards_[shard].tail.end(); }

Health MemoryJournal::health() const {
  const std::lock_guard lock(mutex_);
  return broken_ ? Health{Health::State::failing, broken_->reason} : Health{};
}

void MemoryJournal::do_append(Batch batch, Done<AppendResult> done) {
  AppendResult result = [&] {
    const std::lock_guard lock(mutex_);
    return commit(batch);
  }();
  done(std::move(result));
}

AppendResult MemoryJournal::commit(Batch& batch) {
  if (broken_) {
    metrics_.failed.add();
    return std::unexpected<AppendError>(*broken_);
  }
  if (auto error = refusal(batch)) {
    metrics_.refused.add();
    return std::unexpected(std::move(*error));
  }
  Appended appended = append_records(batch);
  change_rows(batch, appended);
  change_keys(batch, appended);
  metrics_.commits.add();
  metrics_.batches.add();
  return appended;
}

std::uint64_t MemoryJournal::version(StreamId stream) const {
  const auto found = streams_.find(stream);
  return found == streams_.end() ? 0 : found->second.records.size();
}

std::optional<AppendError> MemoryJournal::refusal(const Batch& batch) const {
  const Shard& shard = shards_[batch.shard];
  if (batch.epoch != shard.epoch) {
    return StaleEpoch{batch.epoch, shard.epoch};
  }
  for (const Append& append : batch.appends) {
    if (append.stream.is_new()) {
      continue;
    }
    FLOTILLA_ASSERT(append.stream.existing().value() / shards() <= shard.streams);
    if (!append.expected) {
      continue;
    }
    const std::uint64_t actual = version(append.stream.existing());
    if (actual != *append.expected) {
      return VersionConflict{append.record_class, append.stream.existing(), *append.expected, actual};
    }
  }
  std::set<Key> claimed;
  for (const Claim& claim : batch.claims) {
    if (!claimed.emplace(claim.scope, claim.key).second) {
      return KeyTaken{claim.scope, claim.key, {}};
    }
    if (const auto by = holder(batch, claim)) {
      return KeyTaken{claim.scope, claim.key, *by};
    }
  }
  return std::nullopt;
}

// Who holds the key once the batch's expiries are through.
std::optional<Holder> MemoryJournal::holder(const Batch& batch, const Claim& claim) const {
  const auto found = claims_.find({claim.scope, claim.key});
  if (found == claims_.end()) {
    return std::nullopt;
  }
  Holder by = found->second;
  for (const Expiry& expiry : batch.expiries) {
    if (expiry.scope == claim.scope && expiry.key == claim.key && expiry.holder == by.stream) {
      by.expires = expiry.expires;
    }
  }
  const bool expired = by.expires.value() != 0 && by.expires <= batch.time;
  return expired ? std::nullopt : std::optional(by);
}

Appended MemoryJournal::append_records(Batch& batch) {
  Shard& shard = shards_[batch.shard];
  Appended appended;
  for (std::size_t i = 0; i < batch.created; ++i) {
    appended.created.push_back(stream_id(++shard.streams, batch.shard, shards()));
  }
  std::vector<RecordPtr> fresh;
  for (Append& append : batch.appends) {
    const StreamId id = resolve(append.stream, appended);
    Stream* const stream = append.records.empty() ? nullptr : &streams_[id];
    for (NewRecord& record : append.records) {
      stream->record_class = append.record_class;
      auto stored = std::make_shared<StoredRecord>();
      stored->position = Position(shard.records.size() + 1, batch.shard);
      stored->category = std::move(record.category);
      stored->record = Record{.record_class = append.record_class,
                              .stream = id,
                              .version = stream->records.size() + 1,
                              .epoch = shard.epoch,
                              .type = record.type,
                              .schema = record.schema,
                              .time = batch.time,
                              .body = std::move(record.body)};
      stream->records.push_back(stored);
      shard.records.push_back(stored);
      fresh.push_back(std::move(stored));
    }
    appended.versions.push_back(version(id));
  }
  metrics_.records.add(fresh.size());
  shard.tail.publish(fresh);
  appended.position = shard.tail.end();
  return appended;
}

void MemoryJournal::change_rows(const Batch& batch, const Appended& appended) {
  for (const SummaryPut& put : batch.summaries) {
    const StreamId id = resolve(put.stream, appended);
    Row& row =
        rows_.try_emplace(id, Row{put.record_class, {id, put.name, {}, {}, batch.time, {}}, put.attributes})
            .first->second;
    row.summary.state = put.state;
    row.summary.attributes = put.attributes;
    row.summary.changed = batch.time;
  }
  for (const StreamId stream : batch.removed_summaries) {
    rows_.erase(stream);
  }
  for (const SnapshotPut& put : batch.snapshots) {
    snapshots_[put.stream] = {put.version, put.fold, put.state};
  }
  for (const Cursor& cursor : batch.cursors) {
    cursors_[cursor.name] = cursor;
  }
  for (const std::string& name : batch.removed_cursors) {
    cursors_.erase(name);
  }
  for (const FoldRowPut& put : batch.rows) {
    if (put.value) {
      tables_[put.table].insert_or_assign(put.name, *put.value);
    } else {
      tables_[put.table].erase(put.name);
    }
  }
}

void MemoryJournal::change_keys(const Batch& batch, const Appended& appended) {
  for (const Expiry& expiry : batch.expiries) {
    const auto found = claims_.find({expiry.scope, expiry.key});
    if (found == claims_.end() || found->second.stream != expiry.holder) {
      continue;
    }
    found->second.expires = expiry.expires;
    if (expiry.expires.value() != 0 && expiry.expires <= batch.time) {
      claims_.erase(found);
    }
  }
  for (const Claim& claim : batch.claims) {
    claims_[{claim.scope, claim.key}] = {resolve(claim.holder, appended), claim.hash, claim.expires};
  }
}

void MemoryJournal::do_read(StreamQuery query, Done<Result<Page>> done) {
  Page page;
  {
    const std::lock_guard lock(mutex_);
    page.next = shards_[shard_of(query.stream, shards())].tail.end();
    const auto found = streams_.find(query.stream);
    std::span<const RecordPtr> records;
    if (found != streams_.end() && found->second.record_class == query.record_class) {
      records = found->second.records;
    }
    records = records.subspan(std::min<std::size_t>(query.after_version, records.size()));
    page.at_end = fill(page, records, query.limits);
  }
  if (!page.at_end) {
    page.next = page.records.back()->position;
  }
  done(std::move(page));
}

void MemoryJournal::do_read(CategoryQuery query, Done<Result<Page>> done) {
  Page page;
  {
    const std::lock_guard lock(mutex_);
    const Shard& shard = shards_[query.after.shard()];
    page.next = shard.tail.end();
    std::vector<RecordPtr> matching;
    for (std::size_t i = query.after.number(); i < shard.records.size(); ++i) {
      const RecordPtr& record = shard.records[i];
      if (record->record.record_class == query.record_class &&
          (query.category.empty() || record->category == query.category)) {
        matching.push_back(record);
      }
    }
    page.at_end = fill(page, matching, query.limits);
  }
  if (!page.at_end) {
    page.next = page.records.back()->position;
  }
  done(std::move(page));
}

void MemoryJournal::do_list(SummaryQuery query, Done<Result<std::vector<Summary>>> done) {
  std::vector<Summary> found;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, row] : rows_) {
      const bool beyond =
          query.after == StreamId() || (query.newest_first ? id < query.after : id > query.after);
      const bool here = !query.shard || shard_of(id, shards()) == *query.shard;
      if (row.record_class == query.record_class && beyond && here &&
          (query.name.empty() || row.summary.name == query.name) &&
          (query.state.empty() || row.summary.state == query.state) &&
          (query.changed_before == UtcMillis() || row.summary.changed < query.changed_before) &&
          has_all(row.first_attributes, query.search)) {
        found.push_back(row.summary);
      }
    }
  }
  if (query.newest_first) {
    std::ranges::reverse(found);
  }
  found.resize(std::min(found.size(), query.limit));
  done(std::move(found));
}

void MemoryJournal::do_count(CountQuery query, Done<Result<std::vector<StateCount>>> done) {
  std::map<Key, std::uint64_t> counts;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [id, row] : rows_) {
      if (row.record_class == query.record_class && (query.name.empty() || row.summary.name == query.name) &&
          (query.state.empty() || row.summary.state == query.state) &&
          has_all(row.first_attributes, query.search)) {
        ++counts[{row.summary.name, row.summary.state}];
      }
    }
  }
  std::vector<StateCount> result;
  for (const auto& [key, count] : counts) {
    result.push_back({key.first, key.second, count});
  }
  done(std::move(result));
}

namespace {

template <class Map, class Key>
auto look_up(std::mutex& mutex, const Map& map, const Key& key) {
  const std::lock_guard lock(mutex);
  const auto found = map.find(key);
  return found == map.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

void MemoryJournal::do_summary(StreamId stream, Done<Result<std::optional<Summary>>> done) {
  const auto row = look_up(mutex_, rows_, stream);
  done(row ? std::optional(row->summary) : std::nullopt);
}

void MemoryJournal::do_find(std::string scope, std::string key, Done<Result<std::optional<Holder>>> done) {
  done(look_up(mutex_, claims_, Key(std::move(scope), std::move(key))));
}

void MemoryJournal::do_snapshot(StreamId stream, std::uint64_t fold,
                                Done<Result<std::optional<Snapshot>>> done) {
  auto found = look_up(mutex_, snapshots_, stream);
  done(found && found->fold == fold ? std::move(found) : std::nullopt);
}

void MemoryJournal::do_cursor(std::string name, Done<Result<std::optional<Cursor>>> done) {
  done(look_up(mutex_, cursors_, name));
}

void MemoryJournal::do_rows(RowQuery query, Done<Result<RowPage>> done) {
  RowPage page{.rows = {}, .at_end = true, .position = {}};
  {
    const std::lock_guard lock(mutex_);
    if (const auto cursor = cursors_.find(query.cursor); cursor != cursors_.end()) {
      page.position = cursor->second.position;
    }
    const auto table = tables_.find(query.table);
    std::size_t bytes = 0;
    for (const auto& [name, value] :
         table == tables_.end() ? std::map<RowName, std::string>() : table->second) {
      if ((query.key && name.key != *query.key) || (query.after && name <= *query.after)) {
        continue;
      }
      bytes += value.size();
      if (page.rows.size() == query.rows || (bytes > query.bytes && !page.rows.empty())) {
        page.at_end = false;
        break;
      }
      page.rows.push_back({name, value});
    }
  }
  done(std::move(page));
}

void MemoryJournal::do_rows(RowsByName query, Done<Result<RowValues>> done) {
  RowValues values;
  {
    const std::lock_guard lock(mutex_);
    const std::map<RowName, std::string>& table = tables_[query.table];
    std::size_t bytes = 0;
    for (const RowName& name : query.names) {
      const auto found = table.find(name);
      bytes += found == table.end() ? 0 : found->second.size();
      if (bytes > query.bytes && !values.empty()) {
        break;
      }
      values.push_back(found == table.end() ? std::nullopt : std::optional(found->second));
    }
  }
  done(std::move(values));
}

void MemoryJournal::forget_rows(std::uint64_t table, Done<Result<std::int64_t>> done) {
  std::int64_t gone = 0;
  {
    const std::lock_guard lock(mutex_);
    std::map<RowName, std::string>& rows = tables_[table];
    for (; gone < static_cast<std::int64_t>(kMaxForgotten) && !rows.empty(); ++gone) {
      rows.erase(rows.begin());
    }
  }
  done(gone);
}

}  // namespace flotilla::journal
