// Rows of a fold: what a view has become, row by row, kept beside the cursor that says how far it has come.
//
// For: views (cqrs). A table is numbered by whoever folds; within it a row is found by its key and, under the
// key, by its name. A batch puts and removes rows together with the cursor, so neither is ever ahead.
// Ownership, threads: plain values. Limits: kMaxName of batch.hpp for keys and names, kMaxFoldRow for a
// value.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace flotilla::journal {

inline constexpr std::size_t kMaxFoldRow = std::size_t{512} << 10;

struct RowName {
  std::string key;
  std::string row;
  friend auto operator<=>(const RowName&, const RowName&) = default;
};

struct FoldRow {
  RowName name;
  std::string value;
  friend bool operator==(const FoldRow&, const FoldRow&) = default;
};

// Puts a row in the place of the one of its name; without a value removes it.
struct FoldRowPut {
  std::uint64_t table = 0;  // below 2^63
  RowName name;
  std::optional<std::string> value;
};

}  // namespace flotilla::journal
