#include "flotilla/journal/postgres_journal.hpp"

#include <algorithm>
#include <random>
#include <utility>

#include <fmt/format.h>

#include "flotilla/base/log.hpp"
#include "flotilla/journal/core/retention.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::journal {
namespace {

// What opening waits for the first leases; they come later too.
constexpr Duration kFirstLeases = std::chrono::seconds(5);

std::uint64_t random_number() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

// fsync off is for tests: what is acknowledged is not on disk then.
void warn_of_settings(pg::Connection& connection, const std::string& name) {
  const auto answer = connection.query(
      "SELECT string_agg(name, ' and ') FROM pg_settings WHERE name IN ('fsync', "
      "'full_page_writes') AND setting <> 'on'");
  if (answer && !answer->is_null(0, 0)) {
    log::warning(
        "journal {}: the server has {} switched off: after a crash of its machine, what was acknowledged "
        "may be lost",
        name, answer->bytes(0, 0));
  }
}

}  // namespace

Result<std::unique_ptr<PostgresJournal>> PostgresJournal::open(PostgresOptions options) {
  auto address = pg::parse_address(options.uri);
  if (!address) {
    return std::unexpected(std::move(address.error()));
  }
  {
    auto connection = pg::Connection::open(*address, "opening", options.statement_timeout);
    if (!connection) {
      return std::unexpected(std::move(connection.error()));
    }
    if (auto ok = pg::migrate(**connection, address->name, pg::schema_steps()); !ok) {
      return std::unexpected(std::move(ok.error()));
    }
    warn_of_settings(**connection, address->name);
  }
  std::unique_ptr<PostgresJournal> journal(new PostgresJournal(std::move(options), std::move(*address)));
  journal->start();
  return journal;
}

PostgresJournal::PostgresJournal(PostgresOptions options, pg::Address address)
    : options_(std::move(options)),
      address_(std::move(address)),
      leases_(pg::kShards, [this](Duration patience) { keeper_->release_all(patience); }) {
  for (std::uint32_t shard = 0; shard < pg::kShards; ++shard) {
    tails_.emplace_back(Position(0, shard), options_.tail_records);
  }
}

void PostgresJournal::start() {
  std::vector<std::unique_ptr<pg::Reader>> readers;
  for (std::size_t i = 0; i < std::max<std::size_t>(1, options_.readers); ++i) {
    readers.push_back(
        std::make_unique<pg::Reader>(address_, options_.vocabulary, options_.statement_timeout));
  }
  readers_ = std::make_unique<ReaderPool<pg::Reader>>(std::move(readers), metrics_);
  for (std::size_t i = 0; i < std::max<std::size_t>(1, options_.lanes); ++i) {
    lanes_.emplace_back(
        pg::Lane::Options{.address = address_,
                          .statement_timeout = options_.statement_timeout,
                          .now = [this] { return now(); }},
        pg::Lane::Port{.publish = [this](std::uint32_t shard,
                                         std::span<const RecordPtr> records) { publish(shard, records); },
                       .moved_on = [this](Position position) { moved_on(position); },
                       .retention =
                           [this] {
                             const std::lock_guard lock(mutex_);
                             return retention_;
                           },
                       .count =
                           [this](const std::function<void(Metrics&)>& change) {
                             const std::lock_guard lock(counting_);
                             change(metrics_);
                           }});
  }
  keeper_ = std::make_unique<pg::LeaseKeeper>(
      pg::LeaseKeeper::Options{.store = address_,
                               .process = fmt::format("{:016x}{:016x}", random_number(), random_number()),
                               .address = options_.address,
                               .seed = random_number(),
                               .look_every = options_.look_every},
      leases_, [this](Position position) { moved_on(position); }, [this] { forget_memory(); });
  keeper_->wait_for_first(kFirstLeases);
}

PostgresJournal::~PostgresJournal() {
  readers_.reset();
  lanes_.clear();  // what is queued is written under our leases
  keeper_.reset();
}

UtcMillis PostgresJournal::now() const {
  return options_.now ? options_.now() : UtcMillis(net::wall_now().ns_since_epoch / 1'000'000);
}

// Lanes publish in order; but what was committed without its records at hand, or by another owner, is missing
// in memory, and readers find it in the store.
void PostgresJournal::publish(std::uint32_t shard, std::span<const RecordPtr> records) {
  if (records.empty()) {
    return;
  }
  const std::lock_guard lock(publishing_);
  Tail& tail = tails_[shard];
  if (records.front()->position.number() == tail.end().number() + 1) {
    tail.publish(records);
  } else if (!tail.end().covers(records.back()->position)) {
    tail.restart_at(records.back()->position);
  }
}

void PostgresJournal::moved_on(Position position) {
  const std::lock_guard lock(publishing_);
  Tail& tail = tails_[position.shard()];
  if (!tail.end().covers(position)) {
    tail.restart_at(position);
  }
}

void PostgresJournal::forget_memory() {
  const std::lock_guard lock(publishing_);
  for (Tail& tail : tails_) {
    tail.restart_at(tail.end());
  }
}

void PostgresJournal::forget_topic(std::string topic, Position until, Done<Result<std::int64_t>> done) {
  ask_reader(std::move(done), [this, topic = std::move(topic), until](pg::Reader& reader) {
    auto gone = reader.forget_topic(topic, until);
    if (gone && *gone > 0) {
      forget_memory();
    }
    return gone;
  });
}

void PostgresJournal::forget_scope(std::string scope, Done<Result<std::int64_t>> done) {
  ask_reader(std::move(done),
             [scope = std::move(scope)](pg::Reader& reader) { return reader.forget_scope(scope); });
}

void PostgresJournal::set_retention(RecordClass record_class, std::string category, Millis retain) {
  const std::lock_guard lock(mutex_);
  pg::Retention changed = *retention_;
  if (retain.count() == 0) {
    changed.erase({record_class, category});
  } else {
    changed[{record_class, std::move(category)}] = std::max<std::int64_t>(retain.count(), kLeastPeriod);
  }
  retention_ = std::make_shared<const pg::Retention>(std::move(changed));
}

Health PostgresJournal::health() const {
  for (const pg::Lane& lane : lanes_) {
    if (Health health = lane.health(); health.state != Health::State::healthy) {
      return health;
    }
  }
  if (std::string trouble = keeper_->trouble(); !trouble.empty()) {
    return {Health::State::failing, std::move(trouble)};
  }
  return {};
}

void PostgresJournal::do_append(Batch batch, Done<AppendResult> done) {
  lanes_[batch.shard % lanes_.size()].submit(std::move(batch), std::move(done));
}

template <class T, class Ask>
void PostgresJournal::ask_reader(Done<Result<T>> done, Ask ask) {
  auto shared = std::make_shared<Done<Result<T>>>(std::move(done));
  ReaderPool<pg::Reader>::Job job = [shared, ask = std::move(ask)](pg::Reader& reader) mutable {
    (*shared)(ask(reader));
  };
  if (!readers_->submit(job)) {
    (*shared)(fail(Errc::limit, fmt::format("{} reads of the journal wait, which is the limit",
                                            ReaderPool<pg::Reader>::kMaxWaiting)));
  }
}

void PostgresJournal::forget_streams(RecordClass record_class, std::vector<StreamId> streams,
                                     Done<Result<std::int64_t>> done) {
  streams.resize(std::min(streams.size(), kMaxForgotten));
  ask_reader(std::move(done), [record_class, streams = std::move(streams)](pg::Reader& reader) {
    return reader.forget_streams(record_class, streams);
  });
}

void PostgresJournal::forget_periods(bool hard, Done<Result<std::int64_t>> done) {
  ask_reader(std::move(done), [this, hard](pg::Reader& reader) { return reader.drop_periods(now(), hard); });
}

void PostgresJournal::forget_claims(std::size_t limit, Done<Result<std::int64_t>> done) {
  ask_reader(std::move(done),
             [this, limit](pg::Reader& reader) { return reader.forget_claims(now(), limit); });
}

void PostgresJournal::forget_rows(std::uint64_t table, Done<Result<std::int64_t>> done) {
  ask_reader(std::move(done), [table](pg::Reader& reader) { return reader.forget_rows(table); });
}

void PostgresJournal::do_read(StreamQuery query, Done<Result<Page>> done) {
  ask_reader(std::move(done), [this, query](pg::Reader& reader) {
    return reader.read(query, tails_[shard_of(query.stream, pg::kShards)].end());
  });
}
void PostgresJournal::do_read(CategoryQuery query, Done<Result<Page>> done) {
  ask_reader(std::move(done), [this, query = std::move(query)](pg::Reader& reader) {
    return reader.read(query, tails_[query.after.shard()].end());
  });
}
void PostgresJournal::do_list(SummaryQuery query, Done<Result<std::vector<Summary>>> done) {
  ask_reader(std::move(done), [query = std::move(query)](pg::Reader& reader) { return reader.list(query); });
}
void PostgresJournal::do_count(CountQuery query, Done<Result<std::vector<StateCount>>> done) {
  ask_reader(std::move(done), [query = std::move(query)](pg::Reader& reader) { return reader.count(query); });
}
void PostgresJournal::do_summary(StreamId stream, Done<Result<std::optional<Summary>>> done) {
  ask_reader(std::move(done), [stream](pg::Reader& reader) { return reader.summary(stream); });
}
void PostgresJournal::do_find(std::string scope, std::string key, Done<Result<std::optional<Holder>>> done) {
  ask_reader(std::move(done), [scope = std::move(scope), key = std::move(key)](pg::Reader& reader) {
    return reader.find(scope, key);
  });
}
void PostgresJournal::do_snapshot(StreamId stream, std::uint64_t fold,
                                  Done<Result<std::optional<Snapshot>>> done) {
  ask_reader(std::move(done), [stream, fold](pg::Reader& reader) { return reader.snapshot(stream, fold); });
}
void PostgresJournal::do_cursor(std::string name, Done<Result<std::optional<Cursor>>> done) {
  ask_reader(std::move(done), [name = std::move(name)](pg::Reader& reader) { return reader.cursor(name); });
}
// Those of others are news; of ours the lanes tell, with the records.
void PostgresJournal::positions(Done<Result<ReadToken>> done) {
  ask_reader(std::move(done), [this](pg::Reader& reader) {
    auto ends = reader.positions();
    for (std::uint32_t shard = 0; ends && shard < pg::kShards; ++shard) {
      if (!leases_.is_held(shard)) {
        moved_on(ends->at(shard));
      }
    }
    return ends;
  });
}
void PostgresJournal::do_rows(RowQuery query, Done<Result<RowPage>> done) {
  ask_reader(std::move(done), [query = std::move(query)](pg::Reader& reader) { return reader.rows(query); });
}
void PostgresJournal::do_rows(RowsByName query, Done<Result<RowValues>> done) {
  ask_reader(std::move(done), [query = std::move(query)](pg::Reader& reader) { return reader.rows(query); });
}

}  // namespace flotilla::journal
