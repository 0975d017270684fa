// What a reader of the embedded store can answer, over a read-only connection of its own.
//
// For: the reader threads of SqliteJournal, and the checks of an operator. Every answer comes from one
// snapshot of the file; the writer is never blocked.
// Ownership: owns its connection. Threads: one at a time. Limits: pages as asked (bounded by Journal).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "flotilla/journal/journal.hpp"
#include "flotilla/journal/key_vault.hpp"
#include "flotilla/journal/sqlite.hpp"
#include "flotilla/journal/topic_sizes.hpp"

namespace flotilla::journal {

class SqliteReader {
 public:
  // `vocabulary` must outlive it.
  [[nodiscard]] static Result<std::unique_ptr<SqliteReader>> open(const std::string& path,
                                                                  const std::string& vfs,
                                                                  const Vocabulary& vocabulary);

  // Who opens what is sealed, from now on; outlives this.
  void set_vault(KeyVault* vault) noexcept { vault_ = vault; }

  // `end`: how far the journal had come before the call; where a page that reaches the end goes on.
  [[nodiscard]] Result<Page> read(const StreamQuery& query, Position end);
  [[nodiscard]] Result<Page> read(const CategoryQuery& query, Position end);
  [[nodiscard]] Result<std::vector<Summary>> list(const SummaryQuery& query);
  [[nodiscard]] Result<std::vector<StateCount>> count(const CountQuery& query);
  [[nodiscard]] Result<std::optional<Summary>> summary(StreamId stream);
  [[nodiscard]] Result<std::optional<Holder>> find(const std::string& scope, const std::string& key);
  [[nodiscard]] Result<std::optional<Snapshot>> snapshot(StreamId stream, std::uint64_t fold);
  [[nodiscard]] Result<std::optional<Cursor>> cursor(const std::string& name);
  [[nodiscard]] Result<TopicWeight> weigh(const std::string& topic, Position after, std::uint64_t bytes);
  [[nodiscard]] Result<RowPage> rows(const RowQuery& query);
  [[nodiscard]] Result<RowValues> rows(const RowsByName& query);

 private:
  struct Segment {
    std::int64_t id;
    std::string table;
    std::uint64_t first;
  };
  struct Statements {
    sqlite::Statement by_stream;
    sqlite::Statement by_class;
    sqlite::Statement by_category;
  };

  SqliteReader(std::unique_ptr<sqlite::Connection> db, const Vocabulary& vocabulary);

  [[nodiscard]] std::vector<Segment> segments(RecordClass record_class);
  [[nodiscard]] Statements& statements(const Segment& segment);
  // Adds the rows' records to `found` until the limits are passed by one.
  void collect(sqlite::Rows rows, const PageLimits& limits, std::vector<RecordPtr>& found);
  [[nodiscard]] RecordPtr record_of(const sqlite::Rows& row);
  [[nodiscard]] std::string category_name(std::int64_t id);
  [[nodiscard]] std::int64_t category_id(const std::string& name);
  [[nodiscard]] Result<Page> page_of(std::vector<RecordPtr> found, const PageLimits& limits, Position end);
  // The value, or the first error since the last call.
  template <class T>
  [[nodiscard]] Result<T> finish(T value);
  [[nodiscard]] static Summary summary_of(const sqlite::Rows& row);

  std::unique_ptr<sqlite::Connection> db_;
  const Vocabulary& vocabulary_;
  KeyVault* vault_ = nullptr;
  std::map<std::int64_t, Statements> statements_;       // of segments that exist
  std::map<std::int64_t, std::string> category_names_;  // ids are never reused
  Result<> record_error_;                               // of the page that is being read
  sqlite::Statement begin_, end_, segments_of_, category_name_, category_id_;
  sqlite::Statement summary_, find_, snapshot_, cursor_, rows_of_table_, rows_of_key_, row_;
};

template <class T>
Result<T> SqliteReader::finish(T value) {
  if (!db_->ok()) {
    Error error = sqlite::to_error(db_->take_error());
    db_->roll_back();
    error.message = fmt::format("the journal cannot be read: {}", error.message);
    return std::unexpected(std::move(error));
  }
  return value;
}

}  // namespace flotilla::journal
