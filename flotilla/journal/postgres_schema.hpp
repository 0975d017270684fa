// The tables and functions of the shared store, and how they come to be, in a schema called `flotilla`.
//
// For: PostgresJournal when it opens. Versioned; an older one is brought up in one transaction while every
// other
//   process that opens waits, a newer one is refused. All writing happens in the functions
//   (postgres_functions.cpp for appends, postgres_upkeep.cpp for the rest), which belong to the schema's
//   version.
// Ownership: the connection stays the caller's. Threads: one at a time. Limits: kShards shards, for ever.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/postgres.hpp"

namespace flotilla::journal::pg {

inline constexpr std::uint32_t kShards = 64;
inline constexpr std::size_t kMaxCategories = 100'000;

// The statements of each version, the first being that of an empty database.
using Steps = std::vector<std::vector<std::string>>;
[[nodiscard]] Steps schema_steps();

// Errors: unsupported (a newer schema, or one that is not ours), unavailable; then nothing has changed.
[[nodiscard]] Result<> migrate(Connection& connection, const std::string& store, const Steps& steps);

// The texts of step 1.
[[nodiscard]] std::vector<std::string> append_functions();
[[nodiscard]] std::vector<std::string> read_functions();
[[nodiscard]] std::vector<std::string> upkeep_functions();
[[nodiscard]] std::vector<std::string> lease_functions();
// Step 4.
[[nodiscard]] std::vector<std::string> topic_upkeep_functions();

}  // namespace flotilla::journal::pg
