// Where a page of rows ended, as an opaque text for the next request, and back.
//
// Ownership: values. Threads: pure functions. Limits: those of a row's name.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "flotilla/journal/core/fold_row.hpp"

namespace flotilla::cqrs {

// Letters, digits, '-' and '_'.
[[nodiscard]] std::string page_token(const journal::RowName& last);
// Nothing: it is none that was given out.
[[nodiscard]] std::optional<journal::RowName> parse_page_token(std::string_view text);

}  // namespace flotilla::cqrs
