// What a reader of the shared store can answer, over a connection of its own.
//
// For: the reader threads of PostgresJournal, which also forget what is old. Every answer is of one moment of
// the store. A lost connection is opened anew with the next question.
// Ownership: owns its connection. Threads: one at a time. Limits: pages as asked (bounded by Journal).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/journal/core/read_token.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/journal/postgres.hpp"

namespace flotilla::journal::pg {

class Reader {
 public:
  // `address` and `vocabulary` must outlive it.
  Reader(const Address& address, const Vocabulary& vocabulary, Millis statement_timeout)
      : address_(address), vocabulary_(vocabulary), statement_timeout_(statement_timeout) {}

  // `end`: how far the shard had come before the call; where a page that reaches the end goes on.
  [[nodiscard]] Result<Page> read(const StreamQuery& query, Position end);
  [[nodiscard]] Result<Page> read(const CategoryQuery& query, Position end);
  [[nodiscard]] Result<std::vector<Summary>> list(const SummaryQuery& query);
  [[nodiscard]] Result<std::vector<StateCount>> count(const CountQuery& query);
  [[nodiscard]] Result<std::optional<Summary>> summary(StreamId stream);
  [[nodiscard]] Result<std::optional<Holder>> find(const std::string& scope, const std::string& key);
  [[nodiscard]] Result<std::optional<Snapshot>> snapshot(StreamId stream, std::uint64_t fold);
  [[nodiscard]] Result<std::optional<Cursor>> cursor(const std::string& name);
  // Of one moment.
  [[nodiscard]] Result<ReadToken> positions();
  // postgres_rows.cpp
  [[nodiscard]] Result<RowPage> rows(const RowQuery& query);
  [[nodiscard]] Result<RowValues> rows(const RowsByName& query);

  // As Journal's.
  [[nodiscard]] Result<std::int64_t> forget_streams(RecordClass record_class,
                                                    const std::vector<StreamId>& streams);
  [[nodiscard]] Result<std::int64_t> drop_periods(UtcMillis now, bool hard);
  [[nodiscard]] Result<std::int64_t> forget_claims(UtcMillis now, std::size_t limit);
  [[nodiscard]] Result<std::int64_t> forget_rows(std::uint64_t table);
  // As TopicUpkeep's.
  [[nodiscard]] Result<std::int64_t> forget_topic(const std::string& topic, Position until);
  [[nodiscard]] Result<std::int64_t> forget_scope(const std::string& scope);

 private:
  [[nodiscard]] Result<Rows> ask(const std::string& sql, const Arguments& arguments);
  [[nodiscard]] Result<Page> page(const std::string& sql, const Arguments& arguments, std::uint32_t shard,
                                  const PageLimits& limits, Position end);
  [[nodiscard]] Result<std::int64_t> change(const std::string& sql, const Arguments& arguments);

  const Address& address_;
  const Vocabulary& vocabulary_;
  const Millis statement_timeout_;
  std::unique_ptr<Connection> connection_;
};

}  // namespace flotilla::journal::pg
