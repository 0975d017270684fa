// Is this store whole? Reads all of it and says what is wrong.
//
// For: operators (after a crash of the machine, before an upgrade, of a backup), tests, imports. The store
// may be in use; what is checked is one snapshot of it. Checked: SQLite's own integrity; every record decodes
// and is of a known type; its head agrees with its row; positions ascend, and exactly as many are missing as
// were forgotten; versions of each stream are contiguous, but for what retention has dropped; epochs never
// decrease along a stream; nothing names a stream that was never created; rows are found by what they say.
// Ownership, threads: a connection of its own for the duration. Limits: kMaxProblems are told.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/position.hpp"
#include "flotilla/journal/core/record.hpp"

namespace flotilla::journal {

struct StoreReport {
  static constexpr std::size_t kMaxProblems = 100;

  Position position;
  std::uint64_t records = 0;
  std::uint64_t forgotten = 0;
  std::uint64_t streams = 0;
  std::vector<std::string> problems;  // sentences; empty: the store is whole
};

// `progress`, if any, is told now and then how many records are read. Errors: what keeps it from being read
// at all.
[[nodiscard]] Result<StoreReport> verify_store(const std::string& path, const Vocabulary& vocabulary,
                                               const std::function<void(std::uint64_t)>& progress = {});

}  // namespace flotilla::journal
