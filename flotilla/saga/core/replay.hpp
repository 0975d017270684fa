// A saga read back from its records: how it stands, and its timeline.
//
// For: the shard, which shows sagas that are not in memory, and the retention, which archives them.
// Ownership: values. Threads: pure functions. Limits: those of the records.
#pragma once

#include <span>

#include "flotilla/base/error.hpp"
#include "flotilla/json/value.hpp"
#include "flotilla/saga/core/engine_io.hpp"
#include "flotilla/saga/core/saga_state.hpp"

namespace flotilla::saga {

struct Replayed {
  SagaState state;
  json::Value timeline;  // a list of records as report.hpp shows them; null if it was not asked for
};
// `records`: all of them, from the first. Errors: those of decoding and folding.
[[nodiscard]] Result<Replayed> replay(std::span<const StoredRecord> records,
                                      const DefinitionSource& definitions, bool timeline);

}  // namespace flotilla::saga
