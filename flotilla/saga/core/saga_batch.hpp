// What one decision about a saga changes in the journal, as one batch; and the row that lists show, both
// ways.
//
// For: the runner, which appends it. A saga is a stream of RecordClass::saga; beside its records a batch may
// hold: the claim of its id (so that it is found), the claim of the caller's key (so that a repeated start
// finds it), events of topics, and its row. Locks are not in it: who holds them follows from the records
// (lock_table.hpp). The row names them, so that a table is built again without reading any stream.
// Ownership: values. Threads: pure functions. Limits: those of journal::Batch.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/batch.hpp"
#include "flotilla/saga/core/engine_io.hpp"

namespace flotilla::saga {

// Types in RecordClass::saga beside those of record.hpp; the numbers are on disk.
inline constexpr std::uint16_t kDefinitionRecord = 64;  // its canonical JSON, tag 1
inline constexpr std::uint16_t kSecretRecord = 65;      // the material of keys, tag 1

// Everything that sagas write.
[[nodiscard]] journal::Vocabulary saga_vocabulary();

// Scopes of claims.
inline constexpr std::string_view kIdScope = "saga";
inline constexpr std::string_view kDefinitionScope = "saga-definition";
inline constexpr std::string_view kSecretScope = "saga-secret";
inline constexpr std::string_view kTopicScope = "topic";
// Of callers' keys, one for each definition's name; of nested sagas, whose keys nobody else can make.
[[nodiscard]] std::string key_scope(std::string_view name, std::string_view key);
// A caller's key as the engine gets it: never equal for different principals, nor to a nested saga's.
[[nodiscard]] std::string scoped_key(std::string_view principal, std::string_view key);

// How long a key still finds its saga after the end. That of a nested saga, and its id, do so until the saga
// is forgotten, which is after the end of its parent: who asks for it again must never start a second one.
inline constexpr Duration kKeepKey = std::chrono::days(7);

// The shard of the journal that has a saga's stream, and those of the topics it publishes to.
struct Place {
  std::uint32_t shard = 0;
  std::uint32_t shards = 1;  // of the journal
};
// The key under which the stream of a topic in that shard is found: the topic, where there is one shard.
[[nodiscard]] std::string topic_key(std::string_view topic, Place place);

using TopicStreams = std::map<std::string, journal::StreamId, std::less<>>;  // by topic_key()

struct SagaBatch {
  journal::Batch batch;
  // In the order in which the batch creates them, after the saga's own if `creates_saga`.
  bool creates_saga = false;
  std::vector<std::string> new_topics;  // their topic_key()
};

// `stream` is the saga's, none for its first batch; `topics` those that exist. `holds_locks`: it shall be
// shown as running although the engine does not know yet that its locks are free.
[[nodiscard]] SagaBatch make_batch(const effect::Append& append, std::optional<journal::StreamId> stream,
                                   const TopicStreams& topics, bool holds_locks, Place place = {});

// The attributes of a row.
struct Row {
  SagaId id;
  std::string definition;  // hash
  std::string reason;
  std::string step;
  std::vector<std::pair<std::string, std::string>> search = {};  // as journal::SummaryQuery finds them
  std::vector<std::string> locks = {};
  bool locks_elsewhere = false;  // too many to stand here: in the saga's first record
  SagaId parent = {};            // of a nested one
};
[[nodiscard]] std::string write_row(const Row& row);
// Errors: invalid.
[[nodiscard]] Result<Row> read_row(std::string_view attributes);

}  // namespace flotilla::saga
