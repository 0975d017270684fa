#include "flotilla/journal/postgres_batch.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/journal/core/varint.hpp"
#include "flotilla/journal/postgres_schema.hpp"

namespace flotilla::journal::pg {
namespace {

using Numbers = std::vector<std::int64_t>;
using Texts = std::vector<std::string_view>;

// As the function wants streams: an id, or -1, -2, ... for those that the batch creates.
std::int64_t stream_of(StreamRef ref) {
  return ref.is_new() ? -1 - static_cast<std::int64_t>(ref.new_index())
                      : static_cast<std::int64_t>(ref.existing().value());
}
std::int64_t number_of(RecordClass record_class) { return static_cast<std::int64_t>(record_class); }

void add_appends(Arguments& out, const Batch& batch, const Retention& retention) {
  Numbers classes;
  Numbers streams;
  Numbers expected;
  Numbers counts;
  Texts names;
  std::map<std::string_view, std::int64_t> known;
  Numbers appends;
  Numbers offsets;
  Numbers categories;
  Numbers retains;
  std::deque<std::string> rests;
  for (const Append& append : batch.appends) {
    classes.push_back(number_of(append.record_class));
    streams.push_back(stream_of(append.stream));
    expected.push_back(append.expected ? static_cast<std::int64_t>(*append.expected) : -1);
    counts.push_back(static_cast<std::int64_t>(append.records.size()));
    std::int64_t offset = 0;
    for (const NewRecord& record : append.records) {
      std::int64_t category = 0;
      if (!record.category.empty()) {
        const auto [entry, fresh] =
            known.try_emplace(record.category, static_cast<std::int64_t>(names.size() + 1));
        if (fresh) {
          names.emplace_back(record.category);
        }
        category = entry->second;
      }
      appends.push_back(static_cast<std::int64_t>(classes.size()));
      offsets.push_back(++offset);
      categories.push_back(category);
      retains.push_back(retain_of(retention, append.record_class, record.category));
      // What follows the version in a record (core/record.hpp).
      std::string& rest = rests.emplace_back();
      append_varint(rest, batch.epoch);
      append_varint(rest, record.type);
      append_varint(rest, record.schema);
      append_varint(rest, static_cast<std::uint64_t>(batch.time.value()));
      rest.append(record.body);
    }
  }
  out.numbers(classes).numbers(streams).numbers(expected).numbers(counts);
  out.all_bytes(names).numbers(appends).numbers(offsets).numbers(categories).numbers(retains);
  out.all_bytes(Texts(rests.begin(), rests.end()));
}

// The first claim whose key an earlier one of the batch has, from 1; 0: none.
std::int64_t claimed_twice(const Batch& batch) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  std::int64_t n = 0;
  for (const Claim& claim : batch.claims) {
    ++n;
    if (!seen.emplace(claim.scope, claim.key).second) {
      return n;
    }
  }
  return 0;
}

void add_keys(Arguments& out, const Batch& batch) {
  Texts scopes;
  Texts keys;
  Numbers holders;
  Texts hashes;
  Numbers expires;
  for (const Claim& claim : batch.claims) {
    scopes.emplace_back(claim.scope);
    keys.emplace_back(claim.key);
    holders.push_back(stream_of(claim.holder));
    hashes.emplace_back(reinterpret_cast<const char*>(claim.hash.data()), claim.hash.size());
    expires.push_back(claim.expires.value());
  }
  out.all_bytes(scopes).all_bytes(keys).numbers(holders).all_bytes(hashes).numbers(expires);
  out.number(claimed_twice(batch));
  scopes.clear();
  keys.clear();
  holders.clear();
  expires.clear();
  for (const Expiry& expiry : batch.expiries) {
    scopes.emplace_back(expiry.scope);
    keys.emplace_back(expiry.key);
    holders.push_back(static_cast<std::int64_t>(expiry.holder.value()));
    expires.push_back(expiry.expires.value());
  }
  out.all_bytes(scopes).all_bytes(keys).numbers(holders).numbers(expires);
}

// One statement changes a row once: of several puts the first gives class and name, the last the rest.
void add_summaries(Arguments& out, const Batch& batch) {
  std::map<std::int64_t, std::size_t> places;
  Numbers classes;
  Numbers streams;
  Texts names;
  Texts states;
  Texts attributes;
  for (const SummaryPut& put : batch.summaries) {
    const auto [place, fresh] = places.try_emplace(stream_of(put.stream), streams.size());
    if (fresh) {
      classes.push_back(number_of(put.record_class));
      streams.push_back(place->first);
      names.emplace_back(put.name);
      states.emplace_back(put.state);
      attributes.emplace_back(put.attributes);
    } else {
      states[place->second] = put.state;
      attributes[place->second] = put.attributes;
    }
  }
  out.numbers(classes).numbers(streams).all_bytes(names).all_bytes(states).all_bytes(attributes);
  Numbers removed;
  for (const StreamId stream : batch.removed_summaries) {
    removed.push_back(static_cast<std::int64_t>(stream.value()));
  }
  out.numbers(removed);
}

void add_snapshots(Arguments& out, const Batch& batch) {
  std::map<std::int64_t, const SnapshotPut*> last;
  for (const SnapshotPut& put : batch.snapshots) {
    last[static_cast<std::int64_t>(put.stream.value())] = &put;
  }
  Numbers streams;
  Numbers versions;
  Numbers folds;
  Texts states;
  for (const auto& [stream, put] : last) {
    streams.push_back(stream);
    versions.push_back(static_cast<std::int64_t>(put->version));
    folds.push_back(static_cast<std::int64_t>(put->fold));
    states.emplace_back(put->state);
  }
  out.numbers(streams).numbers(versions).numbers(folds).all_bytes(states);
}

void add_cursors(Arguments& out, const Batch& batch) {
  std::map<std::string_view, const Cursor*> last;
  for (const Cursor& cursor : batch.cursors) {
    last[cursor.name] = &cursor;
  }
  Texts names;
  Numbers classes;
  Texts categories;
  Numbers shards;
  Numbers positions;
  Texts states;
  for (const auto& [name, cursor] : last) {
    names.push_back(name);
    classes.push_back(number_of(cursor->record_class));
    categories.emplace_back(cursor->category);
    shards.push_back(std::int64_t{cursor->position.shard()});
    positions.push_back(static_cast<std::int64_t>(cursor->position.number()));
    states.emplace_back(cursor->state);
  }
  out.all_bytes(names).numbers(classes).all_bytes(categories).numbers(shards).numbers(positions);
  out.all_bytes(states);
  out.all_bytes(Texts(batch.removed_cursors.begin(), batch.removed_cursors.end()));
}

// Columns of the answer.
constexpr int kCode = 0;
constexpr int kNth = 1;
constexpr int kPlace = 2;
constexpr int kStreams = 3;
constexpr int kVersions = 4;
constexpr int kHolder = 5;
constexpr int kHash = 6;
constexpr int kExpires = 7;

KeyTaken key_taken(const Batch& batch, const Rows& answer) {
  const Claim& claim = batch.claims[static_cast<std::size_t>(answer.number(0, kNth) - 1)];
  Holder holder{StreamId(answer.unsigned_number(0, kHolder)), Hash{}, UtcMillis(answer.number(0, kExpires))};
  std::ranges::copy(answer.bytes(0, kHash).substr(0, holder.hash.size()),
                    reinterpret_cast<char*>(holder.hash.data()));
  for (const Expiry& expiry : batch.expiries) {
    if (expiry.scope == claim.scope && expiry.key == claim.key && expiry.holder == holder.stream) {
      holder.expires = expiry.expires;
    }
  }
  return {claim.scope, claim.key, holder};
}

Judged accepted(const Batch& batch, const Rows& answer) {
  Judged judged;
  judged.result.emplace();
  Appended& appended = *judged.result;
  const std::uint64_t streams = answer.unsigned_number(0, kStreams);
  for (std::size_t i = 1; i <= batch.created; ++i) {
    appended.created.push_back(stream_id(streams + i, batch.shard, kShards));
  }
  for (const std::int64_t version : answer.numbers(0, kVersions)) {
    appended.versions.push_back(static_cast<std::uint64_t>(version));
  }
  FLOTILLA_ASSERT(appended.versions.size() == batch.appends.size());
  std::uint64_t records = 0;
  for (const Append& append : batch.appends) {
    records += append.records.size();
  }
  std::uint64_t place = answer.unsigned_number(0, kPlace) - records;
  for (std::size_t i = 0; i < batch.appends.size(); ++i) {
    const Append& append = batch.appends[i];
    const StreamId stream =
        append.stream.is_new() ? appended.created[append.stream.new_index()] : append.stream.existing();
    std::uint64_t version = appended.versions[i] - append.records.size();
    for (const NewRecord& fresh : append.records) {
      auto stored = std::make_shared<StoredRecord>();
      stored->position = Position(++place, batch.shard);
      stored->category = fresh.category;
      stored->record = Record{.record_class = append.record_class,
                              .stream = stream,
                              .version = ++version,
                              .epoch = batch.epoch,
                              .type = fresh.type,
                              .schema = fresh.schema,
                              .time = batch.time,
                              .body = fresh.body};
      judged.records.push_back(std::move(stored));
    }
  }
  appended.position = Position(place, batch.shard);
  return judged;
}

Judged refused(AppendError error) { return {.result = std::unexpected(std::move(error)), .records = {}}; }

}  // namespace

std::int64_t retain_of(const Retention& retention, RecordClass record_class, const std::string& category) {
  if (category.empty() || retention.empty()) {
    return 0;
  }
  const auto found = retention.find({record_class, category});
  return found == retention.end() ? 0 : found->second;
}

std::string append_statement() {
  std::string sql = "SELECT * FROM flotilla.append(";
  for (int i = 1; i <= kAppendArguments; ++i) {
    sql += fmt::format("{}${}", i == 1 ? "" : ", ", i);
  }
  return sql + ")";
}

Arguments append_arguments(const Batch& batch, std::int64_t session, std::int64_t group,
                           const Retention& retention) {
  Arguments out;
  out.number(std::int64_t{batch.shard}).number(batch.epoch).number(session).number(group);
  out.number(batch.time.value()).number(std::uint64_t{batch.created});
  add_appends(out, batch, retention);
  add_keys(out, batch);
  add_summaries(out, batch);
  add_snapshots(out, batch);
  add_cursors(out, batch);
  return out;
}

Judged judged(const Batch& batch, const Rows& answer) {
  const auto nth = static_cast<std::size_t>(answer.number(0, kNth));
  switch (answer.number(0, kCode)) {
    case 0:
      return accepted(batch, answer);
    case 1:
      return refused(StaleEpoch{batch.epoch, nth});
    case 2: {
      const Append& append = batch.appends[nth - 1];
      return refused(VersionConflict{append.record_class, append.stream.existing(), *append.expected,
                                     answer.unsigned_number(0, kPlace)});
    }
    case 3:
      return refused(key_taken(batch, answer));
    case 4:
      return refused(TooLarge{fmt::format("the journal would have more than {} categories", kMaxCategories)});
    case 5: {
      Judged fenced = refused(StoreUnavailable{"the shard was entered by another connection", Effect::none});
      fenced.fenced = true;
      return fenced;
    }
    default:
      FLOTILLA_ASSERT(false);  // a stream that was never created
      return {};
  }
}

}  // namespace flotilla::journal::pg
