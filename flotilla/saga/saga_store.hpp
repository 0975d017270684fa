// What sagas keep in the journal, beside appending to their streams: reading them, their definitions, the
// secret of their keys, and the rows of those that have not ended.
//
// For: runner.hpp at its start, shard.hpp while it runs.
// Ownership: the journal and the shelf outlive it. Threads: any; tasks belong on the caller's loop. Functions
// that say so block, and are called before there is a loop. Limits: those of the journal.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "flotilla/journal/journal.hpp"
#include "flotilla/saga/core/saga_batch.hpp"
#include "flotilla/saga/core/saga_key.hpp"
#include "flotilla/saga/definition_shelf.hpp"

namespace flotilla::saga {

// A saga that has not ended, as its row says.
struct Unfinished {
  journal::StreamId stream;
  std::string state;
  Row row;
};

struct LoadedSaga {
  journal::StreamId stream;
  std::vector<StoredRecord> records;
};

inline constexpr Duration kShardPatience = std::chrono::seconds(60);

class SagaStore {
 public:
  SagaStore(journal::Journal& journal, DefinitionShelf& shelf) : journal_(journal), shelf_(shelf) {}

  [[nodiscard]] journal::Journal& journal() const noexcept { return journal_; }

  // All records of a saga, with its definitions on the shelf; nothing if there is no such saga.
  // Errors: those of reading; not_found for a definition that nothing holds.
  [[nodiscard]] net::Task<Result<std::optional<LoadedSaga>>> load(SagaId saga) const;

  // The same of a saga whose stream is known. One without records is as empty as that.
  [[nodiscard]] net::Task<Result<LoadedSaga>> load(journal::StreamId stream) const;

  // Puts the definition of that hash on the shelf. Error: not_found.
  [[nodiscard]] net::Task<Result<>> fetch_definition(std::string hash) const;

  // The id of the saga that has that stream. Error: not_found.
  [[nodiscard]] net::Task<Result<SagaId>> id_of(journal::StreamId stream) const;

  // Those of one shard that have not ended, in the order in which they were accepted.
  [[nodiscard]] net::Task<Result<std::vector<Unfinished>>> unfinished(std::uint32_t shard) const;

  // Each blocks. What has to be written waits until one shard of the journal is ours, at most kShardPatience.
  // Makes the material at the first start of all. Never log it.
  [[nodiscard]] Result<KeyMaterial> keys() const;
  // Keeps what is not kept yet.
  [[nodiscard]] Result<> keep(const std::vector<DefinitionPtr>& definitions) const;
  // As the task, of all shards.
  [[nodiscard]] Result<std::vector<Unfinished>> unfinished() const;
  // How many have not ended, by the name of their definition.
  [[nodiscard]] Result<std::vector<journal::StateCount>> counts() const;

 private:
  [[nodiscard]] net::Task<Result<std::vector<StoredRecord>>> records(journal::StreamId stream) const;
  [[nodiscard]] net::Task<Result<>> fetch_definitions(const std::vector<StoredRecord>& records) const;
  // The stream that holds `content` for that key, or null if it was made now.
  [[nodiscard]] Result<std::optional<journal::StreamId>> find_or_keep(std::string_view scope,
                                                                      const std::string& key,
                                                                      std::uint16_t type,
                                                                      std::string_view content) const;

  journal::Journal& journal_;
  DefinitionShelf& shelf_;
};

}  // namespace flotilla::saga
