// Tables for people: lists of the management API as aligned columns of text.
//
// For: the client verbs of the command line. Ownership, threads: pure. Limits: those of the answer.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "flotilla/json/value.hpp"

namespace flotilla::app {

struct Column {
  std::string_view heading;  // ASCII
  std::string_view member;   // of each item
  // Where the member is an array of objects: which member of theirs to show. Elements are joined by ", ".
  std::string_view inner = {};
};

// One line of headings, one line an item, columns two blanks apart, no blanks at the end of a line; ends
// with a line feed. What is missing, null or empty shows as "-". Control characters show as '?', for a name
// that somebody registered must not command the reader's terminal. Width is counted in code points.
[[nodiscard]] std::string format_table(std::span<const json::Value> items, std::span<const Column> columns);

// A value as one cell of such a table.
[[nodiscard]] std::string format_cell(const json::Value& value, std::string_view inner = {});

}  // namespace flotilla::app
