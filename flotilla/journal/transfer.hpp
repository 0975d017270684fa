// A store as text, one JSON object a line, and back: for moving to another store, for looking, for archives.
//
// Lines, in this order: `journal`, `segment`, `head` (streams whose last records were forgotten), `record`
// (by position), `claim`, `summary`, `cursor`, `row` (of folds), `end` with the number of lines before it, so
// that a cut file is seen. Snapshots are left out: folding makes them anew. Bodies of records are [tag,
// value] lists; text that is no UTF-8 is {"hex": "..."}. An import makes a new store with the same positions,
// streams, versions and epochs, in a new file. Ownership, threads: connections of their own for the duration;
// both block. Limits: a line of kMaxLine bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/record.hpp"

namespace flotilla::journal {

inline constexpr std::size_t kMaxLine = std::size_t{8} << 20;

// Gives each line, without its end, to `write`, whose error ends the export. One snapshot of the store, which
// may be in use. Returns the number of lines. Errors: as of reading; a record that cannot be read.
[[nodiscard]] Result<std::uint64_t> export_store(const std::string& path, const Vocabulary& vocabulary,
                                                 const std::function<Result<>(std::string_view)>& write);

// Takes lines from `read` until it gives none. Nothing stands at `path` unless all of it was right. Returns
// the number of lines. Errors: conflict (`path` exists), invalid with the number of the line, unavailable,
// io.
[[nodiscard]] Result<std::uint64_t> import_store(const std::string& path, const Vocabulary& vocabulary,
                                                 const std::function<std::optional<std::string>()>& read);

}  // namespace flotilla::journal
