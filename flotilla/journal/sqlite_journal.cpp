#include "flotilla/journal/sqlite_journal.hpp"

#include <algorithm>
#include <filesystem>
#include <future>

#include <fmt/format.h>
#include <sqlite3.h>

#include "flotilla/base/log.hpp"
#include "flotilla/journal/new_file.hpp"
#include "flotilla/journal/sqlite_schema.hpp"
#include "flotilla/net/clock.hpp"

namespace flotilla::journal {
namespace {

constexpr std::size_t kMaxJobs = 1024;
constexpr std::uint64_t kFrameHeader = 24;  // of a page in the write-ahead log, SQLite's file format 4.1

Error with_path(const std::string& path, Error error) {
  error.message = fmt::format("cannot open the store {}: {}", path, error.message);
  return error;
}

Result<std::unique_ptr<sqlite::Connection>> open_for_writing(const SqliteOptions& options) {
  // SQLite gives its log the permissions of the file.
  create_private(options.path);
  auto db = sqlite::Connection::open(options.path, sqlite::Connection::Mode::create, options.vfs);
  if (!db) {
    return db;
  }
  if (auto ok = migrate(**db, options.path, schema_steps()); !ok) {
    return std::unexpected(std::move(ok.error()));
  }
  if (!configure(**db)) {
    return std::unexpected(with_path(options.path, sqlite::to_error((*db)->take_error())));
  }
  // What the log held came from a process that ended, perhaps after a failed sync: written to the file and
  // synced there, it is surely on disk before anything is built on it.
  const int code =
      sqlite3_wal_checkpoint_v2((*db)->handle(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
  if (code != SQLITE_OK) {
    (*db)->note(code, "checkpoint");
    return std::unexpected(with_path(options.path, sqlite::to_error((*db)->take_error())));
  }
  return db;
}

}  // namespace

Result<std::unique_ptr<SqliteJournal>> SqliteJournal::open(SqliteOptions options) {
  const std::string path = options.path;
  const auto parent = std::filesystem::path(path).parent_path();
  std::error_code ignored;  // what cannot be created cannot be locked either, and that says why
  if (!parent.empty()) {
    std::filesystem::create_directories(parent, ignored);
  }
  auto lock = StoreLock::acquire(path + ".lock");
  if (!lock) {
    return std::unexpected(with_path(path, std::move(lock.error())));
  }
  auto db = open_for_writing(options);
  if (!db) {
    return std::unexpected(std::move(db.error()));
  }
  auto writer = SqliteWriter::open(**db);
  if (!writer) {
    return std::unexpected(with_path(path, std::move(writer.error())));
  }
  std::unique_ptr<SqliteJournal> journal(
      new SqliteJournal(std::move(options), std::move(*lock), std::move(*db), std::move(*writer)));
  if (auto ok = journal->start(); !ok) {
    return std::unexpected(with_path(path, std::move(ok.error())));
  }
  return journal;
}

SqliteJournal::SqliteJournal(SqliteOptions options, StoreLock lock, std::unique_ptr<sqlite::Connection> db,
                             std::unique_ptr<SqliteWriter> writer)
    : options_(std::move(options)),
      lock_(std::move(lock)),
      vault_(options_.path + ".keys"),
      db_(std::move(db)),
      writer_(std::move(writer)),
      epoch_(writer_->epoch()),
      tail_(writer_->position(), options_.tail_records),
      log_room_(db_->handle(), options_.wal_bound) {
  writer_->set_vault(&vault_);
  leases_.gain({.shard = 0, .epoch = epoch_, .until = kNever});
}

Result<> SqliteJournal::start() {
  std::vector<std::unique_ptr<SqliteReader>> readers;
  for (std::size_t i = 0; i < std::max<std::size_t>(1, options_.readers); ++i) {
    auto reader = SqliteReader::open(options_.path, options_.vfs, options_.vocabulary);
    if (!reader) {
      return std::unexpected(std::move(reader.error()));
    }
    (*reader)->set_vault(&vault_);
    readers.push_back(std::move(*reader));
  }
  auto db = sqlite::Connection::open(options_.path, sqlite::Connection::Mode::read_write, options_.vfs);
  if (!db) {
    return std::unexpected(std::move(db.error()));
  }
  if (!configure(**db)) {
    return std::unexpected(sqlite::to_error((*db)->take_error()));
  }
  const auto page = static_cast<std::uint64_t>(db_->integer("PRAGMA page_size"));
  log_frame_ = page + kFrameHeader;
  sqlite3_wal_hook(
      db_->handle(),
      [](void* self, sqlite3*, const char*, int frames) {
        auto& journal = *static_cast<SqliteJournal*>(self);
        journal.log_grew(static_cast<std::uint64_t>(frames) * journal.log_frame_);
        return SQLITE_OK;
      },
      this);
  readers_ = std::make_unique<ReaderPool<SqliteReader>>(std::move(readers), metrics_);
  thread_ = std::thread([this] { write(); });
  Checkpointer::Port port{
      .empty_log =
          [this] {
            std::promise<void> done;
            add_job({.work = [this](SqliteWriter&) { return empty_log(); },
                     .done = [&done](Result<std::int64_t>) { done.set_value(); },
                     .in_transaction = false});
            done.get_future().wait();
          },
      .failed =
          [this](const sqlite::SqlError& error) {
            set_health({Health::State::failed,
                        fmt::format("the journal cannot be checkpointed, open it anew: {}", error.message)});
          }};
  checkpointer_ = std::make_unique<Checkpointer>(std::move(*db), options_.wal_step, options_.wal_bound,
                                                 std::move(port), metrics_);
  {
    const std::lock_guard lock(mutex_);
    started_ = true;
  }
  wake_.notify_one();
  return {};
}

SqliteJournal::~SqliteJournal() {
  readers_.reset();
  if (thread_.joinable()) {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
      started_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }
  checkpointer_.reset();  // the writer called it to the end; what it asks of the writer now is refused
  sqlite3_wal_hook(db_->handle(), nullptr, nullptr);
  if (failed()) {
    // What the log holds may not be what was written: the next opening reads it with its checksums.
    sqlite3_db_config(db_->handle(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
}

void SqliteJournal::set_retention(RecordClass record_class, std::string category, Millis retain) {
  // Taken up with the next group, so before any batch that is appended after this call.
  const std::lock_guard lock(mutex_);
  retention_changes_[{record_class, std::move(category)}] = retain.count();
}

Health SqliteJournal::health() const {
  const std::lock_guard lock(mutex_);
  return health_;
}

void SqliteJournal::set_health(Health health) {
  {
    const std::lock_guard lock(mutex_);
    if (health_.state == Health::State::failed ||
        (health_.state == health.state && health_.reason == health.reason)) {
      return;
    }
    health_ = health;
    failed_.store(health.state == Health::State::failed, std::memory_order_release);
  }
  if (health.state == Health::State::healthy) {
    log::info("journal {}: appends work again", options_.path);
  } else {
    log::error("journal {}: {}", options_.path, health.reason);
  }
}

UtcMillis SqliteJournal::now() const {
  return options_.now ? options_.now() : UtcMillis(net::wall_now().ns_since_epoch / 1'000'000);
}

void SqliteJournal::do_append(Batch batch, Done<AppendResult> done) {
  const std::size_t bytes = weight(batch);
  std::optional<AppendError> refusal;
  {
    const std::lock_guard lock(mutex_);
    const bool full = queue_.size() >= options_.queue_batches ||
                      (queue_bytes_ + bytes > options_.queue_bytes && !queue_.empty());
    if (failed()) {
      metrics_.unavailable.add();
      refusal = StoreUnavailable{health_.reason};
    } else if (full) {
      metrics_.overloaded.add();
      refusal =
          Overloaded{fmt::format("{} batches ({} bytes) wait for the journal, the limit is {} ({})",
                                 queue_.size(), queue_bytes_, options_.queue_batches, options_.queue_bytes)};
    } else if (metrics_.wal_bytes.read() >= options_.wal_limit) {
      metrics_.overloaded.add();
      refusal =
          Overloaded{fmt::format("the journal's log holds {} bytes, the limit is {}: a reader keeps it "
                                 "from being emptied",
                                 metrics_.wal_bytes.read(), options_.wal_limit)};
    } else {
      queue_bytes_ += bytes;
      metrics_.queue_batches.add();
      metrics_.queue_bytes.add(bytes);
      queue_.push_back({std::move(batch), std::move(done), bytes});
      wake_.notify_one();
      return;
    }
  }
  done(std::unexpected(*std::move(refusal)));
}

void SqliteJournal::add_job(Job job) {
  {
    const std::lock_guard lock(mutex_);
    if (jobs_.size() < kMaxJobs && !stopping_) {
      jobs_.push_back(std::move(job));
      wake_.notify_one();
      return;
    }
  }
  job.done(fail(Errc::limit, "too much maintenance waits for the journal"));
}

template <class T, class Ask>
void SqliteJournal::ask_reader(Done<Result<T>> done, Ask ask) {
  auto shared = std::make_shared<Done<Result<T>>>(std::move(done));
  ReaderPool<SqliteReader>::Job job = [shared, ask = std::move(ask)](SqliteReader& reader) mutable {
    (*shared)(ask(reader));
  };
  if (!readers_->submit(job)) {
    (*shared)(fail(Errc::limit, fmt::format("{} reads of the journal wait, which is the limit",
                                            ReaderPool<SqliteReader>::kMaxWaiting)));
  }
}

void SqliteJournal::forget_streams(RecordClass record_class, std::vector<StreamId> streams,
                                   Done<Result<std::int64_t>> done) {
  streams.resize(std::min(streams.size(), kMaxForgotten));
  add_job({.work = [record_class, streams = std::move(streams)](
                       SqliteWriter& writer) { return writer.forget_streams(record_class, streams); },
           .done = std::move(done)});
}

void SqliteJournal::forget_periods(bool hard, Done<Result<std::int64_t>> done) {
  add_job({.work = [this, hard](SqliteWriter& writer) { return writer.drop_old_segments(now(), hard); },
           .done =
               [this, done = std::move(done)](Result<std::int64_t> gone) mutable {
                 if (gone && *gone > 0) {
                   note_removal({});
                 }
                 done(std::move(gone));
               }});
}

void SqliteJournal::forget_claims(std::size_t limit, Done<Result<std::int64_t>> done) {
  add_job({.work =
               [this, limit](SqliteWriter& writer) {
                 return writer.forget_claims(now(), static_cast<std::int64_t>(limit));
               },
           .done = std::move(done)});
}

void SqliteJournal::forget_rows(std::uint64_t table, Done<Result<std::int64_t>> done) {
  add_job({.work =
               [table](SqliteWriter& writer) {
                 return writer.forget_rows(table, static_cast<std::int64_t>(kMaxForgotten));
               },
           .done = std::move(done)});
}

void SqliteJournal::weigh(std::string topic, Position after, std::uint64_t bytes,
                          Done<Result<TopicWeight>> done) {
  ask_reader(std::move(done), [topic = std::move(topic), after, bytes](SqliteReader& reader) {
    return reader.weigh(topic, after, bytes);
  });
}

void SqliteJournal::do_read(StreamQuery query, Done<Result<Page>> done) {
  ask_reader(std::move(done),
             [this, query](SqliteReader& reader) { return reader.read(query, tail_.end()); });
}
void SqliteJournal::do_read(CategoryQuery query, Done<Result<Page>> done) {
  ask_reader(std::move(done), [this, query = std::move(query)](SqliteReader& reader) {
    return reader.read(query, tail_.end());
  });
}
void SqliteJournal::do_list(SummaryQuery query, Done<Result<std::vector<Summary>>> done) {
  ask_reader(std::move(done),
             [query = std::move(query)](SqliteReader& reader) { return reader.list(query); });
}
void SqliteJournal::do_count(CountQuery query, Done<Result<std::vector<StateCount>>> done) {
  ask_reader(std::move(done),
             [query = std::move(query)](SqliteReader& reader) { return reader.count(query); });
}
void SqliteJournal::do_summary(StreamId stream, Done<Result<std::optional<Summary>>> done) {
  ask_reader(std::move(done), [stream](SqliteReader& reader) { return reader.summary(stream); });
}
void SqliteJournal::do_find(std::string scope, std::string key, Done<Result<std::optional<Holder>>> done) {
  ask_reader(std::move(done), [scope = std::move(scope), key = std::move(key)](SqliteReader& reader) {
    return reader.find(scope, key);
  });
}
void SqliteJournal::do_snapshot(StreamId stream, std::uint64_t fold,
                                Done<Result<std::optional<Snapshot>>> done) {
  ask_reader(std::move(done), [stream, fold](SqliteReader& reader) { return reader.snapshot(stream, fold); });
}
void SqliteJournal::do_cursor(std::string name, Done<Result<std::optional<Cursor>>> done) {
  ask_reader(std::move(done), [name = std::move(name)](SqliteReader& reader) { return reader.cursor(name); });
}
void SqliteJournal::do_rows(RowQuery query, Done<Result<RowPage>> done) {
  ask_reader(std::move(done),
             [query = std::move(query)](SqliteReader& reader) { return reader.rows(query); });
}
void SqliteJournal::do_rows(RowsByName query, Done<Result<RowValues>> done) {
  ask_reader(std::move(done),
             [query = std::move(query)](SqliteReader& reader) { return reader.rows(query); });
}

}  // namespace flotilla::journal
