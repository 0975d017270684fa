// What the journal keeps of a view beside its rows: which version is read, which is being built, and how far
// each has come.
//
// A version is one fold over all there is, numbered; its rows are a table of their own. A view has at most
// two: the one that is read, and one that is built beside it, which takes its place at once when it has come
// as far. All of it is kept as cursors: one with the record, and for each version one for each of its topics
// in each shard, at the version's position, so that nothing it has not folded is forgotten. Ownership:
// values. Threads: pure functions. Limits: kMaxCursorState of the journal; kMaxDoomed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/cqrs/core/view_definition.hpp"
#include "flotilla/journal/core/read_token.hpp"

namespace flotilla::cqrs {

using Generation = std::uint64_t;  // from 1; of one view, never used twice

// Versions whose rows are still being deleted; nothing new is built while there are so many.
inline constexpr std::size_t kMaxDoomed = 16;

struct ViewVersion {
  Generation generation = 0;
  std::string hash;  // of the definition
  ViewTexts texts;   // so that it can be folded on when the file says something else

  friend bool operator==(const ViewVersion&, const ViewVersion&) = default;
};

struct ViewRecord {
  Generation next = 1;
  std::optional<ViewVersion> live;      // what is read
  std::optional<ViewVersion> building;  // what will be
  std::vector<Generation> doomed;       // whose rows are to be deleted

  friend bool operator==(const ViewRecord&, const ViewRecord&) = default;
};
[[nodiscard]] std::string encode(const ViewRecord& record);
// Errors: invalid (damaged).
[[nodiscard]] Result<ViewRecord> decode_view_record(std::string_view bytes);

// How far a version has come; saved in the batch that puts the rows it speaks of.
struct Checkpoint {
  journal::ReadToken position;  // every event up to here is folded
  std::uint64_t events = 0;     // that were folded, ever
  std::uint64_t rows = 0;       // that there are

  friend bool operator==(const Checkpoint&, const Checkpoint&) = default;
};
// In a journal of one shard without the position, which is the cursor's own.
[[nodiscard]] std::string encode(const Checkpoint& checkpoint);
[[nodiscard]] Result<Checkpoint> decode_checkpoint(journal::Position position, std::string_view bytes,
                                                   std::uint32_t shards);

// Changes of a record. Each gives what becomes of it; what is retired is doomed.

// The file says `wanted`: what is read stays until what is built takes its place. A version whose checkpoint
// is lost (`has_live`, `has_building`) is built anew.
[[nodiscard]] ViewRecord adopt(ViewRecord record, const ViewDefinition& wanted, bool has_live,
                               bool has_building);
// Builds another version of `wanted`, whatever there is.
[[nodiscard]] ViewRecord rebuild(ViewRecord record, const ViewDefinition& wanted);
// What was built is read. There is a version that is built (asserted).
[[nodiscard]] ViewRecord flip(ViewRecord record);
[[nodiscard]] ViewRecord without_doomed(ViewRecord record, Generation gone);

// The names of cursors, and the number of the table that has a version's rows.
[[nodiscard]] std::string record_cursor(std::string_view view);
// What is saved of how far a version has come is the state of that of its first topic and the first shard.
[[nodiscard]] std::string checkpoint_cursor(std::string_view view, Generation generation,
                                            std::string_view topic, std::uint32_t shard = 0);
// The shard of the journal whose owner runs the view; the same in every process, for ever.
[[nodiscard]] std::uint32_t home_shard(std::string_view view, std::uint32_t shards) noexcept;
[[nodiscard]] std::uint64_t rows_table(std::string_view view, Generation generation);

}  // namespace flotilla::cqrs
