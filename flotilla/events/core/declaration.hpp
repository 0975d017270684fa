// A subscription that was declared at run time, as the journal keeps it: a stream of its own, claimed by its
// name, and a row.
//
// For: declared_subscriptions.hpp. The last record of the stream says what holds: the text of the
// declaration; that the subscription is being forgotten (nobody runs it any more, and where it stood is being
// deleted); that it is forgotten. With each stands who did that, and why.
// Ownership: plain values. Threads: pure functions. Limits: a record's body; kMaxDeclaration of a text.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/batch.hpp"
#include "flotilla/journal/core/record.hpp"

namespace flotilla::events {

// A type of RecordClass::queue. On disk: never reused.
inline constexpr std::uint16_t kDeclarationRecord = 18;
inline constexpr std::size_t kMaxDeclaration = std::size_t{64} << 10;
inline constexpr std::string_view kDeclarationScope = "subscription";
inline constexpr std::string_view kDeclarationRow = "subscription";  // the name of the rows

[[nodiscard]] std::vector<journal::RecordType> declaration_record_types();

// On disk, from 1.
enum class DeclarationState : std::uint8_t { declared = 1, forgetting, forgotten };
inline constexpr std::size_t kDeclarationStates = 3;
[[nodiscard]] std::string_view to_string(DeclarationState state) noexcept;

struct Declaration {
  DeclarationState state = DeclarationState::declared;
  std::string name;
  std::string text;   // JSON, as it was given; of `declared`
  std::string start;  // a token: where a new one begins; of `declared`
  std::string who;
  std::string why;
  friend bool operator==(const Declaration&, const Declaration&) = default;
};
[[nodiscard]] std::string encode(const Declaration& declaration);
// Errors: invalid (damaged), unsupported (of a newer version).
[[nodiscard]] Result<Declaration> decode_declaration(std::string_view body);

// Adds it to the batch as the record behind `version` of `stream`, or as the first one of a new stream, which
// claims the name; with its row. One that is forgotten lets go of the name.
void add_declaration(journal::Batch& batch, const Declaration& declaration,
                     std::optional<journal::StreamId> stream, std::uint64_t version);

// The name and the version of the stream, of a row. Error: invalid.
struct DeclarationRow {
  std::string name;
  std::uint64_t version = 0;
};
[[nodiscard]] Result<DeclarationRow> read_declaration_row(std::string_view attributes);

}  // namespace flotilla::events
