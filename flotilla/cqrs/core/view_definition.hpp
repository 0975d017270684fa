// What a view is: over which topics it folds, whose row an event belongs to, and what it makes of the row.
//
// For: the reader of the file, which makes one; the engine, which folds by it, also by one that is kept in
// the journal while the file says something newer already. Two views with one hash fold alike: what is built
// is known by it. Ownership: immutable, shared. Threads: any. Limits: kMax... below.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flotilla/base/error.hpp"
#include "flotilla/base/time.hpp"
#include "flotilla/expr/core/program.hpp"
#include "flotilla/journal/core/event_fold.hpp"

namespace flotilla::cqrs {

inline constexpr std::size_t kMaxViewName = 64;
inline constexpr std::size_t kMaxSources = 16;
// Of all its expressions together: they are kept beside the view.
inline constexpr std::size_t kMaxViewText = std::size_t{64} << 10;

// As the file has it.
struct ViewTexts {
  std::vector<std::string> from;  // topics, each once
  std::string key;                // over an event's data, with $event; empty: the fold is C++
  std::string row;                // the same; empty: the view has one row per key
  std::string fold;  // over the row so far, with $event and $data; of C++: what it is made again from

  friend bool operator==(const ViewTexts&, const ViewTexts&) = default;
};

struct ViewDefinition {
  std::string name;
  ViewTexts texts;
  std::string hash;  // 16 hexadecimal digits, of what decides about the rows
  // How long a copy of an answer may live elsewhere; 0: there are none. It decides nothing about the rows.
  Duration cache{0};
  expr::Program key;
  std::optional<expr::Program> row;
  expr::Program fold;
  journal::EventFoldPtr native;  // in place of the three expressions; null: there is none

  [[nodiscard]] bool by_row() const noexcept { return row.has_value(); }
};
using ViewDefinitionPtr = std::shared_ptr<const ViewDefinition>;

// Errors: invalid, beginning with the member: "fold: column 7: ..."; limit.
[[nodiscard]] Result<ViewDefinitionPtr> compile_view(std::string name, ViewTexts texts,
                                                     Duration cache = Duration::zero());

// A fold in C++ over these topics; `text` is all that its remake() needs, and decides about the rows.
[[nodiscard]] ViewDefinitionPtr native_view(std::string name, std::vector<std::string> from, std::string text,
                                            journal::EventFoldPtr fold);

// A version of `wanted` as it was begun: by expressions, or by a fold of its kind. Errors: as compile_view().
[[nodiscard]] Result<ViewDefinitionPtr> compile_version(const ViewDefinition& wanted, ViewTexts texts);

// One expression of a view alone. `variables` of key and row are {event}, of fold {event, data}.
[[nodiscard]] Result<expr::Program> compile_view_key(const std::string& text);
[[nodiscard]] Result<expr::Program> compile_view_fold(const std::string& text);

}  // namespace flotilla::cqrs
