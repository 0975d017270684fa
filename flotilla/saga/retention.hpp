// What becomes of sagas that have ended: kept for a time, archived, and then forgotten.
//
// For: whoever runs a Runner: `app` and embedded.hpp, which let it tend the journal. How long a saga is kept
// is what the file's definition of its name says now, or the defaults where the file has none; a failed saga
// is kept for ever. With a folder for archives, a saga is on disk there, as its JSON with its timeline,
// before its records go; after a crash between the two it stands there twice. Without one it is just
// forgotten. The claims of its id and key expire by themselves (saga_batch.hpp). A nested saga is kept until
// its parent has ended, which may ask for it again until then; its claims go with it. Ownership: the journal
// outlives it. Threads: the loop of whoever calls; the archive is written on a thread of its own. Limits:
// kAtOnce sagas or kPieceBytes of JSON are taken in one piece, with a pause behind it.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "flotilla/journal/journal.hpp"
#include "flotilla/saga/archive_file.hpp"
#include "flotilla/saga/saga_store.hpp"

namespace flotilla::saga {

class Retention {
 public:
  static constexpr std::size_t kAtOnce = 100;
  static constexpr std::size_t kPieceBytes = std::size_t{4} << 20;

  // `archive`: a folder; empty: none.
  Retention(journal::Journal& journal, std::string archive);

  // The file's, from now on.
  void replace_definitions(const std::vector<DefinitionPtr>& definitions) { shelf_.replace(definitions); }

  // Takes all that has been kept long enough at `now`. Errors: those of the journal, and of the archive; then
  // what was not archived stays.
  [[nodiscard]] net::Task<Result<>> sweep(net::Loop& loop, WallTime now);

  // That every minute, and forgets claims that have expired; never ends. Trouble is logged, and tried again.
  [[nodiscard]] net::Task<> tend(net::Loop& loop);

  // Since the start. Of those that cannot be read, each sweep counts every one.
  [[nodiscard]] std::uint64_t forgotten() const noexcept { return forgotten_; }
  [[nodiscard]] std::uint64_t archived() const noexcept { return archived_; }
  [[nodiscard]] std::uint64_t unreadable() const noexcept { return unreadable_; }

 private:
  [[nodiscard]] Duration keep(const std::string& name, bool completed) const;
  [[nodiscard]] net::Task<Result<>> take(net::Loop& loop, journal::SummaryQuery query, WallTime now);
  using Freed = std::map<std::uint32_t, std::vector<journal::Expiry>>;  // by shard of the journal
  // Whether it may go as far as its parent is concerned; then its id and key are among what becomes free.
  [[nodiscard]] net::Task<Result<bool>> free_nested(const journal::Summary& row, Freed& freed);
  [[nodiscard]] net::Task<Result<bool>> is_open(SagaId saga);
  [[nodiscard]] net::Task<Result<>> append(Freed freed, WallTime now);
  [[nodiscard]] net::Task<Result<std::string>> line_of(journal::StreamId stream);
  [[nodiscard]] net::Task<Result<>> write(std::string day, std::string lines);

  journal::Journal& journal_;
  DefinitionShelf shelf_;
  SagaStore store_;
  bool archives_;
  ArchiveFile archive_;
  std::string trouble_;  // that was logged last
  std::uint64_t forgotten_ = 0;
  std::uint64_t archived_ = 0;
  std::uint64_t unreadable_ = 0;
};

}  // namespace flotilla::saga
