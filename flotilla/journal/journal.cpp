#include "flotilla/journal/journal.hpp"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/assert.hpp"
#include "flotilla/journal/tail.hpp"

namespace flotilla::journal {
namespace {

// A position or filter may come from outside, and from another store.
Result<> check_shard(std::uint32_t shard, std::uint32_t shards) {
  if (shard >= shards) {
    return fail(Errc::invalid,
                fmt::format("there is no shard {} in this journal, its shards are 0..{}", shard, shards - 1));
  }
  return {};
}

std::unexpected<Error> keeps_none() {
  return fail(Errc::unsupported, "this kind of journal keeps no rows of folds yet");
}

void bound(PageLimits& limits) {
  limits.records = std::clamp<std::size_t>(limits.records, 1, kMaxPageRecords);
  limits.bytes = std::clamp<std::size_t>(limits.bytes, 1, kMaxPageBytes);
}

}  // namespace

void Journal::append(Batch batch, Done<AppendResult> done) {
  FLOTILLA_ASSERT(batch.rows.empty() || keeps_rows());
  if (auto too_large = check(batch, vocabulary(), shards())) {
    done(std::unexpected<AppendError>(std::move(*too_large)));
    return;
  }
  do_append(std::move(batch), std::move(done));
}

void Journal::read(StreamQuery query, Done<Result<Page>> done) {
  bound(query.limits);
  do_read(query, std::move(done));
}

void Journal::read(CategoryQuery query, Done<Result<Page>> done) {
  if (auto ok = check_shard(query.after.shard(), shards()); !ok) {
    done(std::unexpected(std::move(ok.error())));
    return;
  }
  bound(query.limits);
  if (auto page = tail(query.after.shard()).read(query)) {
    done(std::move(*page));
    return;
  }
  do_read(std::move(query), std::move(done));
}

void Journal::list(SummaryQuery query, Done<Result<std::vector<Summary>>> done) {
  if (auto ok = check_shard(query.shard.value_or(0), shards()); !ok) {
    done(std::unexpected(std::move(ok.error())));
    return;
  }
  query.limit = std::clamp<std::size_t>(query.limit, 1, kMaxSummaries);
  query.search.resize(std::min(query.search.size(), kMaxSearch));
  do_list(std::move(query), std::move(done));
}

void Journal::count(CountQuery query, Done<Result<std::vector<StateCount>>> done) {
  query.search.resize(std::min(query.search.size(), kMaxSearch));
  do_count(std::move(query), std::move(done));
}

void Journal::summary(StreamId stream, Done<Result<std::optional<Summary>>> done) {
  do_summary(stream, std::move(done));
}

void Journal::find(std::string scope, std::string key, Done<Result<std::optional<Holder>>> done) {
  do_find(std::move(scope), std::move(key), std::move(done));
}

void Journal::snapshot(StreamId stream, std::uint64_t fold, Done<Result<std::optional<Snapshot>>> done) {
  do_snapshot(stream, fold, std::move(done));
}

void Journal::cursor(std::string name, Done<Result<std::optional<Cursor>>> done) {
  do_cursor(std::move(name), std::move(done));
}

void Journal::rows(RowQuery query, Done<Result<RowPage>> done) {
  query.rows = std::clamp<std::size_t>(query.rows, 1, kMaxRows);
  query.bytes = std::min(query.bytes, kMaxPageBytes);
  do_rows(std::move(query), std::move(done));
}

void Journal::rows(RowsByName query, Done<Result<RowValues>> done) {
  query.names.resize(std::min(query.names.size(), kMaxRows));
  query.bytes = std::min(query.bytes, kMaxPageBytes);
  do_rows(std::move(query), std::move(done));
}

void Journal::do_rows(RowQuery, Done<Result<RowPage>> done) { done(keeps_none()); }
void Journal::do_rows(RowsByName, Done<Result<RowValues>> done) { done(keeps_none()); }
void Journal::forget_rows(std::uint64_t, Done<Result<std::int64_t>> done) { done(keeps_none()); }

net::Task<AppendResult> Journal::append(Batch batch) {
  Reply<AppendResult> reply;
  append(std::move(batch), reply.send());
  co_return co_await reply;
}

net::Task<Result<Page>> Journal::read(StreamQuery query) {
  Reply<Result<Page>> reply;
  read(query, reply.send());
  co_return co_await reply;
}

net::Task<Result<Page>> Journal::read(CategoryQuery query) {
  if (auto ok = check_shard(query.after.shard(), shards()); !ok) {
    co_return std::unexpected(std::move(ok.error()));
  }
  bound(query.limits);
  if (auto page = tail(query.after.shard()).read(query)) {
    co_return std::move(*page);  // without a turn of the loop
  }
  Reply<Result<Page>> reply;
  do_read(std::move(query), reply.send());
  co_return co_await reply;
}

net::Task<Result<bool>> Journal::wait(RecordClass record_class, std::string category, Position after,
                                      Instant deadline) {
  if (auto ok = check_shard(after.shard(), shards()); !ok) {
    co_return std::unexpected(std::move(ok.error()));
  }
  Tail::Watch watch(tail(after.shard()), record_class, std::move(category), after);
  if (!watch.admitted()) {
    co_return fail(Errc::limit, "too many wait for new records of the journal; ask again later");
  }
  if (!watch.rung()) {
    co_await watch.bell().wait(deadline);
  }
  co_return watch.rung();
}

net::Task<Result<std::vector<Summary>>> Journal::list(SummaryQuery query) {
  Reply<Result<std::vector<Summary>>> reply;
  list(std::move(query), reply.send());
  co_return co_await reply;
}

net::Task<Result<std::vector<StateCount>>> Journal::count(CountQuery query) {
  Reply<Result<std::vector<StateCount>>> reply;
  count(std::move(query), reply.send());
  co_return co_await reply;
}

net::Task<Result<std::optional<Summary>>> Journal::summary(StreamId stream) {
  Reply<Result<std::optional<Summary>>> reply;
  summary(stream, reply.send());
  co_return co_await reply;
}

net::Task<Result<std::optional<Holder>>> Journal::find(std::string scope, std::string key) {
  Reply<Result<std::optional<Holder>>> reply;
  find(std::move(scope), std::move(key), reply.send());
  co_return co_await reply;
}

net::Task<Result<std::optional<Snapshot>>> Journal::snapshot(StreamId stream, std::uint64_t fold) {
  Reply<Result<std::optional<Snapshot>>> reply;
  snapshot(stream, fold, reply.send());
  co_return co_await reply;
}

net::Task<Result<std::optional<Cursor>>> Journal::cursor(std::string name) {
  Reply<Result<std::optional<Cursor>>> reply;
  cursor(std::move(name), reply.send());
  co_return co_await reply;
}

net::Task<Result<RowPage>> Journal::rows(RowQuery query) {
  Reply<Result<RowPage>> reply;
  rows(std::move(query), reply.send());
  co_return co_await reply;
}

net::Task<Result<RowValues>> Journal::rows(RowsByName query) {
  Reply<Result<RowValues>> reply;
  rows(std::move(query), reply.send());
  co_return co_await reply;
}

}  // namespace flotilla::journal
