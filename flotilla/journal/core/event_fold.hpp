// A fold in C++: whose row an event belongs to, and what becomes of it.
//
// For: projections that no expression describes (the correlation tracker). What folds expressions (cqrs)
// folds these by the same machinery: rows and checkpoint in one commit, versions built beside each other.
// Such a fold is a function of its row and the event alone, so that folding again gives the same rows.
// Ownership: immutable, shared. Threads: any; pure functions. Limits: kMaxFoldRow for a row, kMaxName for
// names.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/journal/core/fold_row.hpp"
#include "flotilla/journal/core/position.hpp"
#include "flotilla/json/value.hpp"

namespace flotilla::journal {

// An event as folds see it.
struct FoldInput {
  json::Value data;   // null where there is none
  json::Value event;  // its attributes, with `data`
  std::string topic;
  Position position;
  std::int64_t recorded_ms = 0;
};

struct Folded {
  json::Value row;   // null: it is removed
  std::string text;  // of the row; empty where it is removed
  // Rows that are put or removed beside it, by which it is found. No event belongs to one of them.
  std::vector<std::pair<RowName, std::optional<std::string>>> beside;
};

class EventFold {
 public:
  EventFold() = default;
  EventFold(const EventFold&) = delete;
  EventFold& operator=(const EventFold&) = delete;
  virtual ~EventFold() = default;

  // Nothing: the event is of no concern.
  [[nodiscard]] virtual std::optional<RowName> place(const FoldInput& in) const = 0;
  // `so_far` is null where there is no row yet.
  [[nodiscard]] virtual std::expected<Folded, std::string> fold(const json::Value& so_far,
                                                                const FoldInput& in) const = 0;
  // What is left of a row that has been kept long enough; nothing: it stays as it is.
  [[nodiscard]] virtual std::optional<Folded> expire(const json::Value& row, std::int64_t now_ms) const = 0;
  // One of the same kind, as it was written down when a version was begun. Errors: invalid.
  [[nodiscard]] virtual Result<std::shared_ptr<const EventFold>> remake(const std::string& text) const = 0;
};
using EventFoldPtr = std::shared_ptr<const EventFold>;

}  // namespace flotilla::journal
