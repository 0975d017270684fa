// Rows of folds in the shared store: their table, and how a batch puts them.
//
// For: the schema, the lanes that write and the readers. Rows are written in the statement of the append that
// they belong to, after it was judged under the lock of its shard, so what is refused has put none.
// Ownership, threads: pure functions. Limits: those of core/fold_row.hpp.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "flotilla/journal/journal.hpp"
#include "flotilla/journal/postgres.hpp"

namespace flotilla::journal::pg {

// Version 3 of the schema.
[[nodiscard]] std::vector<std::string> row_tables();

// The appends of a connection: without rows, and with them, which are put in the same statement where the
// batch is accepted.
[[nodiscard]] std::expected<void, Failure> prepare_appends(Connection& connection);
// `arguments`: those of append_arguments().
void add_append(Connection& connection, const Batch& batch, Arguments arguments);

}  // namespace flotilla::journal::pg
