#include "flotilla/app/cli_table.hpp"

#include <algorithm>
#include <vector>

#include "flotilla/json/writer.hpp"

namespace flotilla::app {
namespace {

// Code points; C1 controls (U+0080 to U+009F, in UTF-8 c2 80 to c2 9f) command terminals as C0 ones do.
std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const unsigned char next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    if (byte < 0x20 || byte == 0x7f) {
      out += '?';
    } else if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
      out += '?';
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::size_t width(std::string_view text) {
  return static_cast<std::size_t>(
      std::ranges::count_if(text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

}  // namespace

std::string format_cell(const json::Value& value, std::string_view inner) {
  std::string text;
  if (value.is_string()) {
    text = printable(value.as_string());
  } else if (value.is_array()) {
    for (const json::Value& element : value.items()) {
      text += text.empty() ? "" : ", ";
      text += format_cell(inner.empty() ? element : element[inner]);
    }
  } else if (value.is_bool()) {
    text = value.as_bool() ? "yes" : "no";
  } else if (!value.is_null()) {
    text = printable(json::write(value));
  }
  return text.empty() ? "-" : text;
}

std::string format_table(std::span<const json::Value> items, std::span<const Column> columns) {
  std::vector<std::vector<std::string>> rows(1);
  for (const Column& column : columns) {
    rows[0].emplace_back(column.heading);
  }
  for (const json::Value& item : items) {
    std::vector<std::string>& row = rows.emplace_back();
    for (const Column& column : columns) {
      row.push_back(format_cell(item[column.member], column.inner));
    }
  }
  std::string out;
  std::vector<std::size_t> widths(columns.size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], width(row[i]));
    }
  }
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) {
        out.append(widths[i] + 2 - width(row[i]), ' ');
      }
    }
    out += '\n';
  }
  return out;
}

}  // namespace flotilla::app
