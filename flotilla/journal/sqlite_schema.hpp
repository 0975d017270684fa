// The tables of the embedded store, and how a file comes to have them.
//
//   segments      which tables hold records: one per class kept for ever, and for categories with retention
//                 one per period; saga, topic, queue, aggregate and topic_17, ...
//   <segment>     position, stream, version, category, record; unique by (stream, version)
//   heads         versions of streams whose last records were forgotten
//   categories    their names, numbered
//   claims        unique keys
//   summaries     what lists show
//   search        by what rows of those are found: name, text, stream
//   snapshots, cursors
//   fold_rows     rows of views, by table, key and name
//   store         one row: the epoch, and how many records were forgotten up to which position and stream
//
// The schema's version is the file's user_version; its application_id says that the file is ours.
// Threads: whoever owns the connection. Limits: none of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/record.hpp"
#include "flotilla/journal/sqlite.hpp"

namespace flotilla::journal {

// One step of the schema: SQL that leads from version i to i+1, in the order of versions from 0.
using SchemaSteps = std::span<const char* const>;
[[nodiscard]] SchemaSteps schema_steps();

// What rows are found by, of all of them: name, text, stream. Behind it may stand " AND s.stream = ...".
inline constexpr std::string_view kSearchOf =
    "SELECT j.key, j.atom, s.stream FROM summaries AS s, json_each(CASE WHEN json_valid(s.attributes) THEN "
    "s.attributes ELSE '{}' END, '$.search') AS j WHERE typeof(j.key) = 'text' AND j.type = 'text'";

// Brings the file to the last step's version, each step in a transaction of its own. Errors: unsupported (a
// newer version, or not a journal: the message says which), unavailable, invalid (damaged).
[[nodiscard]] Result<> migrate(sqlite::Connection& connection, const std::string& path, SchemaSteps steps);

// A store that exists, perhaps in use by its owner, to look at. Errors: not_found, unsupported (no journal,
// or of another version), unavailable, invalid.
[[nodiscard]] Result<std::unique_ptr<sqlite::Connection>> open_store_for_reading(const std::string& path);

// How long a connection waits for a lock that another holds.
inline constexpr int kBusyMillis = 2000;
// How every connection of a store is set up: log-structured, synced at each commit, no checkpoints by chance.
bool configure(sqlite::Connection& connection);

// The table of a segment: "topic" (kept for ever) or "topic_17".
[[nodiscard]] std::string segment_table(RecordClass record_class, std::int64_t segment,
                                        std::int64_t retain_ms);
// Creates the table of a segment.
bool create_segment(sqlite::Connection& connection, const std::string& table);

}  // namespace flotilla::journal
