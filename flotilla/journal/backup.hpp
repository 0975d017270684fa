// A consistent copy of a store, also while it is in use.
//
// For: operators. The copy is one snapshot: every append that was answered before it began is in it. It is
// complete, or it is not there: it is made beside `to` and takes that name when it is on disk.
// Ownership, threads: connections of its own for the duration; blocks. Limits: appends go on meanwhile, but
// the write-ahead log cannot be emptied until the copy is done (SqliteOptions::wal_limit).
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "flotilla/base/error.hpp"

namespace flotilla::journal {

// Told now and then: so many bytes of so many are copied.
using CopyProgress = std::function<void(std::uint64_t done, std::uint64_t all)>;

// Errors: conflict (`to` exists), not_found and unsupported (no journal at `from`), unavailable, io.
[[nodiscard]] Result<> backup_store(const std::string& from, const std::string& to,
                                    const CopyProgress& progress = {});

}  // namespace flotilla::journal
