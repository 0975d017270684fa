// What a view answers under a key, made of its rows in the store.
//
// For: readers, and the copies. Ownership: values. Threads: any loop's. Limits: kMaxPageRows and
// kMaxPageBytes of one answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/cqrs/view.hpp"
#include "flotilla/journal/journal.hpp"
#include "flotilla/net/task.hpp"

namespace flotilla::cqrs {

inline constexpr std::size_t kMaxPageRows = 1000;
inline constexpr std::size_t kMaxPageBytes = std::size_t{4} << 20;  // one row always fits

// Longer ones have no ETag: making it would hold up the loop.
inline constexpr std::size_t kMaxTagged = std::size_t{64} << 10;

// [row, row, ...], or the one row that there is. Null: there is none.
[[nodiscard]] AnswerBody body_of(const std::vector<journal::FoldRow>& rows, bool by_row);

struct WholeAnswer {
  AnswerBody body;
  bool whole = true;                      // else there are more rows than fit
  std::optional<std::uint64_t> position;  // of which it is at least
};
// Errors: as Journal::rows().
[[nodiscard]] net::Task<Result<WholeAnswer>> read_whole(journal::Journal& journal, const Serving& serving,
                                                        std::string key);

}  // namespace flotilla::cqrs
