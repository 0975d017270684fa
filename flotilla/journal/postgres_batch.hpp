// A batch as the arguments of the server's append function, and its answer as what the batch has become.
//
// For: the lanes of PostgresJournal. Ownership: values. Threads: pure functions. Limits: those of a batch,
// which was checked.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/journal/journal.hpp"
#include "flotilla/journal/postgres.hpp"

namespace flotilla::journal::pg {

// How long categories are kept, in milliseconds; those that are not named: for ever.
using Retention = std::map<std::pair<RecordClass, std::string>, std::int64_t>;
[[nodiscard]] std::int64_t retain_of(const Retention& retention, RecordClass record_class,
                                     const std::string& category);

// The call, with $1, $2, ... for append_arguments().
inline constexpr int kAppendArguments = 43;
[[nodiscard]] std::string append_statement();
[[nodiscard]] Arguments append_arguments(const Batch& batch, std::int64_t session, std::int64_t group,
                                         const Retention& retention);

struct Judged {
  AppendResult result;
  std::vector<RecordPtr> records;  // where it was accepted
  bool fenced = false;             // another connection has the shard: nothing was written
};
[[nodiscard]] Judged judged(const Batch& batch, const Rows& answer);

}  // namespace flotilla::journal::pg
